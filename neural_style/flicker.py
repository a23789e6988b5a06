"""Owns the figures of a stylized clip: how much it flickers beyond what it shows.

Must not know networks, files or styles; whoever paints hands over a function or the frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

NOISE_SIGMA = 4.0
"""Standard deviation of the noise of `noise_gain`, on the 0..255 scale: a webcam in a room."""


@dataclass(frozen=True)
class FrameMotion:
    """Where the pixels of a frame were in the frame before.

    Attributes:
        x: float32 (H, W), column in the previous frame.
        y: float32 (H, W), row in the previous frame.
        known: bool (H, W), false where a pixel was hidden or outside, and at motion boundaries.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    known: NDArray[np.bool_]


def measure_motion(frames: Sequence[Picture]) -> list[FrameMotion]:
    """Optical flow (DIS, medium preset) between neighbouring frames, and where it can be trusted.

    The masks are those of Ruder et al. 2016 (arXiv 1604.08610, section 4.2), as Lai et al.
    2018 (arXiv 1808.00449) use them: with w from this frame to the previous and w~ the flow
    back, warped to this frame, a pixel is hidden where |w + w~|^2 > 0.01 (|w|^2 + |w~|^2) + 0.5
    and at a motion boundary where |grad u|^2 + |grad v|^2 > 0.01 |w|^2 + 0.002.

    Args:
        frames: uint8 (H, W, 3) RGB, at least two of one size.

    Returns:
        One for each frame but the first.
    """
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    height, width = grey[0].shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    motions = []
    for previous, current in pairwise(grey):
        back, forth = flow.calc(current, previous, None), flow.calc(previous, current, None)  # (H, W, 2)
        x, y = columns + back[..., 0], rows + back[..., 1]
        forth = cv2.remap(forth, x, y, cv2.INTER_LINEAR)
        length = np.square(back).sum(2)
        hidden = np.square(back + forth).sum(2) > 0.01 * (length + np.square(forth).sum(2)) + 0.5
        gradients = [np.gradient(back[..., i], axis=axis) for i in (0, 1) for axis in (0, 1)]
        boundary = np.sum(np.square(gradients), axis=0) > 0.01 * length + 0.002
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        motions.append(FrameMotion(x, y, inside & ~hidden & ~boundary))
    return motions


def warping_error(frames: Sequence[Picture], motions: Sequence[FrameMotion]) -> float:
    """E_warp of Lai et al. 2018, eq. 12 and 13: how far each frame is from the one before, moved along.

    Args:
        frames: uint8 (H, W, 3) RGB, the clip itself or its stylized frames.
        motions: of the clip, from `measure_motion`.

    Returns:
        Squared differences of pixels 0..1 summed over channels, mean over known pixels and
        over frames; nan when no pixel is known.
    """
    errors = []
    for previous, current, motion in zip(frames, frames[1:], motions, strict=False):
        if not motion.known.any():
            continue
        moved = cv2.remap(previous.astype(np.float32), motion.x, motion.y, cv2.INTER_LINEAR)
        squares = np.square((current.astype(np.float32) - moved) / 255.0).sum(2)
        errors.append(float(squares[motion.known].mean()))
    return float(np.mean(errors)) if errors else float("nan")


def noise_gain(paint: Callable[[NDArray[np.float32]], NDArray[np.float32]], pictures: Sequence[Picture]) -> float:
    """How much a style enlarges a camera's noise: |S(x + n1) - S(x + n2)| / |n1 - n2|, mean over pictures.

    Args:
        paint: takes and gives float32 (H, W, 3), 0..255; not rounded.
        pictures: uint8 (H, W, 3) RGB; the noise is Gaussian, independent, of `NOISE_SIGMA`.
    """
    rng, gains = np.random.default_rng(0), []
    for picture in pictures:
        first, second = (rng.normal(0, NOISE_SIGMA, picture.shape).astype(np.float32) for _ in range(2))
        change = paint(picture + first) - paint(picture + second)
        gains.append(float(np.linalg.norm(change) / np.linalg.norm(first - second)))
    return float(np.mean(gains))
