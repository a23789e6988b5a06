"""Owns an image that is in memory once: its rows are read and replaced a few at a time."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from realtime.frame import Image
from realtime.media.image_colours import alpha_of, has_alpha, on_white, srgb
from realtime.media.image_memory import ImageNeeds

_STRIP_PIXELS = 2**21


class ImageRows:
    """A decoded image, upright.

    Args:
        decoded: of 8 bits a component; it is changed.
        format_suffix: how it was stored, as a suffix that can be written.
        needs: what it would take as a whole.

    Attributes:
        size_wh: its width and height in px.
        format_suffix: see there.
        needs: see there.
    """

    def __init__(self, decoded: Pillow.Image, format_suffix: str, needs: ImageNeeds) -> None:
        ImageOps.exif_transpose(decoded, in_place=True)
        self._image, self.size_wh = decoded, decoded.size
        self.format_suffix, self.needs = format_suffix, needs
        self._has_alpha = has_alpha(decoded)

    def pixels(self, first: int, last: int) -> Image:
        """The rows from one to before the other: uint8 (H, W, 3), sRGB."""
        return np.array(srgb(self._crop(first, last)), np.uint8)

    def reduced(self, size_wh: tuple[int, int]) -> Image:
        """The image, uint8 (h, w, 3), at a smaller size."""
        width, height = self.size_wh
        narrow = np.empty((height, size_wh[0], 3), np.uint8)
        rows = max(1, _STRIP_PIXELS // width)
        for first in range(0, height, rows):
            strip = self.pixels(first, min(height, first + rows))
            narrow[first : first + rows] = cv2.resize(strip, (size_wh[0], len(strip)), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(narrow, size_wh, interpolation=cv2.INTER_AREA), np.uint8)

    def canvas(self, keeps_alpha: bool, in_place: bool) -> "Canvas":
        """Something of the same size to be filled from the top.

        Args:
            keeps_alpha: whether it can be transparent; else it is put on white.
            in_place: rows of this image that are filled in are lost, for which less memory is taken.
        """
        mode = "RGBA" if self._has_alpha and keeps_alpha else "RGB"
        image = self._image if in_place and self._image.mode == mode else Pillow.new(mode, self.size_wh)
        return Canvas(image, self)

    def alpha(self, first: int, last: int) -> NDArray[np.uint8] | None:
        """How opaque rows are, uint8 (H, W); None is wholly."""
        return alpha_of(self._crop(first, last)) if self._has_alpha else None

    def _crop(self, first: int, last: int) -> Pillow.Image:
        return self._image.crop((0, first, self.size_wh[0], last))


class Canvas:
    """What an image becomes.

    Args:
        image: RGB or RGBA, that is filled.
        source: whose transparency it has.
    """

    def __init__(self, image: Pillow.Image, source: ImageRows) -> None:
        self._image, self._source = image, source

    def fill(self, first: int, pixels: Image) -> None:
        """Puts rows, uint8 (H, W, 3) sRGB, at their place."""
        alpha = self._source.alpha(first, first + len(pixels))
        if self._image.mode == "RGBA":
            opaque = np.full(pixels.shape[:2], 255, np.uint8) if alpha is None else alpha
            pixels = np.dstack([pixels, opaque])
        elif alpha is not None:
            pixels = on_white(pixels, alpha)
        self._image.paste(Pillow.fromarray(pixels), (0, first))

    def filled(self) -> Pillow.Image:
        """The result, when all rows were filled."""
        self._image.info.clear()  # the input's profile and orientation are not its own
        return self._image
