"""Tests of images that take much memory: refused with numbers that fit, or shrunk while they are decoded."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import difference, noise
from PIL import Image as Pillow

from realtime.errors import SourceError
from realtime.media import image_memory
from realtime.media.image_file import read_still
from realtime.media.image_memory import ImageNeeds, Reading, available_bytes


def _have(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr(image_memory, "available_bytes", lambda: int(free))


def test_an_image_that_does_not_fit_is_refused_with_numbers_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    _have(monkeypatch, 10e9)
    needs = ImageNeeds("image a.png", (30000, 30000), decoded=1, kept=15)
    said = r"image a\.png: its 30000x30000 px would take about 14.4 GB of memory, and 8.0 GB can be used"
    with pytest.raises(SourceError, match=said) as refused:
        needs.check(None)
    found = re.search(r"use --max-side (\d+) or less", str(refused.value))
    assert found
    assert needs.check(int(found[1])) is Reading.SHRUNK, "what is recommended fits"


def test_what_cannot_even_be_decoded_is_to_be_shrunk_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    _have(monkeypatch, 1e9)
    with pytest.raises(SourceError, match="shrink it with another program"):
        ImageNeeds("image a.png", (30000, 30000), decoded=1, kept=15).check(1000)


def test_what_fits_comfortably_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    _have(monkeypatch, 4e9)
    needs = ImageNeeds("image a.png", (4000, 3000), decoded=4, kept=22)
    assert needs.check(1000) is needs.check(None, by_rows=True) is Reading.WHOLE


def test_what_does_not_fit_comfortably_is_worked_on_by_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ImageNeeds("image a.png", (12000, 9000), decoded=4, kept=15)
    _have(monkeypatch, 2e9)
    assert needs.check(None, by_rows=True) is needs.check(12000, by_rows=True) is Reading.BY_ROWS
    assert needs.check(1000, by_rows=True) is Reading.SHRUNK
    with pytest.raises(SourceError, match="use --max-side"):
        needs.check(None)
    _have(monkeypatch, 1e9)
    with pytest.raises(
        SourceError, match=r"would take about 1\.0 GB of memory, and 0\.8 GB can be used; use --max-side"
    ):
        needs.check(None, by_rows=True)


def test_a_container_has_less_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_memory, "_CGROUP", tmp_path)
    free = available_bytes()
    (tmp_path / "memory.max").write_text("300000000\n")
    (tmp_path / "memory.current").write_text("100000000\n")
    assert available_bytes() == 200_000_000 < free
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes() > 200_000_000


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_what_is_shrunk_while_it_is_decoded_looks_the_same(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Pillow.fromarray(noise((1000, 700)))
    if mode == "I;16":
        image = Pillow.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    (image if mode == "I;16" else image.convert(mode)).save(path)
    whole = read_still(path, max_side_px=200)
    _have(monkeypatch, 22 * 1000 * 700)
    strips = read_still(path, max_side_px=200)
    assert strips.pixels.shape == whole.pixels.shape == (140, 200, 3)
    assert difference(strips.pixels, whole.pixels) < 3
    assert (strips.alpha is None) == (whole.alpha is None)


def test_a_turned_image_is_upright_when_it_was_shrunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, exif = Pillow.fromarray(noise((1000, 700))), Pillow.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    _have(monkeypatch, 22 * 1000 * 700)
    pixels = read_still(tmp_path / "a.jpg", max_side_px=200).pixels
    turned = np.asarray(
        np.rot90(cv2.resize(noise((1000, 700)), (200, 140), interpolation=cv2.INTER_AREA), -1), np.uint8
    )
    assert difference(pixels, turned) < 5
