"""Damaged videos and images: whatever is in them, a whole file and status 0 or 3, or one line and status 1.

FUZZED_VIDEOS and FUZZED_IMAGES are how many; FUZZED_FROM is the first seed.
"""

import io
import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fakes import IdentityEngine, noise
from PIL import Image as Pillow
from video_corpus import VideoKind, make_video

import stylize
from realtime.media.image_file import read_still
from realtime.media.video_reader import VideoReader

FROM = int(os.environ.get("FUZZED_FROM", "0"))
VIDEOS = int(os.environ.get("FUZZED_VIDEOS", "24"))
IMAGES = int(os.environ.get("FUZZED_IMAGES", "12"))
QUICK = {"preset": "veryfast", "g": "6"}
KINDS = [
    VideoKind(count=20, options=QUICK, sound_s=0.8),
    VideoKind(".mkv", count=20, options=QUICK, sound_s=0.8, time_base=Fraction(1, 1000)),
    VideoKind(".mov", count=12, encoder="libx265", options={"preset": "ultrafast"}),
    VideoKind(".webm", "libvpx-vp9", count=12, options={"deadline": "realtime"}, time_base=Fraction(1, 1000)),
    VideoKind(".ts", count=20, options=QUICK),
    VideoKind(".avi", "mpeg4", count=12, options={}, time_base=Fraction(1, 25)),
    VideoKind(".mkv", "ffv1", count=8, options={}, time_base=Fraction(1, 1000)),
]
IMAGE_KINDS = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF", "GIF"]


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.videos.job.open_engine", lambda *_: IdentityEngine())


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("whole")
    return [make_video(folder / str(number), replace(kind, size_wh=(96, 64))) for number, kind in enumerate(KINDS)]


def _flip_bits(content: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(0, len(content), rng.integers(1, 40)):
        content[place] ^= 1 << rng.integers(8)


def _cut_off(content: bytearray, rng: np.random.Generator) -> None:
    del content[rng.integers(len(content)) :]


def _cut_out(content: bytearray, rng: np.random.Generator) -> None:
    first = rng.integers(len(content))
    del content[first : first + rng.integers(1, 3000)]


def _overwrite(content: bytearray, rng: np.random.Generator) -> None:
    first, length = rng.integers(len(content)), int(rng.integers(1, 2000))
    content[first : first + length] = rng.bytes(length)


def _repeat(content: bytearray, rng: np.random.Generator) -> None:
    content += content[rng.integers(len(content)) :]


def _damage_head(content: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(0, min(len(content), 800), 4):
        content[place] = rng.integers(256)


DAMAGES: list[Callable[[bytearray, np.random.Generator], None]] = [
    _flip_bits,
    _cut_off,
    _cut_out,
    _overwrite,
    _repeat,
    _damage_head,
]


def _damaged(content: bytes, seed: int) -> bytes:
    rng, damaged = np.random.default_rng(seed), bytearray(content)
    DAMAGES[seed % len(DAMAGES)](damaged, rng)
    return bytes(damaged)


def _check(status: int, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert status in (0, 1, 3)
    assert target.exists() == (status != 1)
    assert said.count("\n") == (status == 1), said
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("seed", range(FROM, FROM + VIDEOS))
def test_a_damaged_video(seed: int, videos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = videos[seed % len(videos)]
    source = tmp_path / f"in{whole.suffix}"
    source.write_bytes(_damaged(whole.read_bytes(), seed))
    target = tmp_path / ("out.mkv" if seed % 2 else "out.mp4")
    status = stylize.main([str(source), "-o", str(target), "--engine", "onnx", "--batch-size", "1"])
    _check(status, target, capsys)
    if status != 1:
        reader = VideoReader(target)
        assert sum(1 for _ in reader.frames()) > 0
        assert (reader.lost, reader.damaged) == (0, 0)
        reader.close()


@pytest.mark.parametrize("seed", range(FROM, FROM + IMAGES))
def test_a_damaged_image(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind, content = IMAGE_KINDS[seed % len(IMAGE_KINDS)], io.BytesIO()
    Pillow.fromarray(noise((120, 90), seed)).save(content, kind)
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    source.write_bytes(_damaged(content.getvalue(), seed))
    status = stylize.main([str(source), "-o", str(target), "--engine", "onnx"])
    _check(status, target, capsys)
    if status == 0:
        assert read_still(target).pixels.ndim == 3
