"""Owns the figures of a moving image: how much it flickers beyond what it shows, and how much it makes of noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Unrounded = NDArray[np.float32]

NOISE_SIGMA = 4.0
"""Standard deviation of the noise of `noise_gain`, on the scale 0..255: a webcam in a room."""


@dataclass(frozen=True)
class FrameMotion:
    """Where the pixels of a frame were in the frame before.

    Attributes:
        x: float32 (H, W), column in the previous frame.
        y: float32 (H, W), row in the previous frame.
        known: bool (H, W), False where the pixel was outside of the previous frame or hidden
            in it, or lies at a motion boundary.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    known: NDArray[np.bool_]


def measure_motion(previous: Image, current: Image) -> FrameMotion:
    """Optical flow of luminance (DIS, medium preset; Kroeger et al. 2016) and where it can be trusted.

    The masks are those of Ruder et al. 2016 (arXiv 1604.08610, section 4.2), which Lai et
    al. 2018 (arXiv 1808.00449) take over. Everything lives in the current frame: w^ = (u, v)
    is the flow from it to the previous frame, w~ the flow of the previous frame to this one,
    looked up where w^ points, so that w~ = -w^ where both frames show the same thing. A
    pixel is hidden where |w~ + w^|^2 > 0.01 (|w~|^2 + |w^|^2) + 0.5 and at a motion boundary
    where |grad u|^2 + |grad v|^2 > 0.01 |w^|^2 + 0.002.

    Args:
        previous: uint8 (H, W, 3) RGB, a frame of the clip as it came in.
        current: the next frame, alike.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    before, now = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (previous, current))
    nowhere = np.zeros((*now.shape, 2), np.float32)
    back = np.asarray(flow.calc(now, before, nowhere.copy()), np.float32)  # (H, W, 2)
    forth = np.asarray(flow.calc(before, now, nowhere.copy()), np.float32)
    height, width = now.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = columns + back[..., 0], rows + back[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    forth_here = cv2.remap(forth, x, y, cv2.INTER_LINEAR)
    back_square = np.square(back).sum(2)
    mismatch = np.square(forth_here + back).sum(2)
    hidden = mismatch > 0.01 * (np.square(forth_here).sum(2) + back_square) + 0.5
    gradients = [np.gradient(back[..., part], axis=axis) for part in (0, 1) for axis in (0, 1)]
    boundary = np.square(gradients).sum(0) > 0.01 * back_square + 0.002
    return FrameMotion(x, y, inside & ~hidden & ~boundary)


def pair_error(previous: Image, current: Image, motion: FrameMotion) -> float:
    """How far a frame is from the one before, moved along: a term of E_warp.

    The mean over a clip is E_warp of Lai et al. 2018 (arXiv 1808.00449, section 4). Divide that of a
    stylized clip by that of the clip itself: what remains is flicker.

    Args:
        previous: uint8 (H, W, 3) RGB, stylized or not.
        current: alike.
        motion: between the two frames of the clip as it came in.

    Returns:
        Squared difference of pixels 0..1, summed over channels, mean over known pixels; nan
        when none is known.
    """
    if not motion.known.any():
        return float("nan")
    moved = cv2.remap(previous.astype(np.float32), motion.x, motion.y, cv2.INTER_LINEAR)
    squares = np.square((current - moved)[motion.known] / 255.0)  # (known pixels, 3)
    return float(squares.sum(1).mean())


def mean_of_known(values: Sequence[float]) -> float:
    """The mean of all values that are not nan; nan when there is none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def noise_gain(stylize: Callable[[Unrounded], Unrounded], images: Sequence[Image]) -> float:
    """How much a stylizer enlarges the noise of a camera: |S(x + n1) - S(x + n2)| / |n1 - n2|, mean over images.

    Both noises are independent, Gaussian and of `NOISE_SIGMA`, and the same for every stylizer.
    Nothing is rounded or cut off to 0..255, so that 1 means: as noisy as the image that came in.

    Args:
        stylize: takes and gives float32 (H, W, 3) RGB, 0..255.
        images: uint8 (H, W, 3) RGB, at least one.
    """
    rng, gains = np.random.default_rng(0), []
    for image in images:
        first, second = (rng.normal(0.0, NOISE_SIGMA, image.shape).astype(np.float32) for _ in range(2))
        change = stylize(image + first) - stylize(image + second)
        gains.append(float(np.linalg.norm(change) / np.linalg.norm(first - second)))
    return float(np.mean(gains))
