"""Owns reading and writing images: orientation, colour profile, transparency and depth."""

import io
import struct
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from neural_style.atomic_file import whole_file
from realtime.errors import SinkError, SourceError
from realtime.frame import Image, resize_to_fit
from realtime.media.image_memory import image_needs, shrunk_while_converted
from realtime.media.whole_image import check_whole

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif")
"""What is taken for an image in a folder."""

WRITABLE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif")
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF")
"""Pillow's names of what is read for certain; it knows others, too."""

MAX_PIXELS = 2**30
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
class ImageLimits:
    """What is decoded; anything beyond is refused by its header, before it takes memory.

    Attributes:
        pixels: width times height, at most.
        side_px: of the longer side, at most; None is any.
        aspect: longer over shorter side, at most; None is any.
    """

    pixels: int = MAX_PIXELS
    side_px: int | None = None
    aspect: float | None = None

    def check(self, name: str, width: int, height: int) -> None:
        """Raises SourceError for an image, called `name`, that says it is larger or longer."""
        said = f"{name}: says that it is {width}x{height} px"
        if width * height > self.pixels:
            raise SourceError(f"{said}; at most {self.pixels / 1e6:.0f} megapixels are read")
        if self.side_px is not None and max(width, height) > self.side_px:
            raise SourceError(f"{said}; each side may be at most {self.side_px} px")
        if self.aspect is not None and max(width, height) > self.aspect * max(1, min(width, height)):
            raise SourceError(f"{said}; one side may be at most {self.aspect:.0f} times the other")


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
    try:
        content = sys.stdin.buffer.read() if path is None else path.read_bytes()
    except OSError as error:
        raise SourceError(f"{name}: cannot be read ({error.strerror})") from error
    return decode_still(content, name, limits, max_side_px=max_side_px)


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
    limits = limits or ImageLimits()
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
            shrinks = image_needs(name, opened).check(max_side_px)
            suffix = _suffix_of(opened.format or "")
            if shrinks and max_side_px is not None:
                opened.draft("RGB", (max_side_px, max_side_px))  # of JPEG only
            upright = _eight_bits(opened, content)
            if shrinks and max_side_px is not None:
                upright = shrunk_while_converted(upright, max_side_px)
            ImageOps.exif_transpose(upright, in_place=True)
            alpha = _alpha(upright)
            return StillImage(np.array(_srgb(upright), np.uint8), alpha, suffix).shrunk(max_side_px)
    except UnidentifiedImageError as error:
        raise SourceError(f"{name}: is damaged or of a kind that is not known; give {_KINDS}") from error
    except Pillow.DecompressionBombError as error:
        raise SourceError(f"{name}: is too large; at most {limits.pixels / 1e6:.0f} megapixels are read") from error
    except MemoryError as error:
        raise SourceError(f"{name}: there is not enough memory for it; use a smaller --max-side") from error
    except (OSError, ValueError, SyntaxError, EOFError, cv2.error, *_DECODERS_RAISE) as error:
        raise SourceError(f"{name}: is damaged ({error})") from error


def write_still(path: Path | None, image: StillImage, suffix: str | None = None) -> None:
    """Writes an image, or to standard output for None; a file appears only when it is whole.

    Args:
        path: where to.
        image: as for `encode_still`.
        suffix: kind of file, one of `WRITABLE_SUFFIXES`; None is the path's.

    Raises:
        SinkError: it cannot be written.
    """
    name = "standard output" if path is None else str(path)
    try:
        kind = suffix or Path(name).suffix.lower()
        if path is None:
            sys.stdout.buffer.write(encode_still(image, kind))
            sys.stdout.buffer.flush()
            return
        with whole_file(path) as partial, partial.open("w+b") as file:
            _save(image, kind, file)
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
    _save(image, suffix, content, **options)
    return content.getvalue()


def _save(image: StillImage, suffix: str, file: IO[bytes], **options: object) -> None:
    """Writes what `encode_still` gives."""
    pixels = image.pixels
    if image.alpha is not None and suffix in _OPAQUE_SUFFIXES:
        share = image.alpha[..., None].astype(np.float32) / 255
        pixels = np.asarray(np.rint(pixels * share + 255 * (1 - share)), np.uint8)
    elif image.alpha is not None:
        pixels = np.dstack([pixels, image.alpha])
    kind = Pillow.registered_extensions()[suffix]
    Pillow.fromarray(pixels).save(file, kind, **{**_SAVE_OPTIONS.get(suffix, {}), **options})


_DECODERS_RAISE = (RuntimeError, ArithmeticError, LookupError, TypeError, struct.error)
"""What else comes out of Pillow's decoders for files that are damaged in one way or another."""

_KINDS = "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC"


def _suffix_of(pillow_format: str) -> str:
    """The suffix to write an image of one of Pillow's formats with; PNG for those that are only read."""
    return {"JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp", "AVIF": ".avif"}.get(
        pillow_format, ".png"
    )


def _eight_bits(opened: Pillow.Image, content: bytes) -> Pillow.Image:
    """The same image with 8 bits for each component; Pillow itself would cut values off or refuse them."""
    deep = opened.mode.startswith("I") or opened.mode == "F" or opened.format == "TIFF"
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if deep else None
    if decoded is None or decoded.dtype == np.uint8:
        opened.load()
        return opened
    if decoded.dtype == np.uint16:
        eight = np.asarray(cv2.convertScaleAbs(decoded, alpha=255 / 65535), np.uint8).reshape(decoded.shape)
    else:
        eight = np.rint(np.clip(decoded, 0, 1) * 255).astype(np.uint8)
    if eight.ndim == 3:
        eight = eight[..., [2, 1, 0, 3][: eight.shape[2]]]
    image = Pillow.fromarray(np.ascontiguousarray(eight, np.uint8))
    image.info.update({key: opened.info[key] for key in ("icc_profile", "exif") if key in opened.info})
    return image


def _alpha(image: Pillow.Image) -> NDArray[np.uint8] | None:
    """The transparency, or None when there is none."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return None
    alpha = np.array(image.convert("RGBA").getchannel("A"), np.uint8)
    return None if (alpha == 255).all() else alpha


def _srgb(image: Pillow.Image) -> Pillow.Image:
    """RGB by the image's own profile; a profile that cannot be used counts as none."""
    profile = image.info.get("icc_profile")
    base = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            base = ImageCms.profileToProfile(base, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or base
    return base if base.mode == "RGB" else base.convert("RGB")
