"""Owns contact sheets: labelled images in the cells of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

CELL_WH = (256, 224)
_LABEL_PX = 22
_MARGIN_PX = 3


@dataclass(frozen=True)
class Cell:
    """A label and the image below it, small enough to be kept in numbers.

    Attributes:
        label: one line; drawn in ASCII.
        image: uint8 (h, w, 3) RGB that fits into a cell, or None where the cell stays empty.
    """

    label: str
    image: Image | None


def make_cell(label: str, image: Image) -> Cell:
    """Shrinks an image, uint8 (H, W, 3) RGB, to fit into a cell; smaller ones stay as they are."""
    room = (CELL_WH[0] - 2 * _MARGIN_PX, CELL_WH[1] - _LABEL_PX - _MARGIN_PX)
    height, width = image.shape[:2]
    scale = min(1.0, room[0] / width, room[1] / height)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Cell(label, np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8))


def draw_sheet(rows: Sequence[Sequence[Cell]]) -> Image:
    """Draws cells on white; short rows end empty.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    width, height = CELL_WH
    sheet = np.full((len(rows) * height, max(len(row) for row in rows) * width, 3), 255, np.uint8)
    for row_index, row in enumerate(rows):
        for column, cell in enumerate(row):
            _draw_cell(sheet[row_index * height :, column * width :], cell)
    return sheet


def _draw_cell(corner: Image, cell: Cell) -> None:
    """Draws at the upper left of an array, uint8 (H, W, 3)."""
    label = _that_fits(cell.label)
    patch = np.ascontiguousarray(corner[:_LABEL_PX, : CELL_WH[0]])
    cv2.putText(patch, label, (_MARGIN_PX, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    corner[:_LABEL_PX, : CELL_WH[0]] = patch
    if cell.image is not None:
        height, width = cell.image.shape[:2]
        corner[_LABEL_PX : _LABEL_PX + height, _MARGIN_PX : _MARGIN_PX + width] = cell.image


def _that_fits(label: str) -> str:
    """Cuts a label to the width of a cell; the font knows ASCII only."""
    label = label.encode("ascii", "replace").decode()
    while cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0] > CELL_WH[0] - 2 * _MARGIN_PX:
        label = label[:-3] + ".."
    return label
