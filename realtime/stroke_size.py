"""Owns the size of strokes: an image is stylized at another size and brought back to its own."""

import math

import numpy as np
from numpy.typing import NDArray

from realtime.engines.protocol import Engine
from realtime.frame import Image
from realtime.media.resize import resize
from realtime.style import Style
from realtime.upsampling import upsample_stylized

IMAGE_PIXELS = 1_000_000
"""Of the images that networks were trained for. Strokes are of a fixed width in pixels, whatever the image."""

_LEAST_CHANGE = 1.1
"""A change of size by a smaller factor is not worth another resampling."""

_MIN_SIDE_PX = 16


def stylized_size_wh(size_wh: tuple[int, int], stroke: float, pixels: int | None = IMAGE_PIXELS) -> tuple[int, int]:
    """The size at which something is stylized, so that its strokes become `stroke` times as large.

    Args:
        size_wh: its own, in px.
        stroke: 0.5..4.
        pixels: strokes of something larger than this grow with it; None: they are of the same
            number of pixels at every size, as in videos.
    """
    width, height = size_wh
    grown = 1.0 if pixels is None else min(1.0, math.sqrt(pixels / (width * height)))
    scale = grown / stroke
    if 1 / _LEAST_CHANGE < scale < _LEAST_CHANGE:
        return size_wh
    width, height = (max(min(side, _MIN_SIDE_PX), round(side * scale)) for side in size_wh)
    return width, height


class StrokeEngine:
    """Stylizes with strokes of another size than the engine behind it.

    Args:
        engine: stays open when this one is closed.
        stroke: 0.5..4, how large.
        pixels: as of `stylized_size_wh`.

    Attributes:
        info: see `Engine.info`.
    """

    def __init__(self, engine: Engine, stroke: float, pixels: int | None = IMAGE_PIXELS) -> None:
        self.info = engine.info
        self._engine, self._stroke, self._pixels = engine, stroke, pixels

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`."""
        width, height = stylized_size_wh((shape[2], shape[1]), self._stroke, self._pixels)
        return self._engine.prepare((shape[0], height, width, 3), style)

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`."""
        own_wh = images.shape[2], images.shape[1]
        size_wh = stylized_size_wh(own_wh, self._stroke, self._pixels)
        if size_wh == own_wh:
            return self._engine.stylize(images, style, strength)
        sized = np.stack([resized_for_stylizing(image, self._stroke, self._pixels) for image in images])
        stylized_images = self._engine.stylize(sized, style, strength)
        if size_wh[0] > own_wh[0]:
            return np.stack([resize(stylized, own_wh) for stylized in stylized_images])
        shown = strength if style.fades_by_vector else 1.0
        if len(images) == 1:  # a large one is not copied once more
            return upsample_stylized(stylized_images[0], images[0], shown)[None]
        pairs = zip(stylized_images, images, strict=True)
        return np.stack([upsample_stylized(stylized, image, shown) for stylized, image in pairs])

    def close(self) -> None:
        """See `Engine.close`; the engine behind stays open."""


def resized_for_stylizing(image: Image, stroke: float, pixels: int | None = IMAGE_PIXELS) -> Image:
    """The image, uint8 (H, W, 3), at the size where it is stylized: see `stylized_size_wh`."""
    return resize(image, stylized_size_wh((image.shape[1], image.shape[0]), stroke, pixels))
