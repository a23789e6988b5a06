"""Owns finding out whether a file holds the image that its header promises, before memory is taken for it."""

import struct
from collections.abc import Iterator

from PIL import Image as Pillow

_BEST_DEFLATE = 1032
"""No byte of deflate becomes more bytes than this."""

_PNG_HEAD = 8
_TIFF_ENTRY_BYTES = 12


def check_whole(opened: Pillow.Image, content: bytes) -> None:
    """Refuses a file that ends too early, or holds too little or contradicting data for its size.

    Args:
        opened: by Pillow, not loaded.
        content: of the file.

    Raises:
        ValueError: it does; the text says why. What has no such sign in it is found out by decoding.
    """
    kind = opened.format
    if kind == "PNG":
        _check_png(opened, content)
    elif kind == "WEBP" and len(content) < struct.unpack_from("<I", content, 4)[0] + 8:
        raise ValueError("it ends too early")
    elif kind in ("HEIF", "AVIF"):
        _check_boxes(content)
    elif kind == "TIFF":
        _check_tiff(opened, content)
    for tile in getattr(opened, "tile", []):
        if tile.offset > len(content) or (tile.codec_name == "raw" and kind == "BMP" and _is_short(opened, content)):
            raise ValueError("it ends too early")


def _check_png(opened: Pillow.Image, content: bytes) -> None:
    held = 0
    for kind, length in _png_chunks(content):
        held += length if kind == b"IDAT" else 0
    bits = 8 * len(opened.getbands()) if opened.mode in ("RGB", "RGBA", "LA") else 1  # at least
    if held * _BEST_DEFLATE < opened.width * opened.height * bits // 8:
        raise ValueError(f"{held} bytes cannot hold an image of {opened.width}x{opened.height} px")


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and length in bytes of each chunk up to the last; ValueError where the file ends before it."""
    place, kind = _PNG_HEAD, b""
    while kind != b"IEND":
        if place + 12 > len(content):
            raise ValueError("it ends too early")
        length, kind = struct.unpack_from(">I4s", content, place)
        place += 12 + length
        if place > len(content):
            raise ValueError("it ends too early")
        yield kind, length


def _check_boxes(content: bytes) -> None:
    """Of the ISO base media file format."""
    place = 0
    while place < len(content):
        if place + 16 > len(content):
            raise ValueError("it ends too early")
        (size,) = struct.unpack_from(">I", content, place)
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, place + 8)
        if size == 0:
            return
        if size < 8 or place + size > len(content):
            raise ValueError("it ends too early")
        place += size


def _check_tiff(opened: Pillow.Image, content: bytes) -> None:
    """Refuses a value that is given twice: of two sizes one reader believes the first, and another the last."""
    order = "<" if content[:2] == b"II" else ">"
    version, place = struct.unpack_from(f"{order}HI", content, 2)
    if version != 42:  # BigTIFF, for files above 4 GB
        raise ValueError("it is a BigTIFF, which is not read here")
    if place + 2 > len(content):
        raise ValueError("it ends too early")
    (count,) = struct.unpack_from(f"{order}H", content, place)
    if place + 2 + count * _TIFF_ENTRY_BYTES > len(content):
        raise ValueError("it ends too early")
    tags = [struct.unpack_from(f"{order}H", content, place + 2 + n * _TIFF_ENTRY_BYTES)[0] for n in range(count)]
    if len(set(tags)) != len(tags):
        raise ValueError("it gives one value twice")
    values = getattr(opened, "tag_v2", {})
    for offsets, lengths in ((273, 279), (324, 325)):  # of strips, of tiles
        for offset, length in zip(values.get(offsets, ()), values.get(lengths, ()), strict=False):
            if offset + length > len(content):
                raise ValueError("it ends too early")


def _is_short(opened: Pillow.Image, content: bytes) -> bool:
    bits = {"1": 1, "L": 8, "P": 1, "RGB": 16, "RGBA": 32}.get(opened.mode, 8)  # at least
    return len(content) < opened.width * opened.height * bits // 8
