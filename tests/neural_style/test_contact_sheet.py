"""Tests of contact sheets: what lies where."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from neural_style.contact_sheet import CELL_WH, Cell, draw_sheet, make_cell
from realtime.media.image_file import StillImage, write_still

_RED, _BLUE = (np.full((400, 300, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


def test_images_keep_their_shape_and_fit_into_a_cell() -> None:
    image = make_cell("tall", np.zeros((4000, 1000, 3), np.uint8)).image
    assert image is not None
    height, width = image.shape[:2]
    assert height < CELL_WH[1]
    assert width / height == pytest.approx(1 / 4, rel=0.02)
    small = make_cell("small", np.zeros((20, 30, 3), np.uint8)).image
    assert small is not None
    assert small.shape == (20, 30, 3)


def test_cells_lie_in_rows_and_columns_below_their_labels() -> None:
    sheet = draw_sheet([[Cell("", None), make_cell("", _RED)], [make_cell("", _BLUE)]])
    width, height = CELL_WH
    assert sheet.shape == (2 * height, 2 * width, 3)
    assert (sheet[:height, :width] == 255).all()
    assert (sheet[height:, width:] == 255).all()
    assert tuple(sheet[100, width + 50]) == (255, 0, 0)
    assert tuple(sheet[height + 100, 50]) == (0, 0, 255)


def test_a_label_is_drawn_and_one_that_is_too_long_stays_in_its_cell() -> None:
    width = CELL_WH[0]
    short = draw_sheet([[Cell("waves", None), Cell("", None)]])
    assert (short[:22, :width] < 128).any()
    long = draw_sheet([[Cell("woman-with-hat-" * 9, None), Cell("", None)]])
    assert (long[:, width:] == 255).all()
    assert (long[22:] == 255).all()


def test_colours_are_right_in_the_file(tmp_path: Path) -> None:
    write_still(tmp_path / "sheet.png", StillImage(draw_sheet([[make_cell("red", _RED)]])))
    stored = cv2.imread(str(tmp_path / "sheet.png"))
    assert stored is not None
    assert tuple(stored[100, 50]) == (0, 0, 255)  # OpenCV reads blue first
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
