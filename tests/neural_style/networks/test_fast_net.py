"""Tests of `FastNet`: sizes, styles, precision and what its layout promises.

Knows nothing of training.
"""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neural_style.networks.fast_net import FAST, FINE, NORM_EPSILON, ConditionalInstanceNorm, FastNet, FastNetShape
from neural_style.weights.checkpoint import load_checkpoint

SHIPPED = Path(__file__).parents[3] / "saved_models" / "fast.safetensors"
SMALL = FastNetShape(width=8, num_blocks=2, head_width=4)
INNER = FastNetShape(width=8, num_blocks=2, head_width=4, inner_width=12, num_inner_blocks=2)


def _network(styles: int = 3, shape: FastNetShape | None = None) -> FastNet:
    """Random weights; every style a different random vector, its share of the photograph too."""
    torch.manual_seed(0)
    network = FastNet(tuple(f"style{i}" for i in range(styles)), shape)
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
        network.identity_trunk.add_(0.4 * torch.randn_like(network.identity_trunk))
    return network.eval()


def _images(n: int, height: int, width: int) -> Tensor:
    """Smooth random images with the full range of values."""
    coarse = torch.rand((n, 3, height // 8 + 2, width // 8 + 2), generator=torch.Generator().manual_seed(n))
    return F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False) * 255


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (4, 4), (8, 8), (1, 50), (480, 640)])
@pytest.mark.parametrize("shape", [FastNetShape(), INNER], ids=["fast", "inner"])
@torch.inference_mode()
def test_any_size_comes_out_as_it_went_in(size: tuple[int, int], shape: FastNetShape) -> None:
    stylized = _network(shape=shape)(_images(1, *size))
    assert stylized.shape == (1, 3, *size)
    assert stylized.dtype == torch.float32
    assert stylized.isfinite().all()


@torch.inference_mode()
def test_odd_sizes_are_stylized_as_if_their_last_row_and_column_went_on() -> None:
    network, image = _network(), _images(1, 21, 26)
    rows, columns = [min(i, 20) for i in range(24)], [min(i, 25) for i in range(28)]
    whole = image[:, :, rows][:, :, :, columns]
    torch.testing.assert_close(network(image), network(whole)[:, :, :21, :26], atol=1e-3, rtol=0)


def test_fine_sees_150_px_and_fast_does_not() -> None:
    """Instance norms see everything, so that sight is measured with the convolutions alone."""
    reach = {}
    for name, shape in (("fast", FAST), ("fine", FINE)):
        network = _network(1, shape)
        for norm in network.norms:
            norm.forward = lambda features, scale, shift: features
        image = _images(1, 320, 320).requires_grad_()
        network(image)[0, :, 160, 160].sum().backward()
        assert image.grad is not None
        rows = image.grad[0].abs().sum((0, 2)).nonzero()
        reach[name] = int(rows.max() - rows.min()) + 1
    assert reach["fast"] < 100
    assert reach["fine"] >= 150


@torch.inference_mode()
def test_different_vectors_give_different_images() -> None:
    network, image = _network(), _images(1, 40, 40)
    first, second = (network(image, network.style_vectors[i : i + 1]) for i in (0, 1))
    assert (first - second).abs().mean() > 1


@torch.inference_mode()
def test_each_frame_of_a_batch_has_its_own_style() -> None:
    network, images = _network(), _images(3, 24, 33)
    order = [2, 0, 1]
    singles = [network(images[i : i + 1], network.style_vectors[s : s + 1]) for i, s in enumerate(order)]
    batch = network(images, network.style_vectors[order])
    torch.testing.assert_close(batch, torch.cat(singles), atol=1e-3, rtol=0)


@torch.inference_mode()
def test_one_vector_serves_a_whole_batch() -> None:
    network, images = _network(), _images(2, 24, 24)
    vector = network.style_vectors[1:2]
    torch.testing.assert_close(network(images, vector), network(images, vector.repeat(2, 1)))


@torch.inference_mode()
def test_a_blend_of_two_vectors_lies_between_their_images() -> None:
    network, image = _network(), _images(1, 40, 40)
    first = network.style_vectors[0:1]
    second = first + 0.1 * (network.style_vectors[1:2] - first)
    start, middle, end = (network(image, (1 - t) * first + t * second) for t in (0.0, 0.5, 1.0))
    assert torch.equal(start, network(image, first))
    whole_way = (end - start).abs().mean()
    assert 0 < (middle - start).abs().mean() < whole_way
    assert 0 < (middle - end).abs().mean() < whole_way


@torch.inference_mode()
def test_the_first_style_is_the_default() -> None:
    network, images = _network(), _images(2, 24, 24)
    assert torch.equal(network(images), network(images, network.style_vectors[:1]))
    assert not torch.equal(network(images), network(images, network.style_vectors[1:2]))


