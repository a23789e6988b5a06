"""Owns bringing a small stylized image back to the size of its image: crisp, with the image's edges, without halos."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.frame import Image

_Plane = NDArray[np.float32]

_STRIP_PIXELS = 2**19
"""Of the large image, that one thread works on at once: memory does not grow with the image."""

_MARGIN = 4
"""Pixels of the stylized image that a strip sees above and below: two filters of two pixels each."""

_WINDOW_PX = 5
_NOISE_LEVELS = 4.0
"""Standard deviation below which neither stylized image nor image shows an edge."""

_TEXTURE_LEVELS = 20.0
"""Standard deviation below which the image's detail is texture, which would look like dirt on strokes."""

_STAIRS_PX = 0.6
"""Blur that takes out the stairs of small pixels before edges are made steep."""

_STEEPNESS = 5.0
_ROUNDS = 2
_FAINT_LEVELS = 40.0
"""Difference of neighbours at which half of the steepness is used: flat parts keep no grain."""

_SOFTNESS = 0.5
_REACH = 0.7
"""Of the blur after enlarging, which hides small pixels, and of that which edges are made steep against:
standard deviations in pixels of the stylized image."""


@dataclass(frozen=True)
class _Small:
    """What strips are made from, float32 at the stylized image's size (h, w, 3), luminance (h, w).

    Attributes:
        stylized: a little blurred.
        image: reduced and blurred likewise.
        luminance: of the reduced image.
        gain: how much of the luminance each channel of the stylized image follows.
        lowest: of each pixel and its neighbours.
        highest: likewise.
    """

    stylized: _Plane
    image: _Plane
    luminance: _Plane
    gain: _Plane
    lowest: _Plane
    highest: _Plane


