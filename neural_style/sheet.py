"""Owns contact sheets: pictures side by side in equal cells, with labels.

Must not know networks or what the pictures show.
"""

import errno
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from neural_style.atomic import whole_file

Picture = NDArray[np.uint8]


def contact_sheet(rows: Sequence[Sequence[tuple[str, Picture]]], cell_wh: tuple[int, int]) -> Picture:
    """Draws labelled pictures in rows; each is cut to the cell's shape and resized to it.

    Args:
        rows: of label and uint8 (H, W, 3) RGB picture; short rows are filled with white.
        cell_wh: width and height of a cell in px.

    Returns:
        uint8 (rows * height, columns * width, 3) RGB.
    """
    width, height = cell_wh
    columns = max(len(row) for row in rows)
    sheet = np.full((len(rows) * height, columns * width, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, (label, picture) in enumerate(row):
            sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = _labelled(picture, label, cell_wh)
    return sheet


def write_picture(path: Path, picture: Picture) -> None:
    """Writes uint8 (H, W, 3) RGB as the suffix says; the file appears only when whole.

    Raises:
        OSError: it cannot be written, or no picture format has that suffix.
    """
    with whole_file(path) as partial:
        try:
            done, encoded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        except cv2.error as error:
            raise OSError(errno.EINVAL, "no picture format has this suffix; use .png or .jpg", str(path)) from error
        if not done:
            raise OSError(errno.EIO, "the picture could not be encoded", str(path))
        partial.write_bytes(encoded.tobytes())


def _labelled(picture: Picture, label: str, cell_wh: tuple[int, int]) -> Picture:
    height, width = picture.shape[:2]
    scale = max(cell_wh[0] / width, cell_wh[1] / height)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size_wh = (max(cell_wh[0], round(width * scale)), max(cell_wh[1], round(height * scale)))
    resized = cv2.resize(picture, size_wh, interpolation=method)
    left, top = ((a - b) // 2 for a, b in zip(size_wh, cell_wh, strict=True))
    cell = np.ascontiguousarray(resized[top : top + cell_wh[1], left : left + cell_wh[0]])
    if label:
        origin = (6, cell_wh[1] - 8)
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(cell, label, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA)
    return np.asarray(cell, np.uint8)
