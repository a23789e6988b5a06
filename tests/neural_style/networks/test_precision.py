"""Tests of networks in half precision: no public checkpoint overflows there."""

import pytest
import torch

from neural_style.networks.precision import LARGEST_HALF, first_layer_peak, in_precision
from neural_style.networks.transformer_net import TransformerNet


def _network(peak: float) -> TransformerNet:
    """Random weights; the first convolution can give at most so much."""
    torch.manual_seed(0)
    network = TransformerNet("a").eval().requires_grad_(False)
    network.conv1.conv2d.weight.abs_()
    network.conv1.conv2d.weight.mul_(peak / first_layer_peak(network))
    if network.conv1.conv2d.bias is not None:
        network.conv1.conv2d.bias.mul_(0)
    network.deconv3.conv2d.weight.mul_(130)
    return network


@torch.inference_mode()
def _differ(network: TransformerNet, images: torch.Tensor) -> float:
    exact = network(images)
    half = in_precision(network, torch.float16)(images)
    return float((half.clamp(0, 255) - exact.clamp(0, 255)).abs().mean())


@pytest.mark.parametrize(("peak", "first_dtype"), [(9e4, torch.float32), (6e4, torch.float16)])
def test_a_first_layer_that_would_overflow_stays_in_single_precision(peak: float, first_dtype: torch.dtype) -> None:
    """On a white image every value of the first layer is its peak."""
    network = _network(peak)
    assert (first_layer_peak(network) > LARGEST_HALF) == (first_dtype == torch.float32)
    assert _differ(network, torch.full((1, 3, 24, 24), 255.0)) < 1.0
    assert network.conv1.conv2d.weight.dtype == network.in1.weight.dtype == first_dtype
    assert network.conv2.conv2d.weight.dtype == torch.float16


@pytest.mark.parametrize("level", [0.0, 119.0, 255.0])
def test_frames_of_one_colour_are_the_same_in_half_precision(level: float) -> None:
    """Their norms divide nothing but rounding errors, by the root of 1e-5."""
    assert _differ(_network(3e4), torch.full((1, 3, 32, 24), level)) < 1.0


def test_random_frames_are_nearly_the_same_in_half_precision() -> None:
    assert _differ(_network(9e4), torch.rand(1, 3, 32, 24) * 255) < 1.0


def test_other_precisions_are_taken_as_they_are() -> None:
    network = in_precision(_network(9e4), torch.bfloat16)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}
