"""Tests of the images that training reads.

Knows nothing of networks; every image is made here.
"""

import logging
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from neural_style.errors import MissingPackageError, TrainingError
from neural_style.photos import (
    MAX_VALIDATION_IMAGES,
    find_photos,
    hold_out,
    packaged_photos,
)
from neural_style.training.dataset import PhotoCrops, read_style_image
from realtime.errors import SourceError
from realtime.media.image_file import IMAGE_SUFFIXES, read_still


def _noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _write(path: Path, rgb: NDArray[np.uint8]) -> Path:
    """Writes an image; names with any letters work, which `cv2.imwrite` does not promise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, encoded = cv2.imencode(path.suffix, rgb[..., ::-1])
    assert done
    path.write_bytes(encoded.tobytes())
    return path


def _photos(folder: Path, count: int = 5) -> Path:
    for i in range(count):
        _write(folder / f"{i}.png", _noise(70 + 10 * i, 100, seed=i))
    return folder


def _crops(folder: Path, length: int, seed: int = 0) -> PhotoCrops:
    return PhotoCrops(find_photos(folder), 64, length, seed)


def test_items_are_square_crops_of_0_to_255(tmp_path: Path) -> None:
    photos = _crops(_photos(tmp_path), 20)
    assert len(photos) == 20
    for i in range(20):
        crop = photos[i]
        assert crop.shape == (3, 64, 64)
        assert crop.dtype == torch.float32
        assert crop.min() >= 0
        assert crop.max() <= 255
        assert crop.max() > 100, "values are not scaled to 0..1"


def test_crops_are_rgb(tmp_path: Path) -> None:
    orange = np.full((80, 80, 3), (250, 120, 10), np.uint8)
    _write(tmp_path / "orange.png", orange)
    crop = _crops(tmp_path, 1, 0)[0]
    assert crop.mean((1, 2)).tolist() == [250, 120, 10]


def test_an_item_depends_on_seed_and_index_alone(tmp_path: Path) -> None:
    forwards = _crops(_photos(tmp_path), 6, 3)
    items = [forwards[i] for i in range(6)]
    backwards = _crops(tmp_path, 6, 3)
    again = [backwards[i] for i in reversed(range(6))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(items, again, strict=True))


def test_items_and_seeds_differ(tmp_path: Path) -> None:
    photos = _crops(_photos(tmp_path), 6, 3)
    other_seed = _crops(tmp_path, 6, 4)
    items = [photos[i] for i in range(6)] + [other_seed[i] for i in range(6)]
    for i, item in enumerate(items):
        assert not any(torch.equal(item, other) for other in items[i + 1 :])


def test_all_photographs_are_drawn_also_those_in_subfolders(tmp_path: Path) -> None:
    for i, name in enumerate(["a.png", "b.JPG", "deep/er/c.webp"]):
        _write(tmp_path / name, np.full((80, 80, 3), 60 * (i + 1), np.uint8))
    (tmp_path / "notes.txt").write_text("not an image, and not to be tried")
    photos = _crops(tmp_path, 30, 0)
    greys = {60 * round(photos[i].mean().item() / 60) for i in range(30)}
    assert greys == {60, 120, 180}


def test_a_tiny_image_is_enlarged(tmp_path: Path) -> None:
    _write(tmp_path / "tiny.png", _noise(6, 8))
    assert _crops(tmp_path, 3, 0)[2].shape == (3, 64, 64)


def test_a_image_as_small_as_the_crop_is_used(tmp_path: Path) -> None:
    _write(tmp_path / "exact.png", _noise(64, 64))
    _write(tmp_path / "wide.png", _noise(64, 65))
    photos = _crops(tmp_path, 10, 0)
    assert {photos[i].shape for i in range(10)} == {(3, 64, 64)}


def test_crops_are_mirrored_half_of_the_time(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(0, 250, 2, dtype=np.uint8)[None, :, None], (125, 125, 3))
    _write(tmp_path / "ramp.png", np.ascontiguousarray(ramp))
    photos = _crops(tmp_path, 40, 0)
    rising = sum(bool((photos[i][0, 0, -1] > photos[i][0, 0, 0]).item()) for i in range(40))
    assert 8 < rising < 32


def test_an_unreadable_image_is_skipped_and_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _photos(tmp_path, 2)
    (tmp_path / "broken.jpg").write_text("no image")
    photos = _crops(tmp_path, 20, 0)
    with caplog.at_level(logging.WARNING):
        assert all(photos[i].shape == (3, 64, 64) for i in range(20))
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert str(tmp_path / "broken.jpg") in messages[0]


def test_a_folder_whose_images_are_all_unreadable_is_an_error(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).write_text("no image")
    with pytest.raises(TrainingError, match="none of its 2 images can be read") as caught:
        _crops(tmp_path, 5, 0)[0]
    assert str(tmp_path) in str(caught.value)


def test_one_good_image_among_many_unreadable_ones_is_always_found(tmp_path: Path) -> None:
    _photos(tmp_path, 1)
    for i in range(60):
        (tmp_path / f"broken{i}.jpg").write_text("no image")
    photos = _crops(tmp_path, 100, 0)
    assert all(photos[i].shape == (3, 64, 64) for i in range(100))


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_a_folder_without_images_is_an_error_that_names_it(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "photographs"
    if kind == "file":
        folder.write_text("a file")
    elif kind == "empty":
        folder.mkdir()
        (folder / "notes.txt").touch()
    with pytest.raises(TrainingError) as caught:
        find_photos(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_photographs_are_found_in_subfolders_by_any_suffix_and_sorted(tmp_path: Path) -> None:
    names = ["b.JPG", "a.png", "deep/er/c.webp", "z.bmp", "y.tiff"]
    for name in [*names, "notes.txt", "video.mp4"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = find_photos(tmp_path)
    assert found == sorted(tmp_path / name for name in names)
    assert {path.suffix.lower() for path in found} <= set(IMAGE_SUFFIXES)


def test_the_packaged_photographs_exist_and_can_be_read() -> None:
    pytest.importorskip("skimage", reason="scikit-image is missing")
    paths = packaged_photos()
    assert len(set(paths)) == 10
    for path in paths:
        image = read_still(path).pixels
        assert min(image.shape[:2]) >= 256, path


def test_without_scikit_image_the_error_has_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingPackageError, match=r"pip install scikit-image.*--content-dir"):
        packaged_photos()


@pytest.mark.parametrize(("count", "held_out"), [(10, 1), (19, 1), (20, 2), (499, 49), (5000, MAX_VALIDATION_IMAGES)])
def test_the_last_tenth_by_name_is_held_out(count: int, held_out: int) -> None:
    paths = [Path(f"{i:05}.jpg") for i in range(count)]
    learnt, kept = hold_out(paths)
    assert (learnt, kept) == (paths[: count - held_out], paths[count - held_out :])


@pytest.mark.parametrize("count", [1, 3, 9])
def test_few_photographs_are_learnt_from_and_judged_with(count: int) -> None:
    paths = [Path(f"{i}.jpg") for i in range(count)]
    assert hold_out(paths) == (paths, paths[:4])


def test_training_does_not_change_the_list_of_photographs(tmp_path: Path) -> None:
    paths = find_photos(_photos(tmp_path, 12))
    before = list(paths)
    hold_out(paths)
    assert paths == before


@pytest.mark.slow
def test_a_crop_shows_from_all_of_a_photograph_to_a_small_part(tmp_path: Path) -> None:
    """Large images are stylized at the same pixel size as small ones: both scales are trained."""
    ramp = np.linspace(0, 255, 500).astype(np.uint8)
    _write(tmp_path / "ramp.png", np.repeat(np.tile(ramp, (500, 1))[..., None], 3, axis=2))
    crops = _crops(tmp_path, 60)
    shares = [float(crops[i].amax() - crops[i].amin()) / 255 for i in range(60)]
    assert 1 / 3.5 - 0.03 < min(shares) < 0.35
    assert max(shares) > 0.9


@pytest.mark.parametrize(("size", "expected"), [((40, 80), (32, 64)), ((90, 30), (96, 32)), ((10, 20), (32, 64))])
def test_a_style_image_has_the_wanted_shorter_side(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    image = read_style_image(_write(tmp_path / "style.png", _noise(*size)), 32)
    assert image.shape == (1, 3, *expected)
    assert image.dtype == torch.float32


def test_a_style_image_of_the_wanted_size_keeps_its_pixels(tmp_path: Path) -> None:
    pixels = _noise(32, 40)
    image = read_style_image(_write(tmp_path / "style.png", pixels), 32)
    assert np.array_equal(image[0].permute(1, 2, 0).numpy(), pixels)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", r"style image .*: cannot be read \(No such file"),
        ("text", r"style image .*: is damaged or of a kind that"),
    ],
)
def test_an_unreadable_style_image_is_an_error_that_names_it(tmp_path: Path, kind: str, reason: str) -> None:
    path = tmp_path / "style.jpg"
    if kind == "text":
        path.write_text("no image")
    with pytest.raises(SourceError, match=reason) as caught:
        read_style_image(path, 32)
    assert str(path) in str(caught.value)
