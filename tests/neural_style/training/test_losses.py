"""Tests of the loss terms against values computed by hand or by numpy.

Knows nothing of the real loss networks: the ones here show what they are given.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neural_style.training.image_statistics import (
    covariance,
    gram,
    grid_power,
    sorted_colours,
    sorted_contrasts,
    standardized_luminance,
)
from neural_style.training.loss_network import Features, LossNetwork
from neural_style.training.losses import PerceptualLoss
from neural_style.training.options import LossWeights

ALONE = LossWeights(content=1.0, style=1.0, colour=1.0, contrast=1.0, smoothness=1.0, range=1.0)
TERMS = ["content", "style", "colour", "contrast", "smoothness", "range"]


class _Transparent(LossNetwork):
    """Its features are the images themselves, scaled: the content and two style layers."""

    style_weights = (1.0, 3.0)

    def __init__(self, close_up: int = 1) -> None:
        super().__init__()
        self.close_up = close_up
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Features:
        self.seen.append(images)
        scaled = images / 255
        return Features([scaled], [scaled, F.avg_pool2d(scaled, 4)])


def _image(seed: int, height: int = 16, width: int = 24) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed)) * 255


def _loss(
    network: LossNetwork | None = None, weights: LossWeights = ALONE, content_weights: tuple[float, ...] = (1.0, 1.0)
) -> PerceptualLoss:
    """The styles are images 1 and 2."""
    return PerceptualLoss(network or _Transparent(), [_image(1), _image(2)], weights, content_weights)


def _terms(
    stylized: Tensor,
    photograph: Tensor | None = None,
    style: int = 0,
    strength: float = 1.0,
    loss: PerceptualLoss | None = None,
) -> dict[str, float]:
    """All terms with weight one, of a batch of one."""
    photograph = stylized if photograph is None else photograph
    terms = (loss or _loss())(stylized, photograph, torch.tensor([style]), torch.tensor([strength]), (0.0, 0.0))
    return {name: term.item() for name, term in terms.items()}


def test_gram_is_the_mean_over_pixels_of_channel_products() -> None:
    features = np.random.default_rng(0).normal(size=(2, 5, 6, 7)).astype(np.float32)
    expected = np.zeros((2, 5, 5))
    for n, i, j in np.ndindex(2, 5, 5):
        expected[n, i, j] = (features[n, i] * features[n, j]).mean()
    np.testing.assert_allclose(gram(torch.from_numpy(features)).numpy(), expected, atol=1e-5)


def _plain_gram(features: Tensor) -> Tensor:
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_gram_is_that_of_the_plain_product(layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn((2, 5, 6, 7), generator=generator).to(memory_format=layout)
    towards = torch.randn((2, 5, 5), generator=generator)  # not symmetric
    gradients = []
    for function in (gram, _plain_gram):
        features = values.clone(memory_format=torch.preserve_format).requires_grad_()
        (function(features) * towards).sum().backward()  # type: ignore[no-untyped-call]
        assert features.grad is not None
        gradients.append(features.grad)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-5)


def test_the_gradient_of_gram_agrees_with_finite_differences() -> None:
    features = torch.randn((1, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    towards = torch.randn((1, 3, 3), generator=torch.Generator().manual_seed(1))
    direction = torch.randn(features.shape, generator=torch.Generator().manual_seed(2))
    moved = features.clone().requires_grad_()
    (gram(moved) * towards).sum().backward()  # type: ignore[no-untyped-call]
    assert moved.grad is not None
    # Gram matrices are quadratic: the central difference is exact for any step.
    ends = [(_plain_gram(features.double() + s * direction.double()) * towards).sum() for s in (1, -1)]
    assert (moved.grad * direction).sum().item() == pytest.approx(((ends[0] - ends[1]) / 2).item(), rel=1e-4)


def test_gram_of_half_precision_features_is_float32_and_near() -> None:
    features = torch.rand((2, 8, 30, 30), generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    matrix = gram(features)
    assert matrix.dtype == torch.float32
    torch.testing.assert_close(matrix, _plain_gram(features.float()), rtol=2**-7, atol=0)
    matrix.sum().backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert features.grad.dtype == torch.bfloat16
    expected = 2 * features.detach().float().sum(1, keepdim=True).expand(features.shape) / 900
    torch.testing.assert_close(features.grad.float(), expected, rtol=0.02, atol=0)


def _shuffled(image: Tensor) -> Tensor:
    flat = image.flatten(2)
    return flat[:, :, torch.randperm(flat.shape[2], generator=torch.Generator().manual_seed(9))].view_as(image)


def test_sorted_colours_forget_where_pixels_are() -> None:
    image = _image(3, 32, 32)  # as many pixels as are looked at
    torch.testing.assert_close(sorted_colours(image), sorted_colours(_shuffled(image)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(64, 64), (100, 75), (8, 8), (256, 256)])
def test_sorted_colours_of_any_size_can_be_compared(size: tuple[int, int]) -> None:
    """A shift by 51 in all channels is one of 0.2 times the sum of a direction's parts, in every quantile."""
    image = _image(3, *size) / 2
    colours, shifted = sorted_colours(image), sorted_colours(image + 51)
    assert colours.shape == shifted.shape
    difference = shifted - colours
    assert difference.std(2).max() < 1e-6
    directions = sorted_colours(torch.eye(3)[:, :, None, None].expand(3, 3, 4, 4) * 255)[:, :, 0].T  # (directions, 3)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(len(directions)))
    torch.testing.assert_close(difference[0].mean(1), 0.2 * directions.sum(1), atol=1e-5, rtol=0)


