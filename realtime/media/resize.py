"""Owns the resizing of images: averaged where they become smaller, interpolated where they become larger."""

import cv2
import numpy as np

from realtime.frame import Image


def resize(image: Image, size_wh: tuple[int, int]) -> Image:
    """An image, uint8 (H, W, 3) or (H, W), in exactly some width and height; itself where it has them."""
    if image.shape[1::-1] == size_wh:
        return image
    method = cv2.INTER_AREA if size_wh[0] < image.shape[1] or size_wh[1] < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size_wh, interpolation=method), np.uint8)


def with_short_side(image: Image, short_side_px: int) -> Image:
    """Resizes an image, uint8 (H, W, 3), keeping its shape."""
    height, width = image.shape[:2]
    scale = short_side_px / min(height, width)
    return resize(image, (max(short_side_px, round(width * scale)), max(short_side_px, round(height * scale))))


def middle_part(image: Image, max_aspect: float) -> Image:
    """The middle of an image, uint8 (H, W, 3), whose longer side is at most so many times the shorter one."""
    longest = max(1, round(max_aspect * min(image.shape[:2])))
    top, left = (max(0, side - longest) // 2 for side in image.shape[:2])
    return image[top : top + longest, left : left + longest]
