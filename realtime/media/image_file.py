"""Owns reading and writing images: orientation, colour profile, transparency and depth."""

import io
import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from realtime.errors import SinkError, SourceError
from realtime.frame import Image, resize_to_fit
from realtime.media.deep_image import TIFF_MARKS, deep_tiff, eight_bits
from realtime.media.image_colours import alpha_of, on_white, srgb
from realtime.media.image_memory import ImageLimits, ImageNeeds, Reading, image_needs, shrunk_while_converted
from realtime.media.image_rows import ImageRows
from realtime.media.standard_streams import standard_input, write_standard_output
from realtime.media.whole_image import check_whole
from realtime.media.whole_output import whole_output

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif")
"""What is taken for an image in a folder."""

WRITABLE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif")
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF")
"""Pillow's names of what is read for certain; it knows others, too."""

_OPAQUE_SUFFIXES = (".jpg", ".jpeg", ".bmp")
_SAVE_OPTIONS: dict[str, dict[str, object]] = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".png": {"compress_level": 1},
    ".webp": {"quality": 92},
    ".avif": {"quality": 85},
    ".tif": {"compression": "tiff_deflate"},
    ".tiff": {"compression": "tiff_deflate"},
}


@dataclass(frozen=True)
class StillImage:
    """An image as it is meant to be seen.

    Attributes:
        pixels: uint8 (H, W, 3), sRGB, upright.
        alpha: uint8 (H, W), 255 is opaque; None when nothing is transparent.
        format_suffix: how it was stored, as a suffix that can be written.
    """

    pixels: Image
    alpha: NDArray[np.uint8] | None = None
    format_suffix: str = ".png"

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def shrunk(self, max_side_px: int | None) -> "StillImage":
        """The same image with a longer side of so many px at most; None is any."""
        if max_side_px is None or max(self.pixels.shape[:2]) <= max_side_px:
            return self
        inside_wh = (max_side_px, max_side_px)
        alpha = None if self.alpha is None else resize_to_fit(self.alpha, inside_wh)
        return replace(self, pixels=resize_to_fit(self.pixels, inside_wh), alpha=alpha)


def read_still(
    path: Path | None, what: str = "image", limits: ImageLimits | None = None, max_side_px: int | None = None
) -> StillImage:
    """Reads an image file, or standard input for None.

    Orientation by EXIF is applied, colours are converted from the image's own profile to
    sRGB, 16 bits are rounded to 8.

    Args:
        path: the file.
        what: what it is, for messages: "photograph".
        limits: the largest that is decoded.
        max_side_px: it is shrunk to so many px; None is none.

    Raises:
        SourceError: it is missing, damaged, too large or of an unknown kind.
    """
    name = f"{what} {'standard input' if path is None else path}"
    return decode_still(_content(path, name), name, limits, max_side_px=max_side_px)


def read_still_or_rows(path: Path | None, max_side_px: int | None = None) -> "StillImage | ImageRows":
    """As `read_still`; an image that does not fit into memory comfortably is given to be worked on by its rows.

    Raises:
        SourceError: as `read_still`.
    """
    name = f"image {'standard input' if path is None else path}"
    content = _content(path, name)
    with _decoder_errors(name):
        decoded = _decoded(content, name, _Wanted(ImageLimits(), max_side_px=max_side_px, by_rows=True))
        if decoded.needs is not None:
            return ImageRows(decoded.image, decoded.suffix, decoded.needs)
        return shown_image(decoded.image, decoded.suffix).shrunk(max_side_px)


def _content(path: Path | None, name: str) -> bytes:
    try:
        return standard_input().read() if path is None else path.read_bytes()
    except OSError as error:
        raise SourceError(f"{name}: cannot be read ({error.strerror})") from error


def readable_images(paths: Iterable[Path]) -> Iterator[Image]:
    """The pixels, uint8 (H, W, 3) RGB, of those files that can be read as images."""
    for path in paths:
        try:
            pixels = read_still(path).pixels
        except SourceError:
            continue
        yield pixels


def decode_still(
    content: bytes,
    name: str,
    limits: ImageLimits | None = None,
    kinds: tuple[str, ...] | None = None,
    max_side_px: int | None = None,
) -> StillImage:
    """Reads an image from the bytes of its file, as `read_still`.

    Args:
        content: the bytes.
        name: for messages: "image a.png".
        limits: the largest that is decoded.
        kinds: Pillow's names of the formats that are tried, of files that nobody vouches for: one that ends too
            early is refused before it takes memory; None is all.
        max_side_px: it is shrunk to so many px; None is none.

    Raises:
        SourceError: it is damaged, too large for the limits or the memory, or of an unknown kind.
    """
    with _decoder_errors(name):
        decoded = _decoded(content, name, _Wanted(limits or ImageLimits(), kinds, max_side_px))
        return shown_image(decoded.image, decoded.suffix).shrunk(max_side_px)


@dataclass(frozen=True)
class _Wanted:
    """What may be decoded, and how: limits, kinds and longer side as of `decode_still`, and whether by rows."""

    limits: ImageLimits
    kinds: tuple[str, ...] | None = None
    max_side_px: int | None = None
    by_rows: bool = False


@dataclass(frozen=True)
class _Decoded:
    """An image of 8 bits, not yet upright; the suffix to write it with; and what it needs, if it is to stay so."""

    image: Pillow.Image
    suffix: str
    needs: ImageNeeds | None = None


