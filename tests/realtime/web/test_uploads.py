"""Tests of images that visitors upload: size, strokes, transparency."""

import io
import struct
import threading
import zlib

import numpy as np
import pillow_heif
import psutil
import pytest
from fakes import IdentityEngine, difference, make_catalogue, noise
from numpy.typing import NDArray
from PIL import Image as Pillow

from realtime.errors import SourceError
from realtime.flow import EngineStage
from realtime.look import Look
from realtime.stroke_size import StrokeEngine
from realtime.style import Style
from realtime.web.uploads import LeftError, read_upload, stylize_upload


class _WatchedEngine(IdentityEngine):
    """Gives back what it gets, and remembers the shapes."""

    shape: tuple[int, ...] = ()

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self.shape = images.shape
        return super().stylize(images, style, strength)


def _upload(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _stylized(engine: _WatchedEngine, pixels: NDArray[np.uint8], max_side_px: int | None) -> NDArray[np.uint8]:
    look = Look(make_catalogue("a").styles[0], strength=1.0, keep_colors=False, smoothing=0.0)
    with EngineStage[None](StrokeEngine(engine, 1.0), prepares=False) as stage:
        content = stylize_upload(read_upload(_upload(pixels)), stage, look, max_side_px, threading.Event())
    with Pillow.open(io.BytesIO(content)) as opened:
        return np.array(opened, np.uint8)


@pytest.mark.slow
def test_a_large_image_is_stylized_as_at_a_megapixel_and_given_back_in_its_size() -> None:
    engine = _WatchedEngine()
    stylized = _stylized(engine, noise((2000, 1500)), None)
    assert engine.shape == (1, 866, 1155, 3)
    assert stylized.shape == (1500, 2000, 3)
    assert difference(stylized, noise((2000, 1500))) < 3


def test_a_small_image_and_a_preview_are_stylized_as_they_are() -> None:
    engine = _WatchedEngine()
    assert np.array_equal(_stylized(engine, noise((640, 480)), None), noise((640, 480)))
    assert _stylized(engine, noise((2000, 1500)), 320).shape == (240, 320, 3)
    assert engine.shape == (1, 240, 320, 3)


@pytest.mark.slow
def test_transparency_is_kept() -> None:
    alpha = np.tile(np.linspace(0, 255, 2000).astype(np.uint8), (1500, 1))
    stylized = _stylized(_WatchedEngine(), np.dstack([noise((2000, 1500)), alpha]), None)
    assert np.array_equal(stylized[..., 3], alpha)


def file_that_says_it_is(width: int, height: int) -> bytes:
    """A PNG file whose header gives a size, and which ends soon after."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">II", zlib.crc32(chunk), 64)
        + b"IDAT"
        + b"\0" * 64
    )


@pytest.mark.parametrize(
    ("size_wh", "reason"),
    [
        ((1, 8_000_000), "at most 16384 px"),
        ((1, 24_000_000), "at most 16384 px"),
        ((600, 40_000), "at most 16384 px"),
        ((100, 4_000), "at most 32 times the other"),
        ((6000, 5000), "at most 24 megapixels"),
    ],
)
def test_what_would_take_long_or_much_memory_is_refused_by_its_header(size_wh: tuple[int, int], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        read_upload(file_that_says_it_is(*size_wh))


def _file_of(kind: str, size_wh: tuple[int, int] = (640, 480)) -> bytes:
    file = io.BytesIO()
    image = Pillow.fromarray(noise(size_wh))
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(file)
    else:
        image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF"])
def test_every_kind_is_taken_and_half_a_file_is_refused(kind: str) -> None:
    content = _file_of(kind)
    upload = read_upload(content)
    assert (upload.size_wh, upload.small.pixels.shape) == ((640, 480), (480, 640, 3))
    for share in (0.02, 0.5, 0.95):
        with pytest.raises(SourceError, match="damaged"):
            read_upload(content[: int(len(content) * share)])


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF"])
def test_half_a_file_is_refused_before_its_pixels_take_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = _file_of(kind)
    monkeypatch.setattr("realtime.media.image_file.eight_bits", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(SourceError, match="damaged"):
        read_upload(content[: len(content) // 2])


def test_a_whole_file_with_too_little_in_it_is_refused() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4900, 4800, 8, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 9000)) + chunk(b"IEND", b"")
    with pytest.raises(SourceError, match="cannot hold an image of 4900x4800"):
        read_upload(content)


def test_a_size_that_is_given_twice_is_refused() -> None:
    content = bytearray(_file_of("TIFF", (64, 48)))
    (place,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, place)
    entries = content[place + 2 : place + 2 + 12 * count]
    width = next(entries[at : at + 12] for at in range(0, len(entries), 12) if entries[at : at + 2] == b"\x00\x01")
    twice = struct.pack("<H", count + 1) + width[:8] + struct.pack("<I", 30_000) + entries + b"\0\0\0\0"
    moved = bytes(content[:4]) + struct.pack("<I", len(content)) + bytes(content[8:]) + bytes(twice)
    with pytest.raises(SourceError, match=r"twice|at most"):
        read_upload(moved)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_what_takes_memory_when_it_is_opened_is_refused_before(kind: str) -> None:
    content = bytearray(_file_of(kind, (64, 48)))
    if kind == "GIF":  # its screen stays small, its frame says that it is large, and is to be cleared after it
        at = content.index(b"\x2c", 13 + 3 * 2 ** ((content[10] & 7) + 1))
        content[at + 1 : at + 9] = struct.pack("<HHHH", 0, 0, 60_000, 60_000)
        content[at:at] = b"\x21\xf9\x04\x08\0\0\0\0"
    else:
        extended = struct.pack("<I", 0) + struct.pack("<I", 16_000)[:3] + struct.pack("<I", 16_000)[:3]
        content[12:12] = b"VP8X" + struct.pack("<I", 10) + extended
        content[4:8] = struct.pack("<I", len(content) - 8)
    before = psutil.Process().memory_info().rss
    with pytest.raises(SourceError, match=r"too large|at most"):
        read_upload(bytes(content))
    assert psutil.Process().memory_info().rss - before < 50e6


def test_deep_images_are_rounded_without_large_copies() -> None:
    deep = (np.arange(65_536, dtype=np.uint16)).reshape(256, 256)
    file = io.BytesIO()
    Pillow.fromarray(deep).save(file, "PNG")
    assert np.array_equal(read_upload(file.getvalue()).small.pixels[..., 0], np.rint(deep / 257).astype(np.uint8))


def test_work_for_nobody_is_left_undone() -> None:
    engine, left = _WatchedEngine(), threading.Event()
    left.set()
    look = Look(make_catalogue("a").styles[0], strength=1.0, keep_colors=False, smoothing=0.0)
    with EngineStage[None](engine, prepares=False) as stage, pytest.raises(LeftError):
        stylize_upload(read_upload(_file_of("PNG")), stage, look, None, left)
    assert engine.shape == ()
