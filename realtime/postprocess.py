"""Owns what happens to a stylized picture before it is shown: pure functions of pixels.

Must not know engines, styles or sinks.
"""

import cv2
import numpy as np

from realtime.frame import Image

SCENE_CUT_DIFFERENCE = 30.0
"""Mean difference of two inputs (0..255) above which they are of different scenes."""

_STILL_DIFFERENCE = 12.0


def fade(original: Image, stylized: Image, strength: float) -> Image:
    """Mixes the camera's picture and the painting; strength 0..1, uint8 (H, W, 3) RGB all three."""
    if strength >= 1.0:
        return stylized
    if strength <= 0.0:
        return original.copy()
    return np.asarray(cv2.addWeighted(original, 1.0 - strength, stylized, strength, 0.0), np.uint8)


def keep_colors(original: Image, stylized: Image) -> Image:
    """Brightness of the painting with the colours of the camera's picture, uint8 (H, W, 3) RGB.

    Luminance transfer in YCrCb after Gatys et al. 2016, arXiv 1606.05897, section 5.
    """
    colours = cv2.cvtColor(original, cv2.COLOR_RGB2YCrCb)
    colours[:, :, 0] = cv2.cvtColor(stylized, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_YCrCb2RGB), np.uint8)


def smooth(
    stylized: Image, previous_stylized: Image, original: Image, previous_original: Image, smoothing: float
) -> Image:
    """Keeps more of the previous painting where the input stood still, which takes out flicker.

    The weight of the previous picture at a pixel is `smoothing * exp(-(d / 12)^2)` where
    d is the change of the blurred input there, on the 0..255 scale.

    Args:
        stylized: uint8 (H, W, 3) RGB, the new painting.
        previous_stylized: what this function gave last.
        original: the input of `stylized`.
        previous_original: the input of `previous_stylized`.
        smoothing: 0..1; 1 keeps a still pixel for ever.

    Returns:
        uint8 (H, W, 3) RGB; `stylized` itself when the sizes differ or the scene was cut.
    """
    if smoothing <= 0.0 or stylized.shape != previous_stylized.shape:
        return stylized
    change = cv2.absdiff(original, previous_original)
    if float(np.mean(change)) > SCENE_CUT_DIFFERENCE:
        return stylized
    grey = cv2.blur(cv2.cvtColor(change, cv2.COLOR_RGB2GRAY), (5, 5)).astype(np.float32)
    weight = smoothing * np.exp(-np.square(grey / _STILL_DIFFERENCE))
    return np.asarray(cv2.blendLinear(previous_stylized, stylized, weight, 1.0 - weight), np.uint8)


def mirror(pixels: Image) -> Image:
    """Swaps left and right of uint8 (H, W, 3)."""
    return np.asarray(cv2.flip(pixels, 1), np.uint8)