def test_sorted_colours_grow_in_every_direction_and_span_the_cube() -> None:
    colours = sorted_colours(_image(3, 40, 50))
    assert (colours.diff(dim=2) >= 0).all()
    directions = sorted_colours(torch.eye(3)[:, :, None, None].expand(3, 3, 4, 4) * 255)[:, :, 0].T
    assert torch.linalg.matrix_rank(directions) == 3
    assert (directions.T @ directions / len(directions)).diag().min() > 0.1, "no colour is left out"


def test_images_of_two_sizes_with_the_same_colours_have_the_same_quantiles() -> None:
    ramp = torch.linspace(0, 255, 128).expand(1, 3, 128, 128)
    large = F.interpolate(ramp, scale_factor=2, mode="nearest")
    torch.testing.assert_close(sorted_colours(ramp), sorted_colours(large), atol=0.02, rtol=0)


def test_contrasts_forget_brightness_and_grow_with_contrast() -> None:
    image = _image(3, 60, 80) / 2
    for plain, brighter, stronger in zip(*(sorted_contrasts(p) for p in (image, image + 51, image * 2)), strict=True):
        assert (plain.diff(dim=2) >= 0).all()
        torch.testing.assert_close(brighter, plain, atol=1e-5, rtol=0)
        torch.testing.assert_close(stronger, 2 * plain)