def upsample_stylized(stylized: Image, image: Image, strength: float = 1.0) -> Image:
    """Enlarges a stylized image that was made from a reduced image.

    With p the stylized image, y the luminance of the reduced image, Y that of the image at full size without texture
    (the guided filter of Y by itself: He et al. 2010) and up() a linear enlargement, blurred until no small
    pixels show:

        q = up(p), then twice q + 5 s (q - blurred q), then q + up(a r) (Y - up(y))

    The second step makes the edges of strokes as steep as they were in the small one (s is 0 in flat parts and
    1 at strong edges). The third takes over the image's edges where the stylized image follows them: a = cov(p, y) /
    (var(y) + e) is the coefficient of the guided filter for upsampling (He and Sun 2015, arXiv 1505.00996) and r
    the squared correlation, in windows of 5 x 5 px. That filter's own result would be means of these windows, without
    strokes. Each step stays within the range of the nearest 3 x 3 px of the stylized image, so no edge gets a halo.
    A stylized image of less than full strength is to that degree an image: this share of the result is
    up(p) + I - up(i), of all three colours.

    Args:
        stylized: uint8 (h, w, 3) RGB.
        image: uint8 (H, W, 3) RGB; neither side smaller than the stylized image's.
        strength: 0..1, that the stylized image was made with.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    height, width = image.shape[:2]
    reduced = np.asarray(cv2.resize(image, stylized.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
    upsampling, result = Upsampling(stylized, reduced, (height, width), strength), np.empty_like(image)

    def fill(strip: Strip) -> None:
        result[strip.first : strip.last] = upsampling.enlarged(strip, image[strip.seen_first : strip.seen_last])

    strips = upsampling.strips()
    if len(strips) == 1:
        fill(strips[0])
    else:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(fill, strips))
    return result


@dataclass(frozen=True)
class Strip:
    """Rows of a large image, from one to before the other: those that are made, and those that are seen for it."""

    first: int
    last: int
    seen_first: int
    seen_last: int


class Upsampling:
    """The enlargement of one stylized image, strip by strip; see `upsample_stylized`.

    Args:
        stylized: uint8 (h, w, 3) RGB.
        reduced: what it was made from, uint8 (h, w, 3) RGB.
        size: height and width of the result in px.
        strength: 0..1, that the stylized image was made with.
    """

    def __init__(self, stylized: Image, reduced: Image, size: tuple[int, int], strength: float) -> None:
        self._small, self._size, self._strength = _small(stylized, reduced), size, strength

    def strips(self) -> list[Strip]:
        """Those that make up the result, from the top; none sees more than its neighbours."""
        height, width = self._size
        margin = round(_MARGIN * height / self._small.stylized.shape[0])
        rows = max(16, margin, _STRIP_PIXELS // width)
        ends = [(first, min(height, first + rows)) for first in range(0, height, rows)]
        return [Strip(first, last, max(0, first - margin), min(height, last + margin)) for first, last in ends]

    def enlarged(self, strip: Strip, seen: Image) -> Image:
        """A strip of the result, uint8 (H, W, 3) RGB, from the rows of the large image that it sees."""
        return _strip(self._small, seen, strip, self._size, self._strength)


def _small(stylized: Image, reduced: Image) -> _Small:
    luminance = _luminance(reduced)
    small, neighbours = stylized.astype(np.float32), np.ones((3, 3), np.uint8)
    return _Small(
        np.asarray(cv2.GaussianBlur(small, (0, 0), _STAIRS_PX), np.float32),
        np.asarray(cv2.GaussianBlur(reduced.astype(np.float32), (0, 0), _STAIRS_PX), np.float32),
        luminance,
        _gain(luminance, small),
        np.asarray(cv2.erode(small, neighbours), np.float32),
        np.asarray(cv2.dilate(small, neighbours), np.float32),
    )


def _gain(luminance: _Plane, stylized: _Plane) -> _Plane:
    """Slope times squared correlation of each channel (h, w, 3) along the luminance (h, w): -1..1."""
    mean, variance = (part[..., None] for part in _moments(luminance, _WINDOW_PX))
    mean_stylized, variance_stylized = _moments(stylized, _WINDOW_PX)
    product = cv2.blur(luminance[..., None] * stylized, (_WINDOW_PX, _WINDOW_PX))
    covariance = product - mean * mean_stylized
    steady = variance + _NOISE_LEVELS**2
    correlation = covariance**2 / (steady * (variance_stylized + _NOISE_LEVELS**2))
    return np.asarray((covariance / steady * correlation).clip(-1, 1), np.float32)


def _moments(values: _Plane, side: int) -> tuple[_Plane, _Plane]:
    """Mean and variance in windows of `side` x `side`."""
    mean = np.asarray(cv2.blur(values, (side, side)), np.float32)
    return mean, np.asarray(cv2.blur(values * values, (side, side)) - mean * mean, np.float32)


def _without_texture(luminance: _Plane, side: int) -> _Plane:
    """Keeps edges and levels what is fainter: the guided filter of (H, W) by itself, in windows of `side` x `side`."""
    mean, variance = _moments(luminance, side)
    slope = np.asarray(variance / (variance + _TEXTURE_LEVELS**2), np.float32)
    offset = np.asarray(mean - slope * mean, np.float32)
    return np.asarray(cv2.blur(slope, (side, side)) * luminance + cv2.blur(offset, (side, side)), np.float32)


def _strip(small: _Small, seen: Image, strip: Strip, size: tuple[int, int], strength: float) -> Image:
    scale = size[0] / small.stylized.shape[0]
    place = _Place(small.stylized.shape, size, strip.seen_first, strip.seen_last)
    edges = _without_texture(_luminance(seen), 2 * round(scale) + 1) - place.enlarged(small.luminance)
    smooth = _blurred(place.enlarged(small.stylized), _SOFTNESS * scale)
    faded = None
    if strength < 1.0:
        faded = smooth + (seen - _blurred(place.enlarged(small.image), _SOFTNESS * scale))
    lowest, highest = (place.enlarged(part) for part in (small.lowest, small.highest))
    steepness = _STEEPNESS * (highest - lowest) / (highest - lowest + _FAINT_LEVELS)
    for _ in range(_ROUNDS):
        smooth += steepness * (smooth - _blurred(smooth, _REACH * scale))
        np.clip(smooth, lowest, highest, out=smooth)
    smooth += place.enlarged(small.gain) * edges[..., None]
    np.clip(smooth, lowest, highest, out=smooth)
    if faded is not None:
        smooth += (1.0 - strength) * (faded - smooth)
    return np.asarray(
        np.rint(smooth[strip.first - strip.seen_first : strip.last - strip.seen_first]).clip(0, 255), np.uint8
    )


def _blurred(values: _Plane, sigma_px: float) -> _Plane:
    side = 2 * max(1, round(2 * sigma_px)) + 1
    return np.asarray(cv2.GaussianBlur(values, (side, side), sigma_px), np.float32)


def _luminance(image: Image) -> _Plane:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


class _Place:
    """Where some rows of a large image lie in a small one; pixels are squares, as in `cv2.resize`."""

    def __init__(self, small: tuple[int, ...], large: tuple[int, ...], first: int, last: int) -> None:
        down, across = small[0] / large[0], small[1] / large[1]
        self._transform = np.array([[across, 0, across / 2 - 0.5], [0, down, (first + 0.5) * down - 0.5]])
        self._size_wh = large[1], last - first

    def enlarged(self, part: _Plane) -> _Plane:
        """The rows of (h, w) or (h, w, 3) at the large size."""
        flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
        enlarged = cv2.warpAffine(part, self._transform, self._size_wh, flags=flags, borderMode=border)
        return np.asarray(enlarged, np.float32)
