"""Tests of images as a network looks at them: on white paper, and reduced where they are large."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import noise
from PIL import Image as Pillow

from realtime.errors import SourceError
from realtime.media import opaque_image
from realtime.media.image_memory import ImageLimits
from realtime.media.opaque_image import read_on_white


def _large(path: Path, mode: str = "RGB", size_wh: tuple[int, int] = (1500, 1000), **options: Any) -> Path:
    image = Pillow.fromarray(noise((60, 40))).resize(size_wh).convert(mode)
    if mode == "RGBA":
        image.putalpha(Pillow.new("L", image.size, 0))
    image.save(path, **options)
    return path


@pytest.mark.parametrize(("name", "mode"), [("a.jpg", "RGB"), ("a.jpg", "L"), ("a.jpg", "CMYK"), ("a.bmp", "RGB")])
def test_a_large_image_is_reduced_and_looks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: str
) -> None:
    monkeypatch.setattr(opaque_image, "_ENOUGH_PIXELS", 0.25e6)  # a real large one is below, and takes a second
    pixels = read_on_white(_large(tmp_path / name, mode), "style image")
    height, width, _ = pixels.shape
    assert 0.12e6 < height * width < 0.5e6
    assert width / height == pytest.approx(1.5, abs=0.01)
    expected = Pillow.fromarray(noise((60, 40))).convert(mode).convert("RGB").resize((width, height))
    assert np.abs(pixels.astype(int) - np.asarray(expected, np.uint8)).mean() < 4


def test_a_large_image_is_turned_upright(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    path = _large(tmp_path / "a.jpg", size_wh=(6000, 4000), exif=exif)
    height, width, _ = read_on_white(path, "style image").shape
    assert height > width
    assert 2e6 < height * width < 8e6


def test_what_is_transparent_is_white_in_small_and_large_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opaque_image, "_ENOUGH_PIXELS", 0.25e6)
    hidden = np.dstack([noise((64, 48)), np.zeros((48, 64), np.uint8)])
    Pillow.fromarray(hidden).save(tmp_path / "small.png")
    assert (read_on_white(tmp_path / "small.png", "style image") == 255).all()
    large = read_on_white(_large(tmp_path / "large.png", "RGBA", compress_level=1), "style image")
    assert (large == 255).all()


def test_what_is_too_large_or_damaged_is_named(tmp_path: Path) -> None:
    path = _large(tmp_path / "a.jpg")
    with pytest.raises(SourceError, match="says that it is 1500x1000 px; at most 1 megapixels"):
        read_on_white(path, "style image", ImageLimits(pixels=1_000_000))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError, match="is damaged"):
        read_on_white(path, "style image")
