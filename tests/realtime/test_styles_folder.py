"""Tests of a watched folder whose images become styles."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import make_catalogue, noise
from PIL import Image as Pillow

from realtime import styles_folder
from realtime.controls import Action, Controls, SelectStyle
from realtime.errors import StyleError
from realtime.options import LookOptions
from realtime.style_catalogue import load_catalogue
from realtime.styles_folder import StylesFolder

pytestmark = pytest.mark.timeout(60)


class _Show:
    """A running show with a folder, which is asked for commands as a loop does."""

    def __init__(self, path: Path) -> None:
        self.path, self.said = path, list[str]()
        self.catalogue = load_catalogue()
        self.controls = Controls(self.catalogue, 0, LookOptions())
        self.shipped = len(self.catalogue)
        self.folder = StylesFolder(path, self.catalogue, self.said.append)

    @property
    def added(self) -> list[str]:
        return list(self.catalogue.names[self.shipped :])

    def put(self, name: str, seed: int = 0, size_wh: tuple[int, int] = (80, 64)) -> Path:
        Pillow.fromarray(noise(size_wh, seed)).save(self.path / name)
        return self.path / name

    def wait(self, lines: int, limit_s: float = 10.0) -> float:
        """Goes on until so much was said; returns how long that took, in s."""
        begin_s = time.monotonic()
        while len(self.said) < lines and time.monotonic() - begin_s < limit_s:
            self.turn()
        return time.monotonic() - begin_s

    def turn(self) -> None:
        for command in self.folder.commands():
            self.controls.apply(command)
        time.sleep(0.01)


@pytest.fixture
def show(tmp_path: Path) -> Iterator[_Show]:
    show = _Show(tmp_path)
    yield show
    show.folder.close()
    assert not show.folder._thread.is_alive()


def test_images_become_styles_while_it_runs(show: _Show) -> None:
    rust = show.put("rust.png")
    assert show.wait(1) < 5
    assert show.said == [f"new style {show.shipped + 1}: rust"]
    assert show.controls.apply(Action.PREVIOUS_STYLE) == "style rust"
    style = show.controls.look.style
    assert (style.file, style.fades_by_vector) == (rust, True)
    for name in ("rust.jpg", "candy.png", "a+b.png"):
        show.put(name)
    show.wait(4)
    assert show.added == ["rust", "a_b", "candy.png", "rust.jpg"]


def test_a_changed_image_is_predicted_anew_under_its_name(show: _Show) -> None:
    show.put("rust.png")
    show.wait(1)
    show.controls.apply(SelectStyle(show.shipped + 1))
    before = show.controls.look.style.vector
    show.put("rust.png", seed=3, size_wh=(96, 64))
    show.wait(2)
    assert show.said[1:] == ["style rust is predicted anew"]
    after = show.controls.look.style.vector
    assert before is not None
    assert after is not None
    assert np.abs(after - before).max() > 0.01
    assert show.added == ["rust"]


def test_a_bad_image_is_one_line_until_it_changes(show: _Show) -> None:
    (show.path / "text.jpg").write_text("no image at all")
    (show.path / "empty.png").touch()
    (show.path / "notes.txt").write_text("no image, and not called one")
    (show.path / ".hidden.png").write_text("still being written")
    Pillow.new("L", (2, 9000)).save(show.path / "long.png")
    show.wait(2)
    show.wait(3, limit_s=1.0)
    assert len(show.said) == 2, "each once"
    assert "at most 32 times" in show.said[0]
    assert "text.jpg: is damaged" in show.said[1]
    show.put("text.jpg")
    show.wait(3)
    assert show.added == ["text"]


def test_so_many_and_no_more(show: _Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(styles_folder, "MOST_IMAGES", 2)
    for name in ("a.png", "b.png", "c.png"):
        show.put(name)
    show.wait(3)
    assert show.added == ["a", "b"]
    (line,) = (line for line in show.said if "c.png" in line)
    assert "at most 2" in line


def test_a_folder_that_goes_is_told_once_and_styles_stay(tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    show = _Show(tmp_path / "styles")
    show.put("rust.png").rename(show.path / "moss.png")
    show.wait(1)
    (show.path / "moss.png").unlink()
    show.path.rmdir()
    show.wait(2)
    show.wait(3, limit_s=0.7)
    assert len(show.said) == 2
    assert "cannot be read" in show.said[1]
    assert show.added == ["moss"]
    show.folder.close()


def test_a_network_without_prediction_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="styles of images are predicted for the networks"):
        StylesFolder(tmp_path, make_catalogue("a"), lambda _: None)