def test_a_new_style_can_be_trained_by_its_vector_alone() -> None:
    network = _network(shape=SMALL)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name == "style_vectors")
    network(_images(1, 16, 16), network.style_vectors[1:2]).square().mean().backward()
    with_gradient = [name for name, parameter in network.named_parameters() if parameter.grad is not None]
    assert with_gradient == ["style_vectors"]
    assert network.style_vectors.grad is not None
    reached = network.style_vectors.grad.abs().sum(1) > 0
    assert reached.tolist() == [False, True, False]


@pytest.mark.parametrize("value", [0.0, 255.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_flat_frames_give_no_nan(value: float, dtype: torch.dtype) -> None:
    stylized = _network().to(dtype)(torch.full((1, 3, 30, 30), value))
    assert stylized.isfinite().all()


@torch.inference_mode()
def test_bf16_weights_take_float32_frames_and_stay_near() -> None:
    network, images = _network(), _images(1, 64, 64)
    expected = network(images)
    stylized = network.bfloat16()(images)
    assert stylized.dtype == torch.float32
    assert 0 < (stylized - expected).abs().mean() < 0.05 * expected.std()


def _without_photograph(network: FastNet, style: int) -> Tensor:
    """A style's vector whose share of the photograph is zero: (1, vector_size)."""
    vector = network.style_vectors[style : style + 1].detach().clone()
    vector[:, -1] = 0
    return vector


@torch.inference_mode()
def test_a_new_network_stylizes_no_pixel_grid_on_a_flat_image() -> None:
    network = _network()
    stylized = network(torch.full((1, 3, 16, 16), 90.0), _without_photograph(network, 1))
    cells = stylized[0].reshape(3, 8, 2, 8, 2)
    assert (stylized - 127.5).abs().max() > 1, "the shifts of the style must be seen in the image"
    assert (cells - cells[:, :, :1, :, :1]).abs().max() < 1e-3


@torch.inference_mode()
def test_a_new_network_gives_the_four_pixels_of_a_cell_one_value_on_any_image() -> None:
    network = _network()
    stylized = network(_images(1, 16, 16), _without_photograph(network, 0))
    cells = stylized[0].reshape(3, 8, 2, 8, 2)
    assert (cells - cells[:, :, :1, :, :1]).abs().max() < 1e-3
    assert (stylized[0, 0] - stylized[0, 1]).abs().max() > 1, "the three colours differ"


def test_a_conditional_norm_scales_and_shifts_each_channel_of_each_image() -> None:
    torch.manual_seed(0)
    features, scale, shift = torch.randn(2, 3, 5, 7) * 4 + 2, torch.randn(2, 3), torch.randn(2, 3)
    features[:, 2] *= 3e-2  # a variance near the epsilon
    normalized = ConditionalInstanceNorm(3)(features, scale, shift)
    for n in range(2):
        for c in range(3):
            plane = features[n, c]
            expected = (plane - plane.mean()) / (plane.var(correction=0) + NORM_EPSILON).sqrt() * scale[n, c] + shift[
                n, c
            ]
            torch.testing.assert_close(normalized[n, c], expected, atol=1e-5, rtol=1e-5)


def test_a_vector_holds_norm_by_norm_all_scales_then_all_shifts_and_last_the_share_of_the_photograph() -> None:
    network = FastNet(("a", "b"), SMALL)
    one_trunk_norm, head_norm = [1.0] * 8 + [0.0] * 8, [1.0] * 4 + [0.0] * 4
    assert network.norm_channels == [8, 8, 8, 8, 8, 4]
    assert network.vector_size == 5 * 16 + 8 + 1
    assert network.style_vectors.tolist() == [one_trunk_norm * 5 + head_norm + [0.0]] * 2
    assert network.identity_vector.tolist() == one_trunk_norm * 5 + [0.0] * 8 + [1.0]


@torch.inference_mode()
def test_a_settled_network_stylizes_the_same_and_has_small_features() -> None:
    network = FastNet(("a", "b"), SMALL).requires_grad_(False)
    for norm in (2, 4):  # what training leaves to drift: both blocks' last shifts, and the kernels' size
        start = sum(2 * c for c in network.norm_channels[:norm])
        network.style_vectors[:, start + 8 : start + 16] = 300.0
        network.identity_trunk[start + 8 : start + 16] = -300.0
    network.head.weight.mul_(70.0)
    images = _images(2, 40, 32)
    vectors = torch.stack([network.style_vectors[1], network.identity_vector * 0.6 + network.style_vectors[0] * 0.4])
    before = network(images, vectors)
    largest: list[float] = []
    for module in network.norms.children():
        module.register_forward_pre_hook(lambda _, inputs: largest.append(float(inputs[0].abs().max())))
    network(images, vectors)
    assert max(largest) > 1000
    largest.clear()
    network.settle()
    vectors = torch.stack([network.style_vectors[1], network.identity_vector * 0.6 + network.style_vectors[0] * 0.4])
    after = network(images, vectors)
    assert max(largest) < 100
    assert (before - after).abs().max() < 0.5
    once = {name: value.clone() for name, value in network.state_dict().items()}
    network.settle()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, once[name])


@pytest.mark.skipif(not SHIPPED.is_file(), reason="saved_models/ holds no styles")
@pytest.mark.parametrize("level", [0, 119, 255])
@torch.inference_mode()
def test_a_frame_of_one_colour_is_one_colour_whatever_features_are_rounded_to(level: int) -> None:
    network = load_checkpoint(SHIPPED)
    assert isinstance(network, FastNet)
    frame = torch.full((1, 3, 48, 64), float(level))
    vector = network.style_vectors[:1]
    exact = network(frame, vector)
    rounded = network.to(torch.bfloat16)(frame, vector)
    assert (exact - rounded).abs().max() < 4


def test_the_default_network_has_the_size_that_its_checkpoints_have() -> None:
    network = FastNet(("a",))
    assert network.vector_size == 7 * 96 + 32 + 1
    assert network.identity_trunk.shape == (7 * 96,)
    names = {name.rsplit(".", 1)[0] for name in network.state_dict()}
    assert names == {"stem", *(f"trunk.{i}" for i in range(6)), "head", "to_pixels", "style_vectors", "identity_trunk"}
    assert "to_pixels.bias" not in network.state_dict()


@torch.inference_mode()
def test_the_shifts_of_the_head_come_last_before_the_share() -> None:
    network = _network(1, SMALL)
    flat = torch.zeros(1, network.vector_size)
    flat[:, -5:-1] = torch.tensor([1.0, 2.0, 0.5, 0.25])
    stylized = network(_images(1, 16, 16), flat)
    values = (network.to_pixels.weight.sum((2, 3)) @ flat[0, -5:-1] + 1) * 127.5
    torch.testing.assert_close(stylized[0].mean((1, 2)), values[::4], atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (21, 26), (45, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_the_identity_vector_gives_back_the_image(size: tuple[int, int], dtype: torch.dtype) -> None:
    network, image = _network().to(dtype), _images(2, *size)
    torch.testing.assert_close(network(image, network.identity_vector[None]), image, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_the_identity_gives_back_bytes_exactly() -> None:
    network = _network()
    bytes_ = torch.randint(0, 256, (1, 3, 37, 50), generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(network(bytes_, network.identity_vector[None]).round(), bytes_)


@torch.inference_mode()
def test_the_identity_gives_back_flat_images() -> None:
    network = _network()
    flat = torch.full((1, 3, 20, 20), 255.0)
    torch.testing.assert_close(network(flat, network.identity_vector[None]), flat, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_half_way_to_a_style_differs_from_both_ends() -> None:
    network, image = _network(), _images(1, 41, 50)
    photograph, style = network.identity_vector[None], network.style_vectors[1:2]
    start, middle, end = (network(image, torch.lerp(photograph, style, t)) for t in (0.0, 0.5, 1.0))
    torch.testing.assert_close(start, image, atol=1e-4, rtol=0)
    assert torch.equal(end, network(image, style))
    assert (middle - start).abs().mean() > 1
    assert (middle - end).abs().mean() > 1


@torch.inference_mode()
def test_a_style_keeps_its_share_of_the_photograph() -> None:
    """The share times the image, around mid-grey, is added to what the style stylizes without it."""
    network, image = _network(), _images(2, 21, 26)
    bare = _without_photograph(network, 0).repeat(2, 1)
    shared = bare.clone()
    shared[:, -1] = torch.tensor([0.25, -0.5])
    kept = network(image, shared) - network(image, bare)
    expected = shared[:, -1, None, None, None] * (image - 127.5)
    torch.testing.assert_close(kept, expected, atol=1e-3, rtol=0)


def test_partial_strength_trains_the_identity_and_full_strength_does_not() -> None:
    network = _network(shape=SMALL)
    for strength, expected in ((1.0, False), (0.6, True)):
        network.zero_grad()
        vector = torch.lerp(network.identity_vector[None], network.style_vectors[:1], strength)
        network(_images(1, 16, 16), vector).square().mean().backward()
        assert network.identity_trunk.grad is not None
        assert bool(network.identity_trunk.grad.abs().sum() > 0) == expected
        assert network.identity_trunk.grad.isfinite().all()


def test_every_part_of_the_trained_identity_has_a_gradient() -> None:
    network = _network(shape=SMALL)
    vector = torch.lerp(network.identity_vector[None], network.style_vectors[:1], 0.5)
    network(_images(1, 32, 32), vector).square().mean().backward()
    assert network.identity_trunk.grad is not None
    by_norm = [part.abs().sum() > 0 for part in torch.split(network.identity_trunk.grad, 8)]
    assert by_norm == [True] * 10, "scales and shifts of five norms"
