"""Owns images of more than 8 bits a component: they are decoded by OpenCV and rounded to 8."""

import io
import struct
import warnings
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import TiffImagePlugin

from realtime.errors import SourceError

TIFF_MARKS = (b"II*\0", b"MM\0*")
"""What TIFF files begin with."""


def eight_bits(opened: Pillow.Image, content: bytes) -> Pillow.Image:
    """The same image with 8 bits for each component; Pillow itself would cut values off or refuse them."""
    deep = opened.mode.startswith("I") or opened.mode == "F" or opened.format == "TIFF"
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if deep else None
    if decoded is None or decoded.dtype == np.uint8:
        opened.load()
        return opened
    image = _rounded(decoded)
    image.info.update({key: opened.info[key] for key in ("icc_profile", "exif") if key in opened.info})
    return image


def _rounded(decoded: NDArray[Any]) -> Pillow.Image:
    """An image as OpenCV gives it, (H, W) or (H, W, BGR or BGRA), with 8 bits; floats are 0..1, no number is 0."""
    eight: NDArray[np.uint8]
    if decoded.dtype == np.uint16:
        eight = np.asarray(cv2.convertScaleAbs(decoded, alpha=255 / 65535), np.uint8).reshape(decoded.shape)
    else:
        eight = np.rint(np.clip(np.nan_to_num(decoded), 0, 1) * 255).astype(np.uint8)
    if eight.ndim == 3:
        eight = eight[..., [2, 1, 0, 3][: eight.shape[2]]]
    return Pillow.fromarray(np.ascontiguousarray(eight))


def deep_tiff(content: bytes, name: str, check_size: Callable[[str, int, int], None]) -> Pillow.Image:
    """A TIFF of a kind that Pillow does not know, such as RGB in floating point.

    Args:
        content: of the file.
        name: for messages.
        check_size: takes the name, width and height in px before anything is decoded, and raises SourceError.

    Raises:
        SourceError: it is damaged, too large or of a kind that OpenCV does not know either.
    """
    header = io.BytesIO(content)
    directory = TiffImagePlugin.ImageFileDirectory_v2(header.read(8))
    try:
        header.seek(directory.next)
        with warnings.catch_warnings(action="ignore"):  # of what is damaged, which is said below
            directory.load(header)
        tags = [directory.get(tag, 0) for tag in (TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH)]
        check_size(name, *map(int, tags))
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, ValueError, TypeError, SyntaxError, struct.error, cv2.error) as error:
        raise SourceError(f"{name}: is damaged ({error})") from error
    if decoded is None:
        bits = directory.get(TiffImagePlugin.BITSPERSAMPLE, ("?",))
        raise SourceError(
            f"{name}: is damaged, or a kind of TIFF that is not read ({bits[0]} bits); convert it to 8, 16 or 32 bits"
        )
    return _rounded(decoded)
