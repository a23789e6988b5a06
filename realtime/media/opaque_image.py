"""Owns reading images that have no use for transparency: they are seen as on white paper."""

from pathlib import Path

from realtime.frame import Image
from realtime.media.image_file import ImageLimits, on_white, read_still

_LONGEST_SIDE_PX = 4096
"""Putting a transparent image on paper takes memory for each pixel."""


def read_on_white(path: Path, what: str, limits: ImageLimits | None = None) -> Image:
    """Reads an image as it is seen on white paper, uint8 (H, W, 3), RGB.

    Args:
        path: the file.
        what: what it is, for messages.
        limits: the largest that is decoded.

    Raises:
        SourceError: it is missing, damaged, too large or of an unknown kind.
    """
    still = read_still(path, what, limits)
    if still.alpha is None:
        return still.pixels
    sized = still.shrunk(_LONGEST_SIDE_PX)
    return sized.pixels if sized.alpha is None else on_white(sized.pixels, sized.alpha)
