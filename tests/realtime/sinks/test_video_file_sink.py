"""Tests of recording: a file that plays, with the right images and times, or no file.

Must not need a source or an engine.
"""

import logging
import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from fakes import BLUE, GREEN, RED, difference, make_stylized, noise, read_clip, solid

from neural_style.atomic_file import partial_path
from realtime.errors import SinkError
from realtime.frame import Image
from realtime.media.video_reader import VideoReader
from realtime.output_names import lock_path
from realtime.sinks.video_file import VideoFileSink


def _record(path: Path, images: list[Image], times_s: list[float] | None = None) -> str:
    sink = VideoFileSink(path, 10.0)
    for index, pixels in enumerate(images):
        sink.write(make_stylized(pixels, index, times_s[index] if times_s else index / 10))
    return sink.close()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_recording_plays_with_every_frame_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    line = _record(path, [solid((20 * i, 20 * i, 20 * i)) for i in range(12)])
    assert line == f"wrote {path}: 12 frames, 64x48"
    clip = read_clip(path)
    assert (clip.codec, clip.size_wh) == ("h264", (64, 48))
    assert [round(float(pixels.mean()) / 20) for pixels in clip.images] == list(range(12))
    assert clip.times_s == pytest.approx([i / 10 for i in range(12)], abs=2e-3)


def test_the_times_of_capture_are_kept(tmp_path: Path) -> None:
    times_s = [0.0, 0.04, 0.5, 0.51, 2.0]
    _record(tmp_path / "out.mp4", [noise(seed=i) for i in range(5)], times_s)
    assert read_clip(tmp_path / "out.mp4").times_s == pytest.approx(times_s, abs=1e-3)


def test_times_that_stand_still_or_go_back_lose_no_frame(tmp_path: Path) -> None:
    _record(tmp_path / "out.mp4", [noise(seed=i) for i in range(4)], [0.0, 0.5, 0.2, 0.5])
    times_s = read_clip(tmp_path / "out.mp4").times_s
    assert len(times_s) == 4
    assert times_s == sorted(set(times_s))