def test_contrasts_see_fine_and_coarse_texture() -> None:
    """One-pixel stripes are contrast at full size and none at half; wider ones are both."""
    columns = torch.arange(80)
    for width, visible in ((1, (True, False)), (3, (True, True))):
        stripes = (columns // width % 2 * 255.0).expand(1, 3, 60, 80)
        assert tuple(bool(scale.std() > 0.1) for scale in sorted_contrasts(stripes)) == visible


def test_contrasts_of_any_size_can_be_compared() -> None:
    large = _image(3, 256, 256)
    for one, other in zip(sorted_contrasts(large), sorted_contrasts(large[:, :, :90, :150]), strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().mean() < 0.2 * one.abs().mean()


def test_style_image_fainter_costs_contrast_even_of_a_flat_style_image() -> None:
    assert _terms(_image(1) / 2)["contrast"] == pytest.approx(0.25, rel=0.01)
    flat = torch.full((1, 3, 16, 24), 100.0)
    loss = PerceptualLoss(_Transparent(), [flat], ALONE, (1.0,))
    assert torch.isfinite(loss(_image(6), _image(5), torch.tensor([0]), torch.ones(1), (0.0, 0.0))["contrast"])


@pytest.mark.parametrize("style", [0, 1])
def test_at_full_strength_the_style_image_is_the_minimum(style: int) -> None:
    terms = _terms(_image(1 + style), _image(5), style=style)
    assert terms["style"] == pytest.approx(0, abs=1e-9)
    assert terms["colour"] == pytest.approx(0, abs=1e-9)
    assert terms["contrast"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("close_up", [1, 2])
def test_at_no_strength_the_photograph_is_the_minimum(close_up: int) -> None:
    loss, photograph = _loss(_Transparent(close_up)), _image(5, 32, 32)
    terms = _terms(photograph, photograph, strength=0.0, loss=loss)
    for name in ("content", "style", "colour", "contrast"):
        assert terms[name] == pytest.approx(0, abs=1e-9), name
    assert _terms(photograph * 0.5, photograph, strength=0.0, loss=loss)["style"] > 0.1


def test_between_the_strengths_the_targets_are_mixed() -> None:
    """The grams of the photograph and of the style count in the proportion of the strength."""
    photograph, stylized, strength = _image(5), _image(6), 0.3
    expected = 0.0
    for weight, pool in ((1.0, 1), (3.0, 4)):
        own, style, mine = (_plain_gram(F.avg_pool2d(p / 255, pool)) for p in (photograph, _image(1), stylized))
        target = 0.7 * own + 0.3 * style
        size = (mine.square().sum() + target.square().sum()) / 2
        expected += weight * float((mine - target).square().sum() / size)
    terms = _terms(stylized, photograph, strength=strength)
    assert terms["style"] == pytest.approx(expected, rel=1e-4)
    colours = 0.7 * sorted_colours(photograph) + 0.3 * sorted_colours(_image(1))
    error = float((sorted_colours(stylized) - colours).square().mean())
    assert terms["colour"] == pytest.approx(error, rel=1e-4)


def test_a_weak_image_leaves_the_targets_of_the_others_as_they_are() -> None:
    loss = _loss()
    before = _terms(_image(6), loss=loss)
    _terms(_image(6), _image(5), strength=0.2, loss=loss)
    assert _terms(_image(6), loss=loss) == before


def test_each_image_of_a_batch_has_its_own_strength_and_style() -> None:
    photographs, stylized = torch.cat([_image(i) for i in (5, 6, 7)]), torch.cat([_image(i) for i in (5, 2, 1)])
    right = _loss()(stylized, photographs, torch.tensor([1, 1, 0]), torch.tensor([0.0, 1.0, 1.0]), (0.0, 0.0))
    wrong = _loss()(stylized, photographs, torch.tensor([1, 0, 1]), torch.tensor([0.0, 1.0, 1.0]), (0.0, 0.0))
    assert right["style"].item() == pytest.approx(0, abs=1e-9)
    assert right["colour"].item() == pytest.approx(0, abs=1e-9)
    assert right["contrast"].item() == pytest.approx(0, abs=1e-9)
    assert wrong["contrast"].item() > 1e-4
    assert wrong["style"].item() > 1e-4
    assert wrong["colour"].item() > 1e-6


def test_terms_of_a_batch_are_the_mean_of_those_of_its_images() -> None:
    stylized, photographs = torch.cat([_image(6), _image(7)]), torch.cat([_image(4), _image(5)])
    both = _loss()(stylized, photographs, torch.tensor([0, 1]), torch.tensor([1.0, 0.4]), (0.0, 0.0))
    first = _terms(_image(6), _image(4), style=0)
    second = _terms(_image(7), _image(5), style=1, strength=0.4)
    for name in TERMS:
        assert both[name].item() == pytest.approx((first[name] + second[name]) / 2, rel=1e-4, abs=1e-9), name


def test_style_and_colour_are_above_zero_for_another_image() -> None:
    terms = _terms(_image(1) * 0.3)
    assert terms["style"] > 0.1
    assert terms["colour"] > 0.01
    assert _terms(_image(2), style=0)["style"] > _terms(_image(2), style=1)["style"]


_HALF_BRIGHT = 0.75**2 / ((1 + 0.25**2) / 2)
"""Square error of a quarter of a Gram matrix, over the mean of both squares."""


def test_style_is_the_relative_gram_error_of_each_layer_times_its_weight() -> None:
    """Half the brightness is a quarter of each Gram matrix: an error of `_HALF_BRIGHT` in both layers."""
    assert _terms(_image(1) / 2)["style"] == pytest.approx((1 + 3) * _HALF_BRIGHT, rel=1e-4)


def test_content_ignores_brightness_and_contrast() -> None:
    photograph = _image(5)
    assert _terms(photograph * 0.4 + 60, photograph)["content"] == pytest.approx(0, abs=1e-4)


def test_content_sees_other_shapes() -> None:
    photograph = _image(5)
    assert _terms(photograph.flip(3), photograph)["content"] > 0.5


def test_each_style_has_its_own_factor_on_the_content() -> None:
    photograph = _image(5)
    plain = _terms(photograph.flip(3), photograph)
    loss = _loss(content_weights=(2.0, 0.5))
    for style, factor in ((0, 2.0), (1, 0.5)):
        terms = _terms(photograph.flip(3), photograph, style=style, loss=loss)
        assert terms["content"] == pytest.approx(factor * plain["content"])
    both = torch.cat([photograph, photograph])
    terms_of_both = loss(both.flip(3), both, torch.tensor([0, 1]), torch.ones(2), (0.0, 0.0))
    assert terms_of_both["content"].item() == pytest.approx(1.25 * plain["content"])


def test_a_network_without_close_up_sees_whole_images_only() -> None:
    network = _Transparent(close_up=1)
    loss = _loss(network)
    network.seen.clear()
    _terms(_image(6), _image(5), loss=loss)
    assert [tuple(seen.shape) for seen in network.seen] == [(1, 3, 16, 24)] * 2


@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.25)])
def test_a_close_up_is_half_of_the_side_enlarged_at_the_given_corner(corner: tuple[float, float]) -> None:
    network = _Transparent(close_up=2)
    loss = _loss(network)
    assert [tuple(seen.shape[2:]) for seen in network.seen] == [(16, 24), (32, 48)] * 2, "styles are enlarged whole"
    network.seen.clear()
    stylized, photograph = _image(6, 40, 48), _image(5, 40, 48)
    loss(stylized, photograph, torch.tensor([0]), torch.ones(1), corner)
    whole, part, whole_photograph, part_of_photograph = network.seen
    assert torch.equal(whole, stylized)
    assert torch.equal(whole_photograph, photograph)
    top, left = round(corner[0] * 20), round(corner[1] * 24)
    for image, enlarged in ((stylized, part), (photograph, part_of_photograph)):
        cut = image[:, :, top : top + 20, left : left + 24]
        assert enlarged.shape == image.shape
        expected = F.interpolate(cut, scale_factor=2, mode="bilinear", align_corners=False)
        torch.testing.assert_close(enlarged, expected)


