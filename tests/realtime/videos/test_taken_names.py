"""Tests of what another program makes under an asked name while a long run works: it stays, and nothing is lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import IdentityEngine, noise
from numpy.typing import NDArray
from PIL import Image as Pillow
from video_corpus import VideoKind, make_video, take_apart

import stylize
from realtime.style import Style


class _MeanwhileEngine(IdentityEngine):
    """While it stylizes, another program makes a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self._path.write_bytes(b"another program's")
        return super().stylize(images, style, strength)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_video(tmp_path / "in", VideoKind(sound_s=0.3))
    Pillow.fromarray(noise()).save(tmp_path / "in.png")
    return tmp_path


def _run(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, asked: str, made: str, *more: str) -> int:
    engine = _MeanwhileEngine(folder / made)
    monkeypatch.setattr("realtime.videos.job.open_engine", lambda *_: engine)
    options: tuple[Any, ...] = ("-o", folder / asked, "--engine", "onnx", "--batch-size", "1", *more)
    return stylize.main([str(argument) for argument in (folder / source, *options)])


@pytest.mark.parametrize(("source", "asked"), [("in.mp4", "out.mp4"), ("in.mp4", "out.gif"), ("in.png", "out.png")])
def test_both_files_stay_and_the_line_says_where_the_result_is(
    source: str, asked: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(folder, monkeypatch, source, asked, asked) == 1
    result = folder / asked.replace(".", "_2.")
    said = capsys.readouterr().err
    assert f"{folder / asked}: another program made it during the run, and it stays; the result is {result}" in said
    assert (folder / asked).read_bytes() == b"another program's"
    if asked == "out.png":
        assert np.asarray(Pillow.open(result)).shape == (48, 64, 3)
    else:
        assert len(take_apart(result).times) == 8
    assert sorted(path.name for path in folder.iterdir()) == sorted(["in.mp4", "in.png", asked, result.name])


def test_a_run_that_overwrites_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(folder, monkeypatch, "in.mp4", "out.mp4", "out.mp4", "--overwrite") == 0
    assert len(take_apart(folder / "out.mp4").times) == 8


def test_numbered_images_are_moved_over_none_that_came_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(folder, monkeypatch, "in.mp4", "%03d.png", "003.png") == 1
    assert "another program made 1 such images during the run, and they stay" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["003.png", "in.mp4", "in.png"]


def test_of_several_videos_only_the_one_whose_name_was_taken_gets_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(folder, monkeypatch, "in.mp4", "o.mp4", "o_candy.mp4", "--style", "candy,udnie") == 1
    assert (folder / "o_candy.mp4").read_bytes() == b"another program's"
    assert len(take_apart(folder / "o_udnie.mp4").times) == len(take_apart(folder / "o_candy_2.mp4").times) == 8
