"""What happens to a stylized image before it is shown: smoothing, original colours, fading, mirroring."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.frame import Image
from realtime.look import Look

SCENE_CUT_DIFFERENCE = 30.0
"""Mean difference of two inputs (0..255) above which they are of different scenes."""

MAX_SMOOTHING_WEIGHT = 0.95
"""Weight of the previous stylized image at smoothing 1; below 1, so that a still image arrives in the end."""

_STILL_DIFFERENCE = 5.0
_LEVELS = 255.0
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def fade(original: Image, stylized: Image, strength: float) -> Image:
    """Mixes the camera's image and the stylized image; strength 0..1, uint8 (H, W, 3) RGB all three."""
    if strength >= 1.0:
        return stylized
    if strength <= 0.0:
        return original.copy()
    return np.asarray(cv2.addWeighted(original, 1.0 - strength, stylized, strength, 0.0), np.uint8)


def keep_colors(original: Image, stylized: Image) -> Image:
    """Brightness of the stylized image with the colours of the camera's image, uint8 (H, W, 3) RGB.

    Luminance transfer in YCrCb after Gatys et al. 2016, arXiv 1606.05897, section 5.
    """
    colours = cv2.cvtColor(original, cv2.COLOR_RGB2YCrCb)
    colours[:, :, 0] = cv2.cvtColor(stylized, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_YCrCb2RGB), np.uint8)


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A smoothed stylized image, and what the next one needs of it.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        exact: float32 (H, W, 3) RGB, 0..255; the same before rounding, because a mixture that is
            rounded each time stops some values before it arrives.
        original: uint8 (H, W, 3) RGB, the input of the stylized image.
        reference: float32 (about H/4, W/4, 3), the input mixed with earlier ones as the stylized image is.
    """

    pixels: Image
    exact: NDArray[np.float32]
    original: Image
    reference: NDArray[np.float32]


def smooth(stylized: Image, original: Image, smoothing: float, previous: Smoothed | None) -> Smoothed:
    """Keeps more of the previous stylized image where the input stood still, which takes out flicker.

    The weight of the previous stylized image at a pixel is `0.95 * smoothing * exp(-(d / 5)^4)`, where
    d (0..255) is how far the input is from what the previous stylized image shows, in the colour that
    changed most, there or right beside it. It is measured on means of 4x4 px, in which the noise
    of a camera averages out and a faint edge does not. Because old inputs are mixed as their
    stylized images are, d stays high until what moved away has gone, and nothing trails behind it.

    Args:
        stylized: uint8 (H, W, 3) RGB, the new stylized image.
        original: uint8 (H, W, 3) RGB, its input.
        smoothing: 0..1.
        previous: what this function gave last, or None to start.

    Returns:
        The stylized image to show; `stylized` unchanged at the start, after a cut, and when the size changed.
    """
    reference = _halved(_halved(original)).astype(np.float32)
    exact = stylized.astype(np.float32)
    if previous is None or previous.exact.shape != exact.shape or is_cut(original, previous.original):
        return Smoothed(stylized, exact, original, reference)
    red, green, blue = cv2.split(cv2.absdiff(reference, previous.reference))
    change = cv2.dilate(cv2.max(cv2.max(red, green), blue), _NEIGHBOURS)  # (H/4, W/4)
    small_weight = MAX_SMOOTHING_WEIGHT * smoothing * np.exp(-((change / _STILL_DIFFERENCE) ** 4))
    reference = _mixed(previous.reference, reference, small_weight)
    weight = cv2.resize(small_weight, (exact.shape[1], exact.shape[0]), interpolation=cv2.INTER_LINEAR)
    exact = _mixed(previous.exact, exact, weight)
    return Smoothed(np.asarray(cv2.convertScaleAbs(exact), np.uint8), exact, original, reference)


def frames_remembered(smoothing: float) -> int:
    """After how many frames less than one level of 255 is left of what smoothing remembered before them.

    The weight of an earlier image is at most w = 0.95 * smoothing, so that after n frames at most w^n of it is left:
    the least n with 255 * w^n < 1. It is 8 at smoothing 0.5, and 109 at 1.

    Args:
        smoothing: 0..1.
    """
    weight = MAX_SMOOTHING_WEIGHT * smoothing
    return math.ceil(math.log(_LEVELS) / -math.log(weight)) if weight * _LEVELS > 1 else int(weight > 0)


def _halved(pixels: Image) -> Image:
    """Half as wide and high: means of 2x2 px, where OpenCV is three times as fast as with 4x4."""
    size_wh = max(1, pixels.shape[1] // 2), max(1, pixels.shape[0] // 2)
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _mixed(old: NDArray[np.float32], new: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two (H, W, 3), with the weight (H, W) of the old one."""
    return np.asarray(cv2.blendLinear(old, new, weight, 1.0 - weight), np.float32)


def is_cut(original: Image, previous: Image) -> bool:
    """Whether two inputs of one size, uint8 (H, W, 3), are of different scenes."""
    return cv2.norm(original, previous, cv2.NORM_L1) > SCENE_CUT_DIFFERENCE * original.size


def mirror(pixels: Image) -> Image:
    """Swaps left and right of uint8 (H, W, 3)."""
    return np.asarray(cv2.flip(pixels, 1), np.uint8)


class Finisher:
    """Smooths, keeps colours and fades stylized images of one video or camera, as a look asks for.

    Attributes:
        smoothed: what smoothing remembers of the last stylized image; None where it begins anew.
    """

    def __init__(self) -> None:
        self.smoothed: Smoothed | None = None
        self._look: tuple[object, ...] = ()

    def go_on(self, smoothed: Smoothed | None, look: Look) -> None:
        """Sets what is remembered, as if the stylized image before had come through here."""
        self.smoothed, self._look = smoothed, _kept(look)

    def finish(self, pixels: Image, original: Image, look: Look) -> Image:
        """Gives the image to show.

        Args:
            pixels: uint8 (H, W, 3) RGB, the stylized image as the engine gave it.
            original: uint8 (H, W, 3) RGB, what it was made from.
            look: what it was made with; another style, strength or side begins the smoothing anew.
        """
        if look.smoothing > 0.0:
            previous = self.smoothed if _kept(look) == self._look else None
            self.smoothed = smooth(pixels, original, look.smoothing, previous)
            self._look, pixels = _kept(look), self.smoothed.pixels
        if look.keep_colors:
            pixels = keep_colors(original, pixels)
        return pixels if look.style.fades_by_vector else fade(original, pixels, look.strength)


def _kept(look: Look) -> tuple[object, ...]:
    return look.style, look.strength, look.mirror
