"""Tests of images that visitors upload: size, strokes, transparency."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from fakes import IdentityEngine, difference, make_catalogue, noise
from numpy.typing import NDArray
from PIL import Image as Pillow

from realtime.errors import SourceError
from realtime.flow import EngineStage
from realtime.look import Look
from realtime.stroke_size import StrokeEngine
from realtime.style import Style
from realtime.web.uploads import stylize_upload


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
        content = stylize_upload(_upload(pixels), stage, look, max_side_px)
    with Pillow.open(io.BytesIO(content)) as opened:
        return np.array(opened, np.uint8)


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


def test_transparency_is_kept() -> None:
    alpha = np.tile(np.linspace(0, 255, 2000).astype(np.uint8), (1500, 1))
    stylized = _stylized(_WatchedEngine(), np.dstack([noise((2000, 1500)), alpha]), None)
    assert np.array_equal(stylized[..., 3], alpha)


def _says_it_is(width: int, height: int) -> bytes:
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
    stage = EngineStage[None](_WatchedEngine(), prepares=False)
    look = Look(make_catalogue("a").styles[0], strength=1.0, keep_colors=False, smoothing=0.0)
    tracemalloc.start()
    with pytest.raises(SourceError, match=reason):
        stylize_upload(_says_it_is(*size_wh), stage, look, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
