"""Owns how decoded images become RGB and RGB becomes images to encode, by the tags that a video states.

Must not know files, threads or networks.
"""

from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image as Pillow

from realtime.frame import Image
from realtime.media.resize import resize

PALETTE = "pal8"
"""FFmpeg's format of images that have up to 256 colours of their own, as in GIF."""

UNSPECIFIED = 2
"""FFmpeg's number of a matrix, transfer or primaries that a file does not state."""

_RGB, _BT709, _BT601 = 0, 1, 5
_COMPUTABLE = {_BT709: _BT709, 4: 4, _BT601: _BT601, 6: _BT601, 7: 7, 9: 9, 10: 9}
"""The matrices that FFmpeg's scaler knows; that of BT.2020 with constant luminance is taken as the other one's."""

_HD_HEIGHT_PX = 720
Alpha = NDArray[np.uint8]
"""How opaque each pixel is: uint8 (H, W), 255 is opaque."""

_COLOURS, _OPAQUE_FROM = 255, 128
"""Of a GIF: colours beside the transparent one, and from where on a pixel is shown."""

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
        """The matrix to compute with: BT.709 from 720 lines on, and else BT.601, where none is stated.

        What comes from RGB is written as BT.709.
        """
        if self.matrix == _RGB:
            return _BT709
        guessed = _BT709 if height_px >= _HD_HEIGHT_PX else _BT601
        return _COMPUTABLE.get(self.matrix, guessed)


def tags_of(image: av.VideoFrame) -> ColourTags:
    """Reads the tags of a decoded image."""
    full = image.color_range == ColorRange.JPEG or image.format.name.startswith("yuvj") or _is_rgb(image)
    return ColourTags(int(image.colorspace), full, int(image.color_primaries), int(image.color_trc))


def bit_depth(image: av.VideoFrame) -> int:
    """Bits of each component."""
    return max(component.bits for component in image.format.components)


def has_alpha(image: av.VideoFrame) -> bool:
    """Whether its pixels say how opaque they are."""
    return any(component.is_alpha for component in image.format.components)


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
        return self._converted(image, "rgb24")

    def with_alpha(self, image: av.VideoFrame) -> tuple[Image, Alpha]:
        """The displayed image, and how opaque it is."""
        values = self._converted(image, "rgba")
        return np.ascontiguousarray(values[..., :3]), np.ascontiguousarray(values[..., 3])

    def _converted(self, image: av.VideoFrame, pixel_format: str) -> NDArray[np.uint8]:
        converted = self._reformatter.reformat(
            image,
            format=pixel_format,
            src_colorspace=None if _is_rgb(image) else self._tags.matrix_for(image.height),
            src_color_range=ColorRange.JPEG if self._tags.full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=self._interpolation,
        )
        values = np.asarray(converted.to_ndarray(), np.uint8)
        if image.rotation:
            values = np.ascontiguousarray(np.rot90(values, round(image.rotation / 90)))
        return values if self._size_wh is None else resize(values, self._size_wh)


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

    def __call__(self, pixels: Image, alpha: Alpha | None = None) -> av.VideoFrame:
        """Converts uint8 (H, W, 3) RGB, and (H, W) how opaque it is; time stamps are the caller's.

        The image carries the tags, too: some encoders, as that of ProRes, look only there.
        """
        if self._pixel_format == PALETTE:
            return _with_palette(pixels, alpha)
        values = pixels if alpha is None else np.dstack([pixels, alpha])
        bottom, right = (pixels.shape[0] % 2, pixels.shape[1] % 2) if self._even else (0, 0)
        if bottom or right:
            values = np.asarray(cv2.copyMakeBorder(values, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        image = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(values, format="rgb24" if alpha is None else "rgba"),
            format=self._pixel_format,
            dst_colorspace=self._tags.matrix_for(pixels.shape[0]),
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if self._tags.full_range else ColorRange.MPEG,
            interpolation=_ACCURATE,
        )
        image.colorspace = self._tags.matrix or _BT709
        image.color_primaries, image.color_trc = self._tags.primaries, self._tags.transfer
        return image


def _with_palette(pixels: Image, alpha: Alpha | None) -> av.VideoFrame:
    """An image of the 255 colours that fit it best, and a last one that is transparent."""
    few = Pillow.fromarray(pixels).quantize(_COLOURS, Pillow.Quantize.MEDIANCUT, dither=Pillow.Dither.NONE)
    rgb = np.array(few.getpalette(), np.uint8).reshape(-1, 3)
    palette = np.zeros((256, 4), np.uint8)  # alpha, red, green, blue
    palette[: len(rgb), 1:], palette[:_COLOURS, 0] = rgb, 255
    places = np.array(few, np.uint8)
    if alpha is not None:
        places[alpha < _OPAQUE_FROM] = _COLOURS
    return av.VideoFrame.from_ndarray((places, palette), format=PALETTE)  # type: ignore[arg-type]


def _is_rgb(image: av.VideoFrame) -> bool:
    return bool(image.format.is_rgb)