def test_a_recording_that_begins_late_starts_at_zero(tmp_path: Path) -> None:
    _record(tmp_path / "out.mp4", [noise(seed=i) for i in range(3)], [30.0, 30.1, 30.3])
    assert read_clip(tmp_path / "out.mp4").times_s == pytest.approx([0.0, 0.1, 0.3], abs=1e-3)


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
def test_pure_colours_stay_pure(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    _record(tmp_path / "out.mp4", [solid(colour)] * 3)
    for pixels in read_clip(tmp_path / "out.mp4").images:
        assert difference(pixels, solid(colour)) < 4


@pytest.mark.parametrize(
    ("size_wh", "even_wh"), [((65, 48), (66, 48)), ((64, 47), (64, 48)), ((33, 21), (34, 22)), ((1, 1), (2, 2))]
)
def test_odd_sides_are_made_even_by_repeating_the_edge(
    tmp_path: Path, size_wh: tuple[int, int], even_wh: tuple[int, int]
) -> None:
    image = solid((200, 120, 40), size_wh)
    line = _record(tmp_path / "out.mp4", [image] * 2)
    assert f"{even_wh[0]}x{even_wh[1]} (H.264 needs even sides" in line
    clip = read_clip(tmp_path / "out.mp4")
    assert clip.size_wh == even_wh
    assert difference(clip.images[0], solid((200, 120, 40), even_wh)) < 4


def _halves(size_wh: tuple[int, int]) -> Image:
    """Left half dark, right half light."""
    pixels = solid((20, 20, 20), size_wh)
    pixels[:, size_wh[0] // 2 :] = 220
    return pixels


@pytest.mark.parametrize(
    "other_wh",
    [
        (128, 96),
        (16, 12),
        pytest.param((48, 36)),
    ],
)
def test_a_frame_of_another_size_is_fitted_into_the_first(tmp_path: Path, other_wh: tuple[int, int]) -> None:
    _record(tmp_path / "out.mp4", [_halves((64, 48)), _halves(other_wh), _halves((64, 48))])
    clip = read_clip(tmp_path / "out.mp4")
    assert len(clip.images) == 3
    for pixels in clip.images:
        assert difference(pixels[:, :28], solid((20, 20, 20), (28, 48))) < 6
        assert difference(pixels[:, 36:], solid((220, 220, 220), (28, 48))) < 6


def test_a_frame_of_another_shape_does_not_end_the_recording(tmp_path: Path) -> None:
    _record(tmp_path / "out.mp4", [noise((64, 48)), noise((48, 64)), noise((7, 90)), noise((64, 48))])
    assert len(read_clip(tmp_path / "out.mp4").images) == 4


def test_while_it_is_written_only_hidden_files_are_there(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoFileSink(path, 10.0)
    for index in range(5):
        sink.write(make_stylized(noise(seed=index), index, index / 10))
        assert sorted(tmp_path.iterdir()) == sorted([partial_path(path), lock_path(path)])
    assert partial_path(path).name.startswith(".")
    sink.close()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_without_a_frame_there_is_no_file(tmp_path: Path, end: str) -> None:
    sink = VideoFileSink(tmp_path / "out.mp4", 10.0)
    assert getattr(sink, end)() == ""
    assert list(tmp_path.iterdir()) == []


def test_an_older_recording_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    sink = VideoFileSink(path, 10.0, overwrite=True)
    sink.write(make_stylized(solid(RED)))
    assert path.read_bytes() == b"older"
    sink.close()
    assert len(read_clip(path).images) == 1


def test_what_was_recorded_before_an_error_is_kept_under_another_name(tmp_path: Path) -> None:
    sink = VideoFileSink(tmp_path / "out.mp4", 10.0)
    for index in range(4):
        sink.write(make_stylized(noise(seed=index), index, index / 10))
    line = sink.abandon()
    kept = tmp_path / "out.incomplete.mp4"
    assert list(tmp_path.iterdir()) == [kept]
    assert line == f"kept the 4 frames recorded before the error as {kept}"
    assert len(read_clip(kept).images) == 4


def _unwritable(folder: Path, what: str) -> Path:
    if what == "no folder":
        return folder / "none" / "out.mp4"
    if what == "a file as folder":
        (folder / "file").touch()
        return folder / "file" / "out.mp4"
    if what == "name too long":
        return folder / f"{'x' * 300}.mp4"
    (folder / "out.mp4").mkdir()
    return folder / "out.mp4"


@pytest.mark.parametrize("what", ["no folder", "a file as folder", "name too long", "a folder of that name"])
def test_a_place_that_cannot_be_written_is_refused_and_nothing_is_left(tmp_path: Path, what: str) -> None:
    path = _unwritable(tmp_path, what)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SinkError) as refused:
        VideoFileSink(path, 10.0)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(SinkError, match="Permission denied"):
        VideoFileSink(tmp_path / "out.mp4", 10.0)
    tmp_path.chmod(0o700)


def test_a_folder_that_vanishes_is_told_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    sink = VideoFileSink(folder / "out.mp4", 10.0)
    sink.write(make_stylized(solid(RED)))
    shutil.rmtree(folder)
    with pytest.raises(SinkError, match="cannot be written"):
        sink.close()


@pytest.mark.parametrize("rate_fps", [1.0, 29.97, 1000.0, 0.0001])
def test_any_nominal_rate_is_taken(tmp_path: Path, rate_fps: float) -> None:
    sink = VideoFileSink(tmp_path / "out.mp4", rate_fps)
    for index in range(3):
        sink.write(make_stylized(noise(seed=index), index, index / 10))
    sink.close()
    assert read_clip(tmp_path / "out.mp4").times_s == pytest.approx([0.0, 0.1, 0.2], abs=1e-3)


@pytest.mark.parametrize(
    "suffix",
    [
        ".mp4",
        ".mov",
        pytest.param(".mkv"),
    ],
)
def test_recording_logs_nothing(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _record(tmp_path / f"out{suffix}", [noise()] * 2)
    assert [record.getMessage() for record in caplog.records] == []


def test_recording_does_not_change_the_image(tmp_path: Path) -> None:
    image = noise((33, 21))
    kept = image.copy()
    _record(tmp_path / "out.mp4", [image])
    assert np.array_equal(image, kept)


def test_a_recording_that_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    with pytest.raises(SinkError, match="is there already; use --overwrite"):
        VideoFileSink(path, 10.0)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("out.mp4", b"older")]


def test_what_came_to_be_there_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoFileSink(path, 10.0)
    sink.write(make_stylized(noise()))
    path.write_bytes(b"of another program")
    assert f"wrote {tmp_path / 'out_2.mp4'}: 1 frames" in sink.close()
    assert path.read_bytes() == b"of another program"
    assert len(read_clip(tmp_path / "out_2.mp4").images) == 1


def test_two_recordings_do_not_write_one_file(tmp_path: Path) -> None:
    first = VideoFileSink(tmp_path / "out.mp4", 10.0)
    with pytest.raises(SinkError, match=rf"process {os.getpid()} is writing it"):
        VideoFileSink(tmp_path / "out.mp4", 10.0)
    first.write(make_stylized(noise()))
    first.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_recording_plays_while_it_is_written(tmp_path: Path, suffix: str) -> None:
    sink = VideoFileSink(tmp_path / f"out{suffix}", 10.0)
    for index in range(35):
        sink.write(make_stylized(noise(seed=index), index, index / 10))
    assert len(read_clip(partial_path(tmp_path / f"out{suffix}")).images) >= 20
    sink.close()
    assert len(read_clip(tmp_path / f"out{suffix}").images) == 35
    content = (tmp_path / f"out{suffix}").read_bytes()
    assert b"moof" not in content[:64], "an ordinary file, not one of fragments"


def test_a_disk_that_fills_up_ends_a_recording_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([10**9, 10**9, 1000])
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": next(free)})())
    monkeypatch.setattr("realtime.sinks.video_file._SPACE_CHECKED_EVERY_S", -1.0)
    sink = VideoFileSink(tmp_path / "out.mp4", 10.0)
    sink.write(make_stylized(noise()))
    with pytest.raises(SinkError, match="No space left on device"):
        sink.write(make_stylized(noise(), 1, 0.1))
    assert "kept the 1 frames" in sink.abandon()
    assert len(read_clip(tmp_path / "out.incomplete.mp4").images) == 1


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(SinkError, match="No space left on device"):
        VideoFileSink(tmp_path / "out.mp4", 10.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0, 100, 20_000])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_write_that_fails_is_told_and_what_can_be_played_is_kept(tmp_path: Path, limit: int, suffix: str) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = VideoFileSink(tmp_path / f"out{suffix}", 10.0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(SinkError, match="File too large"):
            for index in range(60):
                sink.write(make_stylized(noise((320, 240), seed=index), index, index / 10))
        line = sink.abandon()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = tmp_path / f"out.incomplete{suffix}"
    assert list(tmp_path.iterdir()) == ([kept] if line else [])
    if line:
        assert line == f"kept what was recorded before the error as {kept}"
        with closing(VideoReader(kept)) as reader:
            assert len(list(reader.frames())) > 0
    assert bool(line) or limit < 20_000


def test_a_recording_that_cannot_be_ended_is_kept_as_far_as_it_plays(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before, path = resource.getrlimit(resource.RLIMIT_FSIZE), tmp_path / "out.mp4"
    sink = VideoFileSink(path, 10.0)
    for index in range(25):
        sink.write(make_stylized(noise((320, 240), seed=index), index, index / 10))
    resource.setrlimit(resource.RLIMIT_FSIZE, (partial_path(path).stat().st_size, before[1]))
    try:
        with pytest.raises(SinkError, match="what was recorded until then is kept as") as failed:
            sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = tmp_path / "out.incomplete.mp4"
    assert str(failed.value).endswith(str(kept))
    assert list(tmp_path.iterdir()) == [kept]
    with closing(VideoReader(kept)) as reader:
        assert len(list(reader.frames())) > 10
