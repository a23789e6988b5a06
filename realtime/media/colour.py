"""Owns how decoded images become RGB and RGB becomes images to encode, by the tags that a video states.

Must not know files, threads or networks.
"""

from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from realtime.frame import Image
from realtime.media.resize import resize

UNSPECIFIED = 2
"""FFmpeg's number of a matrix, transfer or primaries that a file does not state."""

_RGB, _BT709, _BT601 = 0, 1, 5
_COMPUTABLE = {_BT709: _BT709, 4: 4, _BT601: _BT601, 6: _BT601, 7: 7, 9: 9, 10: 9}
"""The matrices that FFmpeg's scaler knows; that of BT.2020 with constant luminance is taken as the other one's."""

_HD_HEIGHT_PX = 720
_ACCURATE = Interpolation.BILINEAR | Interpolation.ACCURATE_RND


@dataclass(frozen=True)
class ColourTags:
    """What a video says of its colours; the numbers are those of ITU-T H.273, which FFmpeg uses.

    Attributes:
        matrix: between RGB and luma with chroma.
        full_range: 0..255 instead of 16..235.
        primaries: what red, green and blue are.
        transfer: from light to values.
    """

    matrix: int = UNSPECIFIED
    full_range: bool = False
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    def matrix_for(self, height_px: int) -> int:
        """The matrix to compute with: BT.709 from 720 lines on, and else BT.601, where none is stated."""
        guessed = _BT709 if height_px >= _HD_HEIGHT_PX else _BT601
        return _COMPUTABLE.get(self.matrix, guessed)


def tags_of(image: av.VideoFrame) -> ColourTags:
    """Reads the tags of a decoded image."""
    full = image.color_range == ColorRange.JPEG or image.format.name.startswith("yuvj") or _is_rgb(image)
    return ColourTags(int(image.colorspace), full, int(image.color_primaries), int(image.color_trc))


def bit_depth(image: av.VideoFrame) -> int:
    """Bits of each component."""
    return max(component.bits for component in image.format.components)


class ToRgb:
    """Turns decoded images into RGB; one for each video, because it keeps the tables between images.

    Args:
        tags: of the video.
        size_wh: width and height in px at which the video is shown; None is each image's own.
        accurate: False for live frames: up to two levels off, and twenty times as fast.
    """

    def __init__(self, tags: ColourTags, size_wh: tuple[int, int] | None = None, accurate: bool = True) -> None:
        self._tags, self._size_wh = tags, size_wh
        self._interpolation = _ACCURATE if accurate else None
        self._reformatter = VideoReformatter()

    def __call__(self, image: av.VideoFrame) -> Image:
        """The displayed image, upright and with square pixels: uint8 (H, W, 3) RGB."""
        converted = self._reformatter.reformat(
            image,
            format="rgb24",
            src_colorspace=None if _is_rgb(image) else self._tags.matrix_for(image.height),
            src_color_range=ColorRange.JPEG if self._tags.full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=self._interpolation,
        )
        rgb = np.asarray(converted.to_ndarray(), np.uint8)
        if image.rotation:
            rgb = np.ascontiguousarray(np.rot90(rgb, round(image.rotation / 90)))
        return rgb if self._size_wh is None else resize(rgb, self._size_wh)


def displayed_size_wh(
    stored_wh: tuple[int, int], shape: float, rotation: int, max_side_px: int | None = None
) -> tuple[int, int]:
    """Width and height in px at which a video is shown.

    Args:
        stored_wh: as encoded.
        shape: width over height of one stored pixel.
        rotation: in degrees.
        max_side_px: longer side allowed.
    """
    width, height = max(1, round(stored_wh[0] * shape)), stored_wh[1]
    scale = 1.0 if max_side_px is None else min(1.0, max_side_px / max(width, height))
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    return size_wh[::-1] if round(rotation / 90) % 2 else size_wh


class FromRgb:
    """Turns RGB into images for an encoder, by the same tags.

    Args:
        tags: of the video that is written.
        pixel_format: FFmpeg's name.
        even: whether the encoder needs even sides; the last row or column is then repeated.
    """

    def __init__(self, tags: ColourTags, pixel_format: str, even: bool) -> None:
        self._tags, self._pixel_format, self._even = tags, pixel_format, even
        self._reformatter = VideoReformatter()

    def __call__(self, pixels: Image) -> av.VideoFrame:
        """Converts uint8 (H, W, 3) RGB; time stamps are the caller's."""
        bottom, right = (pixels.shape[0] % 2, pixels.shape[1] % 2) if self._even else (0, 0)
        if bottom or right:
            pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        return self._reformatter.reformat(
            av.VideoFrame.from_ndarray(pixels, format="rgb24"),
            format=self._pixel_format,
            dst_colorspace=self._tags.matrix_for(pixels.shape[0]),
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if self._tags.full_range else ColorRange.MPEG,
            interpolation=_ACCURATE,
        )


def _is_rgb(image: av.VideoFrame) -> bool:
    return bool(image.format.is_rgb)