def test_style_is_averaged_over_the_views() -> None:
    """In a flat image all views are alike; half the brightness is again one error everywhere."""
    bright = torch.full((1, 3, 16, 16), 200.0)
    loss = PerceptualLoss(_Transparent(close_up=2), [bright], ALONE, (1.0,))
    terms = loss(bright / 2, bright, torch.tensor([0]), torch.ones(1), (0.3, 0.6))
    assert terms["style"].item() == pytest.approx((1 + 3) * _HALF_BRIGHT, rel=1e-4)


def test_odd_sizes_have_a_close_up_too() -> None:
    stylized = _image(6, 31, 45)
    loss = _loss(_Transparent(close_up=2))
    terms = loss(stylized, stylized, torch.tensor([0]), torch.ones(1), (1.0, 1.0))
    assert all(term.isfinite() for term in terms.values())


def test_smoothness_is_the_mean_step_between_neighbours() -> None:
    """Columns 0, 51, 51, ...: one of eleven steps to the right is 0.2, and none down."""
    image = torch.tensor([0.0] + 11 * [51.0]).expand(1, 3, 10, 12)
    assert _terms(image)["smoothness"] == pytest.approx(0.2 / 11)


def test_smoothness_counts_both_directions() -> None:
    checkers = (torch.arange(12)[:, None] + torch.arange(12)) % 2 * 255.0
    assert _terms(checkers.expand(1, 3, 12, 12))["smoothness"] == pytest.approx(2.0)


