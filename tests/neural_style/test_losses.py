"""Tests of the loss terms against values computed by hand or by numpy.

Knows nothing of the real loss networks: the ones here show what they are given.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from neural_style.loss_network import Features, LossNetwork
from neural_style.losses import LossWeights, PerceptualLoss, gram, pixel_statistics, style_target

ALONE = LossWeights(content=1.0, style=1.0, colour=1.0, smoothness=1.0, range=1.0)


class _Transparent(LossNetwork):
    """Its features are the pictures themselves, scaled: the content and two style layers."""

    style_weights = (1.0, 3.0)

    def forward(self, pictures: Tensor) -> Features:
        scaled = pictures / 255
        return Features(scaled, [scaled, torch.nn.functional.avg_pool2d(scaled, 4)])


def _picture(seed: int) -> Tensor:
    return torch.rand((1, 3, 16, 24), generator=torch.Generator().manual_seed(seed)) * 255


def _terms(stylized: Tensor, photograph: Tensor | None = None, style: int = 0) -> dict[str, float]:
    """All terms with weight one; the styles are pictures 1 and 2."""
    network = _Transparent()
    loss = PerceptualLoss(network, [style_target(network, _picture(1)), style_target(network, _picture(2))], ALONE)
    content = network(stylized if photograph is None else photograph)
    return {name: term.item() for name, term in loss(stylized, content, torch.tensor([style])).items()}


def test_gram_is_the_mean_over_pixels_of_channel_products() -> None:
    features = np.random.default_rng(0).normal(size=(2, 5, 6, 7)).astype(np.float32)
    expected = np.zeros((2, 5, 5))
    for n, i, j in np.ndindex(2, 5, 5):
        expected[n, i, j] = (features[n, i] * features[n, j]).mean()
    np.testing.assert_allclose(gram(torch.from_numpy(features)).numpy(), expected, atol=1e-5)


def test_gram_of_half_precision_features_is_float32() -> None:
    matrix = gram(torch.full((1, 2, 30, 30), 1.0078125, dtype=torch.bfloat16))
    assert matrix.dtype == torch.float32
    assert matrix.tolist() == [[[pytest.approx(1.0078125**2, abs=1e-6)] * 2] * 2]


def test_pixel_statistics_are_mean_and_covariance_of_colours_scaled_to_one() -> None:
    pictures = torch.cat([_picture(3), _picture(4)])
    mean, covariance = pixel_statistics(pictures)
    for n in range(2):
        colours = pictures[n].reshape(3, -1).double().numpy() / 255
        np.testing.assert_allclose(mean[n].numpy(), colours.mean(1), atol=1e-6)
        np.testing.assert_allclose(covariance[n].numpy(), np.cov(colours, bias=True), atol=1e-6)


@pytest.mark.parametrize("style", [0, 1])
def test_style_and_colour_are_zero_for_the_style_picture_itself(style: int) -> None:
    terms = _terms(_picture(1 + style), style=style)
    assert terms["style"] == pytest.approx(0, abs=1e-9)
    assert terms["colour"] == pytest.approx(0, abs=1e-9)


def test_style_and_colour_are_above_zero_for_another_picture() -> None:
    terms = _terms(_picture(1) * 0.3)
    assert terms["style"] > 0.1
    assert terms["colour"] > 0.1
    assert _terms(_picture(2), style=0)["style"] > _terms(_picture(2), style=1)["style"]


def test_style_is_the_relative_gram_error_of_each_layer_times_its_weight() -> None:
    """Half the brightness is a quarter of each Gram matrix: an error of (3/4)^2 in both layers."""
    assert _terms(_picture(1) / 2)["style"] == pytest.approx((1 + 3) * 0.75**2, rel=1e-4)


def test_each_picture_of_a_batch_is_compared_with_its_own_style() -> None:
    network = _Transparent()
    targets = [style_target(network, _picture(1)), style_target(network, _picture(2))]
    loss = PerceptualLoss(network, targets, ALONE)
    batch = torch.cat([_picture(2), _picture(1)])
    right, wrong = (loss(batch, network(batch), torch.tensor(styles)) for styles in ([1, 0], [0, 1]))
    assert right["style"].item() == pytest.approx(0, abs=1e-9)
    assert wrong["style"].item() > 1e-4


def test_content_ignores_brightness_and_contrast() -> None:
    photograph = _picture(5)
    assert _terms(photograph * 0.4 + 60, photograph)["content"] == pytest.approx(0, abs=1e-4)


def test_content_sees_other_shapes() -> None:
    photograph = _picture(5)
    assert _terms(photograph.flip(3), photograph)["content"] > 0.5


def test_smoothness_is_the_mean_step_between_neighbours() -> None:
    """Columns 0, 51, 51: one of two steps to the right is 0.2, and none down."""
    picture = torch.tensor([0.0, 51.0, 51.0]).expand(1, 3, 4, 3)
    smoothness = _terms(torch.nn.functional.pad(picture, (0, 1), value=51.0))["smoothness"]
    assert smoothness == pytest.approx(0.2 / 3)


def test_smoothness_counts_both_directions() -> None:
    checkers = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 255.0
    assert _terms(checkers.expand(1, 3, 8, 8))["smoothness"] == pytest.approx(2.0)


def test_range_is_zero_for_what_a_screen_can_show() -> None:
    assert _terms(torch.tensor([0.0, 255.0]).repeat(8).expand(1, 3, 16, 16))["range"] == 0


@pytest.mark.parametrize("value", [-51.0, 255.0 + 51.0])
def test_range_is_the_square_of_the_excess(value: float) -> None:
    flat = torch.full((1, 3, 16, 16), value)
    assert _terms(flat)["range"] == pytest.approx(0.2**2)


def test_weights_multiply_their_terms() -> None:
    network, stylized = _Transparent(), _picture(6) * 1.5 - 30
    weights = LossWeights(content=2.0, style=3.0, colour=5.0, smoothness=7.0, range=11.0)
    plain, weighted = (
        PerceptualLoss(network, [style_target(network, _picture(1))], w)(
            stylized, network(_picture(5)), torch.tensor([0])
        )
        for w in (ALONE, weights)
    )
    ratios = {name: (weighted[name] / plain[name]).item() for name in plain}
    assert ratios == pytest.approx({"content": 2, "style": 3, "colour": 5, "smoothness": 7, "range": 11})


@pytest.mark.parametrize("term", ["content", "style", "colour", "smoothness", "range"])
def test_every_term_moves_the_picture(term: str) -> None:
    network = _Transparent()
    stylized = (_picture(6) * 1.5 - 30).requires_grad_()
    loss = PerceptualLoss(network, [style_target(network, _picture(1))], ALONE)
    loss(stylized, network(_picture(5)), torch.tensor([0]))[term].backward()  # type: ignore[no-untyped-call]
    assert stylized.grad is not None
    assert stylized.grad.isfinite().all()
    assert stylized.grad.abs().sum() > 0
