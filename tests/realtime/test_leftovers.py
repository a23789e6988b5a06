"""Tests of recordings whose process was killed: they are found, and get a name."""

from pathlib import Path

import pytest
from fakes import make_stylized, noise, read_clip

from neural_style.atomic_file import partial_path
from realtime.leftovers import name_leftovers
from realtime.output_names import NameLock, lock_path
from realtime.sinks.video_file import VideoFileSink

KILLED = 999999999


def _left(folder: Path, name: str, frames: int) -> Path:
    """What is there of a recording while it is made, under the number of a process that is gone."""
    path = folder / name
    sink = VideoFileSink(path, 10.0)
    for index in range(frames):
        sink.write(make_stylized(noise(seed=index), index, index / 10))
    content = partial_path(path).read_bytes()
    sink.abandon()
    path.with_name(f"{path.stem}.incomplete{path.suffix}").unlink(missing_ok=True)
    partial = folder / f".{path.stem}.{KILLED}.partial{path.suffix}"
    partial.write_bytes(content)
    return partial


@pytest.mark.parametrize("name", ["out.mp4", "my take.2.mkv", "out.mov"])
def test_a_recording_that_was_cut_off_gets_a_name_and_plays(tmp_path: Path, name: str) -> None:
    _left(tmp_path, name, 25)
    lock_path(tmp_path / name).touch()
    said: list[str] = []
    name_leftovers(tmp_path, said.append)
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"{Path(name).stem}.recovered{Path(name).suffix}"
    assert said == [f"recovered a recording that was cut off: {kept}"]
    assert len(read_clip(kept).images) >= 10


def test_one_without_a_frame_is_removed_and_one_that_does_not_play_is_named(tmp_path: Path) -> None:
    (tmp_path / f".a.{KILLED}.partial.mp4").touch()
    (tmp_path / f".b.{KILLED}.partial.mp4").write_bytes(b"no video")
    said: list[str] = []
    name_leftovers(tmp_path, said.append)
    assert [path.name for path in tmp_path.iterdir()] == [f".b.{KILLED}.partial.mp4"]
    assert "removed" in said[0]
    assert "cannot be played; it can be removed" in said[1]


def test_what_is_being_recorded_and_what_is_no_recording_stays(tmp_path: Path) -> None:
    partial = _left(tmp_path, "out.mp4", 12)
    other = tmp_path / f".photo.{KILLED}.partial.png"
    other.write_bytes(b"half an image")
    lock = NameLock(tmp_path / "out.mp4")
    said: list[str] = []
    name_leftovers(tmp_path, said.append)
    lock.release()
    assert said == []
    assert sorted(tmp_path.iterdir()) == sorted([partial, other])


def test_an_earlier_recovered_recording_is_not_replaced(tmp_path: Path) -> None:
    _left(tmp_path, "out.mp4", 12)
    (tmp_path / "out.recovered.mp4").write_bytes(b"earlier")
    name_leftovers(tmp_path, lambda _: None)
    assert (tmp_path / "out.recovered.mp4").read_bytes() == b"earlier"
    assert len(read_clip(tmp_path / "out.recovered_2.mp4").images) > 0
