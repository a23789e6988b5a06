"""Tests of enlarging stylized images, on generated images: edges, halos, seams, size of strokes, strength."""

import cv2
import numpy as np
import pytest
from fakes import difference
from numpy.typing import NDArray

import realtime.upsampling
from realtime.frame import Image
from realtime.upsampling import upsample_stylized


def _reduced(image: Image, scale: float) -> Image:
    size_wh = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _slanted(size_wh: tuple[int, int] = (400, 300), light: int = 200, dark: int = 60) -> Image:
    """A steep edge that is not along the pixels: uint8 (H, W, 3) RGB."""
    across = np.arange(size_wh[0])[None, :] + 0.3 * np.arange(size_wh[1])[:, None]
    soft = np.clip(across - across.mean(), -0.5, 0.5) + 0.5
    return np.repeat(np.rint(dark + (light - dark) * soft)[..., None], 3, axis=2).astype(np.uint8)


def _recoloured(image: Image) -> Image:
    """A stylized image with the image's edges and other colours: uint8 (h, w, 3) RGB."""
    share = (image[..., :1].astype(np.float32) - 60) / 140
    return np.asarray(np.rint(np.array((30, 160, 90)) + share * np.array((210, -120, 60))).clip(0, 255), np.uint8)


def _edge_width_px(row: NDArray[np.uint8]) -> int:
    """Pixels of one row (W,) that are between 15 and 85 % of its step."""
    low, high = sorted((float(row[0]), float(row[-1])))
    share = (row - low) / (high - low)
    return int(((share > 0.15) & (share < 0.85)).sum())


@pytest.mark.parametrize("scale", [0.3, 0.5])
def test_edges_of_the_image_are_as_steep_as_in_the_image(scale: float) -> None:
    image = _slanted()
    enlarged = upsample_stylized(_recoloured(_reduced(image, scale)), image)
    wanted = _recoloured(image)
    cubic = cv2.resize(_recoloured(_reduced(image, scale)), (400, 300), interpolation=cv2.INTER_CUBIC)
    for row in (20, 150, 280):
        for channel in range(3):
            assert _edge_width_px(enlarged[row, :, channel]) <= _edge_width_px(wanted[row, :, channel]) + 1
    assert difference(enlarged, wanted) < 0.4 * difference(np.asarray(cubic, np.uint8), wanted)


def test_an_edge_lies_where_the_image_has_it() -> None:
    image = _slanted()
    enlarged, wanted = upsample_stylized(_recoloured(_reduced(image, 0.3)), image), _recoloured(image)
    for row in (20, 150, 280):
        places = [np.abs(np.diff(image[row, :, 0].astype(int))).argmax() for image in (enlarged, wanted)]
        assert abs(int(places[0]) - int(places[1])) <= 1


def test_strokes_that_the_image_knows_nothing_of_stay_crisp() -> None:
    image = np.full((300, 400, 3), 128, np.uint8)
    stylized = _reduced(_slanted(), 0.25)
    enlarged = upsample_stylized(stylized, image)
    cubic = np.asarray(cv2.resize(stylized, (400, 300), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert _edge_width_px(enlarged[150, :, 0]) < 0.75 * _edge_width_px(cubic[150, :, 0])


@pytest.mark.parametrize("seed", [0, 1])
def test_no_halo_beyond_the_range_of_the_stylized_around(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = np.asarray(
        cv2.resize(rng.integers(0, 256, (30, 40, 3), np.uint8), (400, 300), interpolation=cv2.INTER_NEAREST), np.uint8
    )
    stylized = 255 - _reduced(image, 0.25)
    stylized[20:40, 30:50] = rng.integers(0, 256, (20, 20, 3))
    enlarged = upsample_stylized(stylized, image).astype(int)
    window = np.ones((3, 3), np.uint8)
    for bound, sign in ((cv2.dilate(stylized, window), 1), (cv2.erode(stylized, window), -1)):
        nearest = cv2.resize(bound, (400, 300), interpolation=cv2.INTER_NEAREST)
        reach = cv2.dilate(nearest, np.ones((9, 9), np.uint8)) if sign > 0 else cv2.erode(nearest, np.ones((9, 9)))
        assert (sign * (enlarged - reach)).max() <= 1


def test_flat_parts_stay_flat_under_the_texture_of_the_image() -> None:
    noise = np.random.default_rng(0).normal(128, 8, (300, 400, 1)).repeat(3, axis=2)
    image = noise.round().clip(0, 255).astype(np.uint8)
    stylized = np.full((75, 100, 3), (200, 90, 40), np.uint8)
    assert np.abs(upsample_stylized(stylized, image).astype(int) - (200, 90, 40)).max() <= 1


def test_beside_an_edge_the_texture_of_the_image_does_not_lie_on_the_stylized() -> None:
    image = _slanted()
    noise = np.random.default_rng(0).normal(0, 10, (300, 400, 1))
    noisy = np.asarray((image + noise).round().clip(0, 255), np.uint8)
    stylized = _recoloured(_reduced(image, 0.3))
    away_px = np.abs(np.arange(400)[None, :] + 0.3 * np.arange(300)[:, None] - 244.35)
    beside = (away_px > 3) & (away_px < 14)
    change = difference(upsample_stylized(stylized, noisy)[beside], upsample_stylized(stylized, image)[beside])
    assert change < 0.1 * difference(noisy[beside], image[beside])


def test_strips_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    image = np.asarray(cv2.resize(rng.integers(0, 256, (25, 30, 3), np.uint8), (300, 250)), np.uint8)
    stylized = rng.integers(0, 256, (75, 90, 3), np.uint8)
    whole = upsample_stylized(stylized, image, 0.6)
    monkeypatch.setattr(realtime.upsampling, "_STRIP_PIXELS", 20 * 300)
    assert np.abs(upsample_stylized(stylized, image, 0.6).astype(int) - whole).max() <= 1


def test_without_strength_the_image_comes_back() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 400, 3), np.uint8)
    stylized = np.asarray(cv2.resize(image, (120, 90), interpolation=cv2.INTER_AREA), np.uint8)
    assert np.abs(upsample_stylized(stylized, image, 0.0).astype(int) - image).max() <= 1
    half = upsample_stylized(stylized, image, 0.5)
    assert 5 < difference(half, image) < 0.7 * difference(upsample_stylized(stylized, image, 1.0), image)