def test_range_is_zero_for_what_a_screen_can_show() -> None:
    assert _terms(torch.tensor([0.0, 255.0]).repeat(8).expand(1, 3, 16, 16))["range"] == 0


@pytest.mark.parametrize("value", [-51.0, 255.0 + 51.0])
def test_range_is_the_square_of_the_excess(value: float) -> None:
    flat = torch.full((1, 3, 16, 16), value)
    assert _terms(flat)["range"] == pytest.approx(0.2**2)


def test_weights_multiply_their_terms() -> None:
    stylized, photograph = _image(6) * 1.5 - 30, _image(5)
    weights = LossWeights(content=2.0, style=3.0, colour=5.0, contrast=13.0, smoothness=7.0, range=11.0)
    plain, weighted = (_terms(stylized, photograph, loss=_loss(weights=w)) for w in (ALONE, weights))
    ratios = {name: weighted[name] / plain[name] for name in plain}
    expected = {"content": 2, "style": 3, "colour": 5, "contrast": 13, "smoothness": 7, "range": 11}
    assert ratios == pytest.approx(expected)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("term", TERMS)
def test_every_term_moves_the_image(term: str, strength: float) -> None:
    stylized = (_image(6, 32, 32) * 1.5 - 30).requires_grad_()
    loss = _loss(_Transparent(close_up=2))
    terms = loss(stylized, _image(5, 32, 32), torch.tensor([0]), torch.tensor([strength]), (0.2, 0.9))
    terms[term].backward()  # type: ignore[no-untyped-call]
    assert stylized.grad is not None
    assert stylized.grad.isfinite().all()
    assert stylized.grad.abs().sum() > 0


def test_a_bright_image_does_not_outweigh_the_others_where_the_style_image_is_dark() -> None:
    dark = PerceptualLoss(_Transparent(), [_image(1) / 50], ALONE, (1.0,))
    terms = dark(_image(2), _image(2), torch.tensor([0]), torch.ones(1), (0.0, 0.0))
    assert terms["style"].item() <= 2 * (1 + 3)


def test_grid_power_finds_what_repeats_in_step_with_the_cells() -> None:
    """A line of 40 in every fourth row is 40/255 times sqrt(3)/4 in root mean square; other periods have none."""
    powers = {}
    for period in (2, 4, 5, 7, 8):
        rows = torch.full((1, 3, 256, 256), 100.0)
        rows[:, :, ::period] += 40
        powers[period] = float(grid_power(rows))
    assert powers[4] == pytest.approx((40 / 255) ** 2 * 3 / 16, rel=0.2), "but for the part that a plane takes"
    assert min(powers[2], powers[8]) > 0.25 * powers[4]
    assert max(powers[5], powers[7]) < 0.05 * powers[4]


