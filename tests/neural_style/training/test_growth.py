"""A network that has grown stylizes what it stylized before."""

from dataclasses import replace

import pytest
import torch

from neural_style.errors import TrainingError
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.training.growth import grown

SMALL = FastNetShape(width=8, num_blocks=2, head_width=4, inner_width=12)
LARGE = replace(SMALL, head_width=6, num_inner_blocks=2)


def _network(shape: FastNetShape = SMALL) -> FastNet:
    torch.manual_seed(0)
    network = FastNet(("a", "b"), shape)
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
        network.identity_trunk.add_(0.4 * torch.randn_like(network.identity_trunk))
    return network


def _images() -> torch.Tensor:
    return 255 * torch.rand((2, 3, 40, 48), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [LARGE, replace(SMALL, head_width=6), replace(SMALL, num_inner_blocks=1)])
@torch.no_grad()
def test_it_stylizes_what_it_stylized_before(shape: FastNetShape) -> None:
    network = _network()
    larger = grown(network, shape)
    assert larger.shape == shape
    assert larger.style_names == network.style_names
    for row in (0, 1):
        before = network(_images(), network.style_vectors[row : row + 1])
        after = larger(_images(), larger.style_vectors[row : row + 1])
        torch.testing.assert_close(after, before, atol=1e-2, rtol=1e-4)
    halfway = torch.lerp(network.identity_vector, network.style_vectors[0], 0.5)[None]
    larger_halfway = torch.lerp(larger.identity_vector, larger.style_vectors[0], 0.5)[None]
    torch.testing.assert_close(larger(_images(), larger_halfway), network(_images(), halfway), atol=1e-2, rtol=1e-4)


@torch.no_grad()
def test_it_still_gives_back_the_image_at_no_strength() -> None:
    larger = grown(_network(), LARGE)
    torch.testing.assert_close(larger(_images(), larger.identity_vector[None]), _images(), atol=1e-2, rtol=0)


def test_training_reaches_all_that_is_new() -> None:
    """The gate of the new branch gets a gradient at once, and the rest as soon as the gate is open."""
    larger = grown(_network(), LARGE)
    with torch.no_grad():
        larger.style_vectors.add_(0.1)
    larger(_images(), larger.style_vectors).square().mean().backward()
    for name, parameter in larger.named_parameters():
        if name != "identity_trunk" and not name.endswith(".bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    "shape",
    [
        replace(LARGE, width=10),
        replace(LARGE, num_blocks=3),
        replace(LARGE, head_width=2),
        replace(LARGE, num_inner_blocks=3),
        replace(LARGE, num_inner_blocks=0),
    ],
)
def test_other_shapes_are_refused(shape: FastNetShape) -> None:
    with pytest.raises(TrainingError, match="cannot grow"):
        grown(_network(LARGE), shape)


@torch.no_grad()
def test_settling_a_grown_network_changes_no_image() -> None:
    network = _network(LARGE)
    kernels = [
        value for name, value in network.named_parameters() if name.endswith("weight") and "to_pixels" not in name
    ]
    for kernel in kernels:
        kernel.mul_(40)
    before = network(_images(), network.style_vectors)
    network.settle()
    torch.testing.assert_close(network(_images(), network.style_vectors), before, atol=0.5, rtol=0.01)
    assert max(float(kernel.flatten(1).norm(dim=1).max()) for kernel in kernels) < 4.01
