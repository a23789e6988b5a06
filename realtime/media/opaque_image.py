"""Owns reading images for a network to look at: as on white paper, and large ones reduced while they are decoded."""

import math
from contextlib import suppress
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageOps

from realtime.frame import Image
from realtime.media.image_colours import on_white
from realtime.media.image_file import DECODERS_RAISE, StillImage, read_still, shown_image
from realtime.media.image_memory import ImageLimits

_ENOUGH_PIXELS = 4e6
"""More than any network looks at. An array of more would be copied while all other threads stand still."""

_REDUCIBLE = ("RGB", "RGBA", "L", "CMYK")


def read_on_white(path: Path, what: str, limits: ImageLimits | None = None) -> Image:
    """Reads an image as it is seen on white paper, uint8 (H, W, 3), RGB; a large one is reduced by a whole number.

    Args:
        path: the file.
        what: what it is, for messages.
        limits: the largest that is decoded.

    Raises:
        SourceError: it is missing, damaged, too large or of an unknown kind.
    """
    still = _reduced(path, limits or ImageLimits()) or read_still(path, what, limits)
    return still.pixels if still.alpha is None else on_white(still.pixels, still.alpha)


def _reduced(path: Path, limits: ImageLimits) -> StillImage | None:
    """A large image; None for a small one, and for one that cannot be reduced or read."""
    failures = (OSError, ValueError, SyntaxError, EOFError, Pillow.DecompressionBombError, *DECODERS_RAISE)
    with suppress(*failures), Pillow.open(path) as opened:
        pixels = opened.width * opened.height
        factor = math.isqrt(int(pixels / _ENOUGH_PIXELS))
        if factor < 2 or pixels > limits.pixels or opened.mode not in _REDUCIBLE:
            return None
        opened.draft(None, (opened.width // factor, opened.height // factor))  # of JPEG only
        factor = math.isqrt(int(opened.width * opened.height / _ENOUGH_PIXELS))
        ImageOps.exif_transpose(opened, in_place=True)
        return shown_image(opened.reduce(max(1, factor)), ".png")
    return None