def _decoded(content: bytes, name: str, wanted: _Wanted) -> _Decoded:
    limits, kinds, max_side_px = wanted.limits, wanted.kinds, wanted.max_side_px
    register_heif_opener()
    if kinds is not None:
        Pillow.init()  # else it knows only the usual kinds by name
    # Pillow takes memory for some kinds when it opens them, and refuses twice as many pixels before that.
    Pillow.MAX_IMAGE_PIXELS = None if kinds is None else limits.pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # refused by the next lines
            opening = Pillow.open(io.BytesIO(content), formats=kinds)
        with opening as opened:
            limits.check(name, opened.width, opened.height)
            if kinds is not None:
                check_whole(opened, content)
            needs = image_needs(name, opened)
            reading, suffix = needs.check(max_side_px, wanted.by_rows), _suffix_of(opened.format or "")
            shrunk_px = max_side_px if reading is Reading.SHRUNK else None
            if shrunk_px is not None:
                opened.draft("RGB", (shrunk_px, shrunk_px))  # of JPEG only
            upright = eight_bits(opened, content)
            if shrunk_px is not None:
                upright = shrunk_while_converted(upright, shrunk_px)
            return _Decoded(upright, suffix, needs if reading is Reading.BY_ROWS else None)
    except UnidentifiedImageError as error:
        if content[:4] in TIFF_MARKS:
            return _Decoded(deep_tiff(content, name, limits.check), ".tif")
        raise SourceError(f"{name}: is damaged or of a kind that is not known; give {_KINDS}") from error
    except Pillow.DecompressionBombError as error:
        raise SourceError(f"{name}: is too large; at most {limits.pixels / 1e6:.0f} megapixels are read") from error


@contextmanager
def _decoder_errors(name: str) -> Iterator[None]:
    """Turns what decoders raise into SourceError."""
    try:
        yield
    except MemoryError as error:
        raise SourceError(f"{name}: there is not enough memory for it; use a smaller --max-side") from error
    except (OSError, ValueError, SyntaxError, EOFError, cv2.error, *DECODERS_RAISE) as error:
        raise SourceError(f"{name}: is damaged ({error})") from error


def shown_image(image: Pillow.Image, format_suffix: str) -> StillImage:
    """What an image of 8 bits shows: turned upright by EXIF, in sRGB by its own profile."""
    ImageOps.exif_transpose(image, in_place=True)
    alpha = alpha_of(image)
    return StillImage(np.array(srgb(image), np.uint8), alpha, format_suffix)


def write_still(path: Path | None, image: StillImage, suffix: str | None = None, overwrite: bool = True) -> None:
    """Writes an image, or to standard output for None; a file appears only when it is whole.

    Args:
        path: where to.
        image: as for `encode_still`.
        suffix: kind of file, one of `WRITABLE_SUFFIXES`; None is the path's.
        overwrite: whether a file that is there is replaced.

    Raises:
        SinkError: it cannot be written, or is there and is not to be replaced.
    """
    kind = suffix or Path(str(path)).suffix.lower()
    write_pillow(path, _pillow(image, kind), kind, overwrite)


def write_pillow(path: Path | None, image: Pillow.Image, suffix: str, overwrite: bool) -> None:
    """As `write_still`, of an image as Pillow has it, RGB or RGBA."""
    name = "standard output" if path is None else str(path)
    try:
        if path is None:
            content = io.BytesIO()
            _save(image, suffix, content)
            write_standard_output(content.getbuffer())
            return
        with whole_output(path, overwrite) as partial, partial.open("w+b") as file:
            _save(image, suffix, file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SinkError(f"image {name}: cannot be written ({reason}); choose another place") from error


def encode_still(image: StillImage, suffix: str, **options: object) -> bytes:
    """An image as the content of a file.

    Args:
        image: transparency is kept where the kind of file can, and else put on white.
        suffix: kind of file, one of `WRITABLE_SUFFIXES`.
        options: Pillow's, where they are not the usual ones: `quality=85`.

    Raises:
        OSError, ValueError: this kind of file cannot hold the image.
    """
    content = io.BytesIO()
    _save(_pillow(image, suffix), suffix, content, **options)
    return content.getvalue()


def _pillow(image: StillImage, suffix: str) -> Pillow.Image:
    pixels = image.pixels
    if image.alpha is not None and not keeps_alpha(suffix):
        pixels = on_white(pixels, image.alpha)
    elif image.alpha is not None:
        pixels = np.dstack([pixels, image.alpha])
    return Pillow.fromarray(pixels)


def _save(image: Pillow.Image, suffix: str, file: IO[bytes], **options: object) -> None:
    image.save(file, Pillow.registered_extensions()[suffix], **{**_SAVE_OPTIONS.get(suffix, {}), **options})


def keeps_alpha(suffix: str) -> bool:
    """Whether a kind of file, one of `WRITABLE_SUFFIXES`, can say how opaque pixels are."""
    return suffix not in _OPAQUE_SUFFIXES


DECODERS_RAISE = (RuntimeError, ArithmeticError, LookupError, TypeError, struct.error)
"""What else comes out of Pillow's decoders for files that are damaged in one way or another."""

_KINDS = "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC"


def _suffix_of(pillow_format: str) -> str:
    """The suffix to write an image of one of Pillow's formats with; PNG for those that are only read."""
    return {"JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp", "AVIF": ".avif"}.get(
        pillow_format, ".png"
    )
