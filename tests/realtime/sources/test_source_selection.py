"""Tests of what `--source` means.

Must not need a camera or a network.
"""

from pathlib import Path

import pytest
from fakes import RED, FakeSource, solid, write_clip

from realtime.errors import OptionError, SourceError
from realtime.options import RunOptions
from realtime.sources import camera
from realtime.sources.pattern import PatternSource
from realtime.sources.selection import SAMPLE_CLIP, open_default_source, open_source
from realtime.sources.video_file import VideoFileSource

CAMERA_SIZE_WH = (640, 480)
Asked = list[tuple[object, object]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Cameras and streams that open at once, and what they were asked for."""
    calls: Asked = []

    def open_fake(name: object, size_wh: object, *_: object) -> FakeSource:
        calls.append((name, size_wh))
        return FakeSource()

    monkeypatch.setattr(camera, "open_camera", open_fake)
    monkeypatch.setattr(camera, "open_stream", open_fake)
    return calls


@pytest.mark.parametrize(("name", "device"), [("0", 0), ("12", 12), ("/dev/video3", "/dev/video3")])
def test_numbers_and_device_paths_are_cameras(asked: Asked, name: str, device: int | str) -> None:
    open_source(name, RunOptions(), CAMERA_SIZE_WH)
    open_source(name, RunOptions(size_wh=(320, 240)), CAMERA_SIZE_WH)
    assert asked == [(device, CAMERA_SIZE_WH), (device, (320, 240))]


@pytest.mark.parametrize("url", ["rtsp://camera.local/stream", "http://host:8080/video.mjpg", "udp://@:1234"])
def test_addresses_are_streams_and_keep_their_own_size(asked: Asked, url: str) -> None:
    open_source(url, RunOptions(), CAMERA_SIZE_WH)
    assert asked == [(url, None)]


@pytest.mark.parametrize("name", ["0", "/dev/video0", "rtsp://camera.local/stream"])
def test_cameras_and_streams_cannot_be_read_unpaced(asked: Asked, name: str) -> None:
    with pytest.raises(OptionError) as refused:
        open_source(name, RunOptions(unpaced=True), CAMERA_SIZE_WH)
    assert name in str(refused.value)
    assert "leave --unpaced out" in str(refused.value)
    assert asked == []


def test_pattern_has_a_default_size() -> None:
    source = open_source("pattern", RunOptions(), CAMERA_SIZE_WH)
    assert isinstance(source, PatternSource)
    assert source.info.size_wh == (640, 480)
    assert open_source("pattern", RunOptions(size_wh=(50, 30)), CAMERA_SIZE_WH).info.size_wh == (50, 30)


def test_sample_is_the_clip_that_comes_along() -> None:
    assert SAMPLE_CLIP.is_file()
    source = open_source("sample", RunOptions(unpaced=True, size_wh=(64, 64)), CAMERA_SIZE_WH)
    assert source.info.name == "sample clip"
    assert source.info.size_wh == (64, 48)
    frame = source.read()
    source.close()
    assert frame is not None
    assert frame.pixels.std() > 10


def test_anything_else_is_a_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "7.mp4", [solid(RED)] * 3)
    source = open_source(str(clip), RunOptions(unpaced=True), CAMERA_SIZE_WH)
    assert isinstance(source, VideoFileSource)
    assert source.info.name == "7.mp4"
    with pytest.raises(
        SourceError,
        match=r"no camera of that name, and no such file; --list-cameras .*, or give a",
    ):
        open_source("patern", RunOptions(), CAMERA_SIZE_WH)


def test_without_a_name_camera_0_is_opened(asked: Asked) -> None:
    source, notice = open_default_source(RunOptions(), CAMERA_SIZE_WH, loop_sample=True)
    assert source.info.name == "fake source"
    assert notice == ""
    assert asked == [(0, CAMERA_SIZE_WH)]


def test_without_a_camera_the_sample_plays_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> FakeSource:
        raise SourceError("camera 0: does not open; its lens cap is on")

    monkeypatch.setattr(camera, "open_camera", refuse)
    source, notice = open_default_source(RunOptions(size_wh=(64, 48)), CAMERA_SIZE_WH, loop_sample=False)
    source.close()
    assert source.info.name == "sample clip"
    assert "camera 0: does not open; its lens cap is on" in notice
    assert "--source" in notice


def test_a_camera_that_was_named_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> FakeSource:
        raise SourceError("camera 0: does not open")

    monkeypatch.setattr(camera, "open_camera", refuse)
    with pytest.raises(SourceError):
        open_source("0", RunOptions(), CAMERA_SIZE_WH)


def test_unpaced_without_a_name_is_the_sample(asked: Asked) -> None:
    source, notice = open_default_source(RunOptions(unpaced=True), CAMERA_SIZE_WH, loop_sample=True)
    source.close()
    assert source.info.name == "sample clip"
    assert "sample clip" in notice
    assert asked == []
