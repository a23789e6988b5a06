"""Tests of the size of strokes: what is stylized at which size, and how large strokes come out."""

import tracemalloc

import cv2
import numpy as np
import pytest
from fakes import difference, make_catalogue, noise
from numpy.typing import NDArray

from realtime.engines.protocol import EngineInfo
from realtime.frame import Image
from realtime.stroke_size import StrokeEngine, resized_for_stylizing, stylized_size_wh
from realtime.style import Style

STYLE = make_catalogue("a").styles[0]
FADING_STYLE = make_catalogue("a", identity=0.0).styles[0]
PERIOD_PX = 8


class _Stripes:
    """An engine whose strokes are stripes of a fixed number of pixels over the image.

    Attributes:
        shapes: of the batches that it was given.
    """

    info = EngineInfo("torch", "cpu", "fp32")

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        self.shapes.append(shape)
        return 0.0

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self.shapes.append(images.shape)
        stripes = np.where(np.arange(images.shape[2]) % PERIOD_PX < PERIOD_PX // 2, 60, -60)[:, None]
        return np.asarray((images + np.rint(strength * stripes)).clip(0, 255), np.uint8)

    def close(self) -> None:
        raise AssertionError("the engine belongs to the caller")


def _period_px(image: Image) -> float:
    """The period of what repeats across an image, by the highest frequency of its mean row."""
    row = image[..., 0].astype(float).mean(axis=0)
    power = np.abs(np.fft.rfft((row - row.mean()) * np.hanning(len(row)))) ** 2
    return len(row) / float(power.argmax())


def _grey(size_wh: tuple[int, int]) -> Image:
    return np.full((size_wh[1], size_wh[0], 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("size_wh", "stroke", "stylized_wh"),
    [
        ((4000, 3000), 1.0, (1155, 866)),
        ((4000, 3000), 2.0, (577, 433)),
        ((4000, 3000), 0.5, (2309, 1732)),
        ((1000, 1000), 1.0, (1000, 1000)),
        ((1080, 1080), 1.0, (1080, 1080)),  # so near that resampling would only cost sharpness
        ((640, 480), 1.0, (640, 480)),
        ((640, 480), 2.0, (320, 240)),
        ((640, 480), 0.5, (1280, 960)),
        ((40, 30), 4.0, (16, 16)),
        ((8, 5), 4.0, (8, 5)),
    ],
)
def test_images_are_stylized_as_at_a_megapixel(
    size_wh: tuple[int, int], stroke: float, stylized_wh: tuple[int, int]
) -> None:
    assert stylized_size_wh(size_wh, stroke) == stylized_wh
    assert resized_for_stylizing(_grey(size_wh), stroke).shape[1::-1] == stylized_wh


def test_strokes_of_videos_are_of_fixed_pixels() -> None:
    assert stylized_size_wh((3840, 2160), 1.0, None) == (3840, 2160)
    assert stylized_size_wh((3840, 2160), 3.0, None) == (1280, 720)


@pytest.mark.parametrize("stroke", [0.5, 4.0])
@pytest.mark.slow
def test_strokes_of_twelve_megapixels_grow_with_the_image_and_the_choice(stroke: float) -> None:
    engine = _Stripes()
    (stylized,) = StrokeEngine(engine, stroke).stylize(_grey((4000, 3000))[None], STYLE)
    assert stylized.shape == (3000, 4000, 3)
    assert _period_px(stylized) == pytest.approx(PERIOD_PX * 12**0.5 * stroke, rel=0.05)


@pytest.mark.parametrize("stroke", [0.5, 1.0, 2.0])
def test_strokes_of_a_small_image_are_of_pixels(stroke: float) -> None:
    (stylized,) = StrokeEngine(_Stripes(), stroke).stylize(_grey((640, 480))[None], STYLE)
    assert _period_px(stylized) == pytest.approx(PERIOD_PX * stroke, rel=0.05)


def test_what_is_stylized_at_its_own_size_is_the_engines_own() -> None:
    images = np.stack([noise((96, 80), seed) for seed in range(2)])
    expected = _Stripes().stylize(images, STYLE)
    assert np.array_equal(StrokeEngine(_Stripes(), 1.0).stylize(images, STYLE), expected)


def test_batches_stay_together_and_in_order() -> None:
    images = np.stack([np.full((80, 96, 3), level, np.uint8) for level in (80, 120, 160)])
    engine = _Stripes()
    stylized = StrokeEngine(engine, 2.0).stylize(images, STYLE)
    assert engine.shapes == [(3, 40, 48, 3)]
    assert stylized.mean(axis=(1, 2, 3)) == pytest.approx([80, 120, 160], abs=3)


def test_little_strength_keeps_the_texture_of_the_image() -> None:
    image = np.random.default_rng(0).integers(60, 190, (300, 400, 3), np.uint8)
    unfaded = StrokeEngine(_Stripes(), 3.0).stylize(image[None], FADING_STYLE, 0.0)[0]
    assert np.abs(unfaded.astype(int) - image).max() <= 1
    some, whole = (StrokeEngine(_Stripes(), 3.0).stylize(image[None], FADING_STYLE, s)[0] for s in (0.3, 1.0))
    assert difference(some, image) < 0.5 * difference(whole, image)


def test_a_style_that_is_faded_afterwards_is_stylized_in_full() -> None:
    image = np.random.default_rng(0).integers(60, 190, (300, 400, 3), np.uint8)
    some, whole = (StrokeEngine(_Stripes(), 3.0).stylize(image[None], STYLE, s)[0] for s in (0.0, 1.0))
    assert cv2.Laplacian(some, cv2.CV_64F).var() < 0.5 * cv2.Laplacian(image, cv2.CV_64F).var()
    assert cv2.Laplacian(whole, cv2.CV_64F).var() < 0.5 * cv2.Laplacian(image, cv2.CV_64F).var()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_planes_of_a_large_image() -> None:
    image = _grey((4000, 3000))[None]
    tracemalloc.start()
    StrokeEngine(_Stripes(), 1.0).stylize(image, STYLE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * image.nbytes  # 576 MB; whole planes in float32 would be 4 times the image each


def test_closing_leaves_the_engine_open() -> None:
    engine = _Stripes()
    StrokeEngine(engine, 2.0).close()
    assert StrokeEngine(engine, 2.0).info is engine.info


def test_what_is_prepared_is_what_will_be_stylized() -> None:
    engine = _Stripes()
    reduced = StrokeEngine(engine, 2.0)
    reduced.prepare((1, 800, 960, 3), STYLE)
    reduced.stylize(np.zeros((1, 800, 960, 3), np.uint8), STYLE)
    assert engine.shapes[0] == engine.shapes[1]
