"""Tests of a folder that is watched, of reports, and of what is measured for them.

Must not test how images and videos are stylized.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from fakes import IdentityEngine, InvertingEngine, noise
from PIL import Image as Pillow
from video_corpus import VideoKind, make_video

from realtime.errors import OptionError, SourceError
from realtime.media.image_file import StillImage, write_still
from realtime.media.video_frame import VideoFrame
from realtime.options import FileOptions
from realtime.videos import job, watch
from realtime.videos.flicker_meter import FlickerMeter
from realtime.videos.job import run_files
from realtime.videos.watch import RECORD, WatchedFolder


class Told:
    """Keeps what a run reports."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def report(self, event: str, source: str = "", **facts: Any) -> None:
        self.events.append((event, facts.get("text", source)))

    def close(self) -> None:
        pass

    def of(self, event: str) -> list[str]:
        return [text for name, text in self.events if name == event]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stands for the clock; called, it lets seconds pass."""
    now = [0.0]
    monkeypatch.setattr("realtime.videos.watch.monotonic", lambda: now[0])

    def pass_s(seconds: float) -> None:
        now[0] += seconds

    return pass_s


def _complete(watched: WatchedFolder) -> list[str]:
    names = []
    for name in watched.complete():
        names.append(name.as_posix())
        watched.done(name)
    return names


def test_a_file_is_complete_when_it_has_stopped_growing(tmp_path: Path, clock: Callable[[float], None]) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    watched = WatchedFolder(tmp_path / "in", tmp_path / "out")
    assert _complete(watched) == []
    growing = tmp_path / "in/deep/a.jpg"
    for size in (0, 1, 2):
        growing.write_bytes(bytes(size))
        assert _complete(watched) == []
        clock(1.5)
    assert _complete(watched) == []
    clock(0.6)
    assert _complete(watched) == ["deep/a.jpg"]
    clock(5)
    assert _complete(watched) == []


def test_an_empty_file_and_one_that_goes_are_waited_for(tmp_path: Path, clock: Callable[[float], None]) -> None:
    (tmp_path / "in").mkdir()
    watched = WatchedFolder(tmp_path / "in", tmp_path / "in/out")
    (tmp_path / "in/a.jpg").touch()
    (tmp_path / "in/b.jpg").write_bytes(b"-")
    (tmp_path / "in/out/c.jpg").write_bytes(b"-")
    assert _complete(watched) == []
    (tmp_path / "in/b.jpg").unlink()
    clock(5)
    assert _complete(watched) == []


def test_what_was_done_is_known_after_a_restart_and_what_changed_is_new(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.mp4"):
        (tmp_path / "in" / name).write_bytes(b"-")
    watched = WatchedFolder(tmp_path / "in", tmp_path / "out")
    _complete(watched)
    clock(3)
    assert _complete(watched) == ["a.jpg", "b.mp4"]
    (tmp_path / "in/a.jpg").write_bytes(b"other")
    watched = WatchedFolder(tmp_path / "in", tmp_path / "out")
    _complete(watched)
    clock(3)
    assert watched.was_done(Path("a.jpg"))
    assert _complete(watched) == ["a.jpg"]


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 5}', '{"a": ["x", 1]}'])
def test_a_damaged_record_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(SourceError, match="is damaged; remove it"):
        WatchedFolder(tmp_path, tmp_path)


def test_only_one_folder_that_is_there_is_watched(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is no folder"):
        WatchedFolder(tmp_path / "gone", tmp_path)
    with pytest.raises(OptionError, match="takes one folder"):
        FileOptions(("a", "b"), "out", watch=True)


def _watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object], **options: Any) -> Told:
    """Runs until the steps, one for each time that nothing is left to do, have been made."""
    told, left = Told(), list(steps)

    def sleep(_: float) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    monkeypatch.setattr(watch, "QUIET_S", 0.0)
    monkeypatch.setattr("realtime.videos.job.sleep", sleep)
    monkeypatch.setattr(job, "open_engine", lambda *_: IdentityEngine())
    (tmp_path / "in").mkdir(exist_ok=True)
    with pytest.raises(KeyboardInterrupt):
        run_files(FileOptions((str(tmp_path / "in"),), str(tmp_path / "out"), watch=True, **options), told)
    return told


def _nothing() -> None:
    pass


def test_what_appears_is_stylized_once_also_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def add() -> None:
        write_still(tmp_path / "in/a.png", StillImage(noise()))
        (tmp_path / "in/deep").mkdir()
        make_video(tmp_path / "in/deep/b", VideoKind(count=2))
        (tmp_path / "in/bad.png").write_bytes(b"none")

    told = _watch(tmp_path, monkeypatch, add, _nothing, _nothing)
    assert len(told.of("done")) == 2
    assert len(told.of("error")) == 1
    assert "bad.png" in told.of("error")[0]
    assert (tmp_path / "out/a.png").is_file()
    assert (tmp_path / "out/deep/b.mp4").is_file()
    told = _watch(tmp_path, monkeypatch, _nothing, _nothing)
    assert told.of("begin") == told.of("error") == []


def test_files_that_differ_in_their_endings_alone_become_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def add() -> None:
        for suffix in (".jpg", ".heic"):
            heic = suffix == ".heic"
            image = Pillow.fromarray(noise(seed=int(heic)))
            (pillow_heif.from_pillow(image) if heic else image).save(tmp_path / f"in/a{suffix}")

    told = _watch(tmp_path, monkeypatch, add, _nothing, _nothing)
    assert len(told.of("done")) == 2
    assert {path.name for path in (tmp_path / "out").glob("a*")} in ({"a.jpg", "a.heic.jpg"}, {"a.jpg", "a.jpg.jpg"})


def test_a_result_that_was_made_before_it_was_recorded_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    write_still(tmp_path / "in/a.png", StillImage(noise()))
    (tmp_path / "out/a.png").write_bytes(b"made")
    told = _watch(tmp_path, monkeypatch, _nothing, _nothing)
    assert "left as it is" in told.of("note")[1]
    assert (tmp_path / "out/a.png").read_bytes() == b"made"

    def change() -> None:
        write_still(tmp_path / "in/a.png", StillImage(noise(seed=1)))

    told = _watch(tmp_path, monkeypatch, change, _nothing, _nothing)
    assert "is there already; use --overwrite" in told.of("error")[0]


def _shaken(count: int, seed: int = 0) -> list[Any]:
    """Views of one image that moves by two pixels a frame."""
    wide = noise((64 + 2 * count, 48), seed)
    return [np.ascontiguousarray(wide[:, 2 * place : 2 * place + 64]) for place in range(count)]


def test_reports_say_what_came_of_each_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "open_engine", lambda *_: InvertingEngine())
    (tmp_path / "in").mkdir()
    scenes = [*_shaken(10), *_shaken(10, seed=3)]
    make_video(tmp_path / "in/a", VideoKind(count=20, sound_s=0.1), scenes)
    write_still(tmp_path / "in/b.png", StillImage(noise()))
    (tmp_path / "in/c.png").write_bytes(b"none")
    options = FileOptions((str(tmp_path / "in"),), str(tmp_path / "out"), report=True)
    assert run_files(options, Told()).failed == 1
    video, image, bad = (
        json.loads((tmp_path / f"out/{name}.report.json").read_text()) for name in ("a.mp4", "b.png", "c.png")
    )
    assert (video["frames"], video["lost"], video["damaged"], video["cuts_s"]) == (20, 0, 0, [0.4])
    assert video["outputs"][0]["flicker"] == pytest.approx(1.0, abs=0.2)
    assert video["outputs"][0]["style"] == "candy"
    assert set(video["engine"]) == {"engine", "device", "precision", "provider", "network"}
    assert video["times"]["seconds"] > 0
    assert "encode" in video["times"]["stage_ms"]
    assert image["size"] == "64x48"
    assert "is damaged" in bad["error"]
    with pytest.raises(OptionError, match="is there already"):
        run_files(options, Told())


def test_a_meter_sees_flicker_and_cuts() -> None:
    rng = np.random.default_rng(0)
    steady, restless = FlickerMeter(), FlickerMeter()
    for time, pixels in enumerate([*_shaken(20), *_shaken(5, seed=3)]):
        frame = VideoFrame(pixels, time, 1, 0.0)
        steady.add(frame, pixels)
        restless.add(frame, np.asarray(np.clip(pixels + rng.normal(0, 20, pixels.shape), 0, 255), np.uint8))
    assert steady.cuts == restless.cuts == [20]
    assert steady.flicker == pytest.approx(1.0)
    assert restless.flicker is not None
    assert restless.flicker > 3
    assert FlickerMeter().flicker is None
