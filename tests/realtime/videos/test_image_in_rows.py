"""Tests of images that fit into memory only once: stylized in parts by themselves, with the same result."""

import io
from pathlib import Path

import numpy as np
import pytest
from fakes import IdentityEngine, noise
from PIL import Image as Pillow
from PIL import ImageCms

import realtime.upsampling
import stylize
from realtime.media import image_memory, image_rows

SIZE_WH = (1300, 1000)


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.videos.job.open_engine", lambda *_: IdentityEngine())


def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_memory, "_LEAST_PIXELS_BY_ROWS", 1_000_000)
    monkeypatch.setattr(image_memory, "available_bytes", lambda: 25 * SIZE_WH[0] * SIZE_WH[1])
    monkeypatch.setattr("realtime.videos.network_memory.usable_bytes", lambda: 1e9)
    monkeypatch.setattr(realtime.upsampling, "_STRIP_PIXELS", 100 * SIZE_WH[0])
    monkeypatch.setattr(image_rows, "_STRIP_PIXELS", 70 * SIZE_WH[0])


def _run(source: Path, target: Path, *options: str) -> None:
    assert stylize.main([str(source), "-o", str(target), "--engine", "onnx", *options]) == 0


def _other_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # cannot be used: counts as none


def _make(path: Path, mode: str) -> Path:
    image = Pillow.fromarray(noise(SIZE_WH)).convert("RGBA" if mode == "turned" else mode)
    if image.mode == "RGBA":
        image.putalpha(Pillow.fromarray(noise(SIZE_WH, 1)[..., 0]))
    exif = Pillow.Exif()
    exif[0x0112] = 6 if mode == "turned" else 1
    content = io.BytesIO()
    image.save(content, "TIFF" if mode == "CMYK" else "PNG", exif=exif, icc_profile=_other_profile())
    path.write_bytes(content.getvalue())
    return path


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGB", ".png"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (("RGBA", ".jpg"), ("CMYK", ".png"), ("turned", ".png"))
        ),
    ],
)
def test_the_result_is_that_of_the_whole(
    mode: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    styles = ("candy", "udnie") if mode == "RGB" else ("candy",)
    source = _make(tmp_path / "in.png", mode)
    options = ("--style", ",".join(styles), "--strength", "0.8", "--keep-colors")
    _run(source, tmp_path / f"whole{suffix}", *options)
    assert "in parts" not in capsys.readouterr().out
    _little_memory(monkeypatch)
    _run(source, tmp_path / f"rows{suffix}", *options)
    assert f"image {source}: is stylized in parts; as a whole" in capsys.readouterr().out
    for style in styles:
        names = (f"{name}_{style}" if len(styles) > 1 else name for name in ("whole", "rows"))
        whole, rows = (Pillow.open(tmp_path / f"{name}{suffix}") for name in names)
        assert whole.mode == rows.mode
        assert whole.info.keys() == rows.info.keys()
        difference = np.abs(np.asarray(whole, int) - np.asarray(rows, int))
        assert difference.mean() < 1
        assert difference.max() <= (3 if suffix == ".png" else 24)


@pytest.mark.slow
def test_a_sheet_of_such_an_image_is_made_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _make(tmp_path / "in.png", "RGB")
    _run(source, tmp_path / "whole.png", "--sheet", "--style", "candy")
    _little_memory(monkeypatch)
    _run(source, tmp_path / "rows.png", "--sheet", "--style", "candy")
    whole, rows = (np.asarray(Pillow.open(tmp_path / name), int) for name in ("whole.png", "rows.png"))
    assert np.abs(whole - rows).max() <= 4
