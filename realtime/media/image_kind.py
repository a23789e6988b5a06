"""Owns finding out by the beginning of a file whether it is an image, without decoding it."""

import warnings
from pathlib import Path

import PIL.Image as Pillow
from PIL import UnidentifiedImageError
from pillow_heif import register_heif_opener

from realtime.errors import SourceError
from realtime.media.deep_image import TIFF_MARKS


def check_image_kind(path: Path) -> None:
    """Makes sure that a file begins like an image.

    Raises:
        SourceError: it is empty, or no image that can be read. What else is wrong with it is told by who reads it.
    """
    register_heif_opener()
    try:
        with path.open("rb") as file:
            mark = file.read(4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            Pillow.open(path).close()
    except UnidentifiedImageError as error:
        if mark not in TIFF_MARKS:
            what = "is no image, or damaged" if mark else "is empty"
            raise SourceError(f"image {path}: {what}; give an image") from error
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return
