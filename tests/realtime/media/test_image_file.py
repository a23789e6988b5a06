import io
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from fakes import difference, noise
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms

from realtime.errors import SinkError, SourceError
from realtime.media.image_file import StillImage, read_still, readable_images, write_still


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp", ".avif"])
def test_every_kind_is_written_and_read_again(suffix: str, tmp_path: Path) -> None:
    write_still(tmp_path / f"a{suffix}", StillImage(noise(), None, ".png"), suffix)
    read = read_still(tmp_path / f"a{suffix}")
    assert difference(read.pixels, noise()) < 4
    assert read.alpha is None
    assert read.format_suffix == suffix


def test_heic_is_read(tmp_path: Path) -> None:
    pillow_heif.from_pillow(Pillow.fromarray(noise())).save(tmp_path / "a.heic", quality=95)
    assert difference(read_still(tmp_path / "a.heic").pixels, noise()) < 5


def test_the_orientation_of_the_camera_is_applied(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned a quarter
    Pillow.fromarray(noise((64, 48))).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_still(tmp_path / "a.png").pixels, np.rot90(noise((64, 48)), -1))


def test_colours_are_converted_from_the_images_own_profile(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    lab = Pillow.fromarray(noise()).convert("RGB")
    converted = ImageCms.profileToProfile(lab, ImageCms.createProfile("sRGB"), profile, outputMode="LAB")
    assert converted is not None
    converted.save(tmp_path / "a.tif", icc_profile=profile.tobytes())
    assert difference(read_still(tmp_path / "a.tif").pixels, noise()) < 8


def test_a_broken_profile_counts_as_none(tmp_path: Path) -> None:
    Pillow.fromarray(noise()).save(tmp_path / "a.png", icc_profile=b"nothing")
    assert np.array_equal(read_still(tmp_path / "a.png").pixels, noise())


def test_transparency_is_kept_or_put_on_white(tmp_path: Path) -> None:
    alpha = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    Pillow.fromarray(np.dstack([noise(), alpha])).save(tmp_path / "a.png")
    image = read_still(tmp_path / "a.png")
    assert image.alpha is not None
    assert np.array_equal(image.alpha, alpha)
    write_still(tmp_path / "b.webp", image, ".webp")
    kept = read_still(tmp_path / "b.webp").alpha
    assert kept is not None
    assert np.array_equal(kept, alpha)
    write_still(tmp_path / "c.jpg", image, ".jpg")
    flat = read_still(tmp_path / "c.jpg").pixels
    assert flat[:, 0].min() > 235
    assert difference(flat[:, 50:], noise()[:, 50:]) < 60


def test_opaque_transparency_is_none(tmp_path: Path) -> None:
    Pillow.fromarray(np.dstack([noise(), np.full((48, 64), 255, np.uint8)])).save(tmp_path / "a.png")
    assert read_still(tmp_path / "a.png").alpha is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_rounded_to_8(suffix: str, channels: int, tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (48, 64, channels), np.uint16)
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), deep)
    expected = deep[..., [2, 1, 0]] if channels > 1 else np.repeat(deep, 3, axis=2)
    read = read_still(tmp_path / f"a{suffix}").pixels.astype(float)
    assert np.abs(read - expected / 257).max() <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiffs_in_floating_point_are_read(dtype: type, channels: int, tmp_path: Path) -> None:
    values: NDArray[Any] = np.random.default_rng(0).random((48, 64, channels)).astype(dtype)
    values[0, 0] = np.nan
    assert cv2.imwrite(str(tmp_path / "a.tif"), values)
    read = read_still(tmp_path / "a.tif").pixels
    expected = values[..., [2, 1, 0]] if channels > 1 else np.repeat(values, 3, axis=2)
    assert np.abs(read / 255 - np.nan_to_num(expected)).max() < 0.003


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow
@pytest.mark.parametrize("length", [3000, -10])
def test_a_damaged_tiff_in_floating_point_is_one_line(length: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((48, 64, 3)).astype(np.float32)
    content = bytes(cv2.imencode(".tif", values)[1])
    (tmp_path / "a.tif").write_bytes(content[:length])
    with pytest.raises(SourceError, match=r"a\.tif: is damaged") as refused:
        read_still(tmp_path / "a.tif")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA"])
def test_other_modes_are_seen_as_they_are_shown(mode: str, tmp_path: Path) -> None:
    suffix = ".tif" if mode == "CMYK" else ".png"
    Pillow.fromarray(noise()).convert(mode).save(tmp_path / f"a{suffix}")
    expected = np.array(Pillow.fromarray(noise()).convert(mode).convert("RGB"))
    assert difference(read_still(tmp_path / f"a{suffix}").pixels, expected) < 3


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_images_and_ones_with_alpha_have_three_colours(tmp_path: Path, channels: int) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((5, 7, channels), 99, np.uint8))
    image = read_still(tmp_path / "a.png").pixels
    assert image.shape == (5, 7, 3)
    assert (image == 99).all()


def test_a_name_may_have_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "gemälde 絵.png"
    write_still(path, StillImage(noise()))
    assert np.array_equal(read_still(path).pixels, noise())


def test_of_several_files_those_that_are_images_are_read(tmp_path: Path) -> None:
    names = ("empty.jpg", "text.jpg", "folder.jpg", "gone.jpg", "image.png")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "folder.jpg").mkdir()
    write_still(tmp_path / "image.png", StillImage(noise()))
    (read,) = readable_images(tmp_path / name for name in names)
    assert np.array_equal(read, noise())
    for name in names[:4]:
        with pytest.raises(SourceError, match=rf"photograph .*{name}: "):
            read_still(tmp_path / name, "photograph")


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_image_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.png"):
        read_still(tmp_path / "a.png")


def test_a_truncated_image_is_damaged(tmp_path: Path) -> None:
    write_still(tmp_path / "a.jpg", StillImage(noise((640, 480)), None, ".jpg"), ".jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:3000])
    with pytest.raises(SourceError, match="damaged"):
        read_still(tmp_path / "a.jpg")


def test_a_image_that_says_it_is_huge_is_not_unpacked(tmp_path: Path) -> None:
    content = bytearray(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (100000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0")
    import zlib

    content += (
        zlib.crc32(bytes(content[12:])).to_bytes(4, "big") + b"\0\0\0\0IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
    )
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(SourceError, match="100000x100000"):
        read_still(tmp_path / "a.png")


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        write_still(Path("/dev/full"), StillImage(noise(), None, ".png"), ".png")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(SinkError, match="folder"):
        write_still(tmp_path / "a.png", StillImage(noise(), None, ".png"), ".png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_standard_input_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, out = io.BytesIO(), io.BytesIO()
    Pillow.fromarray(noise()).save(stored, "PNG")
    stored.seek(0)

    class _Standard:
        def __init__(self, buffer: io.BytesIO) -> None:
            self.buffer = buffer

    monkeypatch.setattr(sys, "stdin", _Standard(stored))
    monkeypatch.setattr(sys, "stdout", _Standard(out))
    image = read_still(None)
    write_still(None, image, image.format_suffix)
    assert np.array_equal(np.array(Pillow.open(io.BytesIO(out.getvalue()))), noise())
