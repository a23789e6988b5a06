"""Owns whether there is room for a video on its disk."""

import math
import shutil
from pathlib import Path

from realtime.errors import SinkError
from realtime.media.still_reader import is_pattern

_LEAST_FREE_BYTES = 64_000_000
_BITS_PER_PIXEL = 0.4
"""Of a stylized video, about."""

_BITS_PER_PIXEL_OF_IMAGES = 8.0
"""The same of numbered images."""


def check_disk(target: Path, frames: int, size_wh: tuple[int, int]) -> None:
    """Raises SinkError where a disk is full, or likely will be.

    Args:
        target: where a video goes, or the pattern of numbered images.
        frames: that are still to be written there, each as often as it is on the disk at the same time.
        size_wh: width and height of a frame in px.
    """
    bits = _BITS_PER_PIXEL_OF_IMAGES if is_pattern(target.name) else _BITS_PER_PIXEL
    likely = frames * size_wh[0] * size_wh[1] * bits / 8
    free = shutil.disk_usage(target.parent).free
    if free < likely + _LEAST_FREE_BYTES:
        raise SinkError(
            f"folder {target.parent}: {free / 1e6:.0f} MB are free, and about "
            f"{math.ceil((likely + _LEAST_FREE_BYTES) / 1e6)} MB will be needed; make room, or choose another place"
        )