def test_grid_power_leaves_flat_images_ramps_and_strokes_anywhere() -> None:
    ramp = torch.arange(256.0).expand(1, 3, 256, 256)
    assert grid_power(ramp).item() == pytest.approx(0, abs=1e-9)
    noise = 255 * torch.rand((2, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    assert grid_power(noise).max() < 0.01 * (noise / 255).var()


def test_the_grid_term_counts_where_it_has_a_weight() -> None:
    image = _image(3, 64, 64)
    loss = PerceptualLoss(_Transparent(), [image], replace(ALONE, grid=2.0), (1.0,))
    terms = loss(image, image, torch.tensor([0]), torch.ones(1), (0.0, 0.0))
    assert terms["grid"].item() == pytest.approx(2 * grid_power(image).item())
    assert "grid" not in _terms(image)


class _Centred(_Transparent):
    centred = True


def test_covariance_forgets_the_mean_and_gram_does_not() -> None:
    features = torch.rand((2, 5, 6, 7), generator=torch.Generator().manual_seed(0))
    flat = features.flatten(2)
    expected = torch.stack([torch.cov(image, correction=0) for image in flat])
    torch.testing.assert_close(covariance(features), expected, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(covariance(features + 3), expected, atol=1e-4, rtol=1e-3)


def test_centred_styles_are_compared_by_covariance_and_mean() -> None:
    """Half the brightness halves the means and quarters the covariances."""
    terms = _terms(_image(1) / 2, loss=_loss(_Centred()))
    half = 0.5**2 / ((1 + 0.5**2) / 2)
    assert terms["style"] == pytest.approx((1 + 3) * (_HALF_BRIGHT + half), rel=1e-3)


def test_of_a_centred_style_a_weak_image_has_mixed_statistics() -> None:
    photograph = _image(5)
    assert _terms(photograph, photograph, strength=0.0, loss=_loss(_Centred()))["style"] == pytest.approx(0, abs=1e-6)


def test_a_flat_image_has_a_finite_centred_loss_and_gradient() -> None:
    flat = torch.full((1, 3, 32, 32), 90.0).requires_grad_()
    loss = PerceptualLoss(_Centred(), [torch.full((1, 3, 32, 32), 90.0)], ALONE, (1.0,))
    loss(flat, flat.detach(), torch.tensor([0]), torch.ones(1), (0.0, 0.0))["style"].backward()  # type: ignore[no-untyped-call]
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


STROKES = replace(ALONE, strokes=1.0)


def test_the_stroke_term_counts_where_it_has_a_weight() -> None:
    assert "strokes" not in _terms(_image(3))
    term = _terms(_image(3), loss=_loss(weights=STROKES))["strokes"]
    twice = _terms(_image(3), loss=_loss(weights=replace(STROKES, strokes=2.0)))["strokes"]
    assert term > 0
    assert twice == pytest.approx(2 * term)


def test_strokes_forget_brightness_and_contrast_but_not_where_edges_go() -> None:
    class Slopes(_Transparent):
        def forward(self, images: Tensor) -> Features:
            down, right = images.diff(dim=2)[..., 1:], images.diff(dim=3)[:, :, 1:]
            slopes = torch.cat([down, right], 1) / 255
            return Features([slopes], [slopes, slopes])

    stripes = (torch.arange(24) % 6 * 40.0).expand(1, 3, 24, 24)
    loss = PerceptualLoss(Slopes(), [stripes], STROKES, (1.0,))

    def strokes(image: Tensor) -> float:
        return _terms(image, loss=loss)["strokes"]

    assert strokes(stripes * 0.4 + 90) == pytest.approx(0, abs=1e-3)
    assert strokes(stripes.transpose(2, 3)) > 1


def test_a_weak_image_is_asked_for_strokes_in_proportion() -> None:
    loss = _loss(weights=STROKES)
    whole, half = (_terms(_image(3), strength=strength, loss=loss)["strokes"] for strength in (1.0, 0.5))
    assert half == pytest.approx(whole / 2)


def test_standardized_luminance_has_one_mean_and_spread() -> None:
    luminance = standardized_luminance(_image(3) * 0.3)
    assert torch.equal(luminance[:, 0], luminance[:, 1])
    assert (luminance.mean().item(), luminance.std(correction=0).item()) == pytest.approx((127.5, 64.0), abs=0.2)
    assert torch.equal(standardized_luminance(torch.full((1, 3, 8, 8), 40.0)), torch.full((1, 3, 8, 8), 127.5))
