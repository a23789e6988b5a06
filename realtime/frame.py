"""Owns `Frame` and `FrameBatch`: captured pixels, their checks, their colour order and their size."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.errors import FrameError

Image = NDArray[np.uint8]
"""Bare pixels: uint8 (H, W, 3), RGB, 0..255."""


@dataclass(frozen=True)
class Frame:
    """One captured image.

    Attributes:
        pixels: uint8 (H, W, 3), RGB, 0..255.
        index: counts the frames of a source from 0; gaps are frames that were dropped.
        capture_time_s: `time.perf_counter()` when the frame was captured; latency counts from it.
        media_time_s: position in the video, in seconds; of a camera seconds since its first frame.

    Raises:
        FrameError: the pixels have another dtype or shape.
    """

    pixels: Image
    index: int
    capture_time_s: float
    media_time_s: float

    def __post_init__(self) -> None:
        check_image(self.pixels)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True)
class FrameBatch:
    """Frames of one size that an engine stylizes together.

    Attributes:
        frames: at least one, in the order in which they were captured.

    Raises:
        FrameError: there is no frame, or their sizes differ.
    """

    frames: tuple[Frame, ...]

    def __post_init__(self) -> None:
        sizes = sorted({frame.size_wh for frame in self.frames})
        if len(sizes) != 1:
            raise FrameError(f"batch of {len(self.frames)} frames: got sizes {sizes}, expected exactly one size")

    def stacked(self) -> NDArray[np.uint8]:
        """The pixels as uint8 (N, H, W, 3); a batch of one is a view, not a copy."""
        if len(self.frames) == 1:
            return self.frames[0].pixels[None]
        return np.stack([frame.pixels for frame in self.frames])


def check_image(pixels: object) -> None:
    """Checks that something is a NumPy array uint8 (H, W, 3) with at least one pixel.

    Raises:
        FrameError: it is not; the message says what it is, and what was expected.
    """
    if not isinstance(pixels, np.ndarray):
        raise FrameError(f"pixels: got {type(pixels).__name__}, expected a NumPy array uint8 (H, W, 3)")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise FrameError(f"pixels: got {pixels.dtype} {pixels.shape}, expected uint8 (H, W, 3)")


def from_bgr(pixels: Image) -> Image:
    """Changes OpenCV's BGR to RGB.

    Args:
        pixels: uint8 (H, W, 3) BGR, or grey (H, W) or (H, W, 1), which infrared cameras give.

    Returns:
        uint8 (H, W, 3) RGB; a new array.
    """
    grey = pixels.ndim == 2 or pixels.shape[2] == 1
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB), np.uint8)


def to_bgr(pixels: Image) -> Image:
    """Changes RGB to OpenCV's BGR; uint8 (H, W, 3) both."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)


def fit_size_wh(size_wh: tuple[int, int], inside_wh: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) in px that fits inside another and keeps the aspect ratio; at least 1x1."""
    scale = min(inside_wh[0] / size_wh[0], inside_wh[1] / size_wh[1])
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def resize_to_fit(pixels: Image, inside_wh: tuple[int, int] | None) -> Image:
    """Resizes an image to fit inside a size; its aspect ratio stays.

    Args:
        pixels: uint8 (H, W, 3).
        inside_wh: (width, height) in px; smaller images are enlarged to it. None keeps the size.

    Returns:
        uint8 (h, w, 3); the same array where the size stays.
    """
    size_wh = (pixels.shape[1], pixels.shape[0])
    if inside_wh is None or (wanted := fit_size_wh(size_wh, inside_wh)) == size_wh:
        return pixels
    method = cv2.INTER_AREA if wanted[0] < size_wh[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, wanted, interpolation=method), np.uint8)
