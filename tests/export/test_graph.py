"""Tests of the ONNX graphs: each gives PyTorch's images at any size, in any batch.

Knows nothing of files; the models run from memory.
"""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.graph import OPSET, build_model
from export.quantization import to_fp16
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import StyleNetwork

SIZES = [(64, 96), (61, 75), (2, 3), (7, 9), (3, 130), (40, 6)]


def _fast(shape: FastNetShape | None = None) -> FastNet:
    """Random weights, three random styles with different shares of the photograph, and the whole range of values."""
    torch.manual_seed(0)
    network = FastNet(("a", "b", "c"), shape)
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
        network.identity_trunk.add_(0.4 * torch.randn_like(network.identity_trunk))
        network.to_pixels.weight.add_(0.05 * torch.randn_like(network.to_pixels.weight))
    return network.eval()


def _transformer() -> TransformerNet:
    torch.manual_seed(0)
    network = TransformerNet("a")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".in" in f".{name}":
                parameter.add_(0.3 * torch.randn_like(parameter))
        network.deconv3.conv2d.weight.mul_(130)
        assert network.deconv3.conv2d.bias is not None
        network.deconv3.conv2d.bias.copy_(torch.tensor([100.0, 127.0, 150.0]))
    return network.eval()


_INNER = FastNetShape(width=16, num_blocks=1, head_width=8, inner_width=24, num_inner_blocks=2)
NETWORKS: dict[str, StyleNetwork] = {"fast": _fast(), "inner": _fast(_INNER), "transformer": _transformer()}
SESSIONS = {
    family: onnxruntime.InferenceSession(build_model(network).SerializeToString(), providers=["CPUExecutionProvider"])
    for family, network in NETWORKS.items()
}


def _frames(n: int, height: int, width: int) -> NDArray[np.uint8]:
    """Images with shapes and noise: uint8 (N, H, W, 3)."""
    rng = np.random.default_rng(height * 1000 + width)
    coarse = rng.integers(0, 256, (n, height // 8 + 1, width // 8 + 1, 3)).repeat(8, axis=1).repeat(8, axis=2)
    mixed = 0.8 * coarse[:, :height, :width] + 0.2 * rng.integers(0, 256, (n, height, width, 3))
    return mixed.astype(np.uint8)


def _vectors(family: str, styles: list[int], strength: float = 1.0) -> Tensor | None:
    """A vector for each of the styles, (N, vector_size); None for a network that takes none."""
    network = NETWORKS[family]
    if not isinstance(network, FastNet):
        return None
    return torch.lerp(network.identity_vector[None], network.style_vectors[styles], strength).detach()


def _with_onnx(family: str, frames: NDArray[np.uint8], styles: list[int], strength: float = 1.0) -> NDArray[np.uint8]:
    feed: dict[str, NDArray[np.generic]] = {"frames": frames}
    vectors = _vectors(family, styles, strength)
    if vectors is not None:
        feed["style"] = vectors.numpy()
    (stylized,) = SESSIONS[family].run(["stylized"], feed)
    return np.asarray(stylized)


@torch.inference_mode()
def _with_torch(
    family: str, frames: NDArray[np.uint8], styles: list[int], strength: float = 1.0
) -> NDArray[np.float32]:
    network, vectors = NETWORKS[family], _vectors(family, styles, strength)
    stylized = network(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), vectors)
    return np.asarray(stylized.clamp(0, 255).permute(0, 2, 3, 1).numpy(), np.float32)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("family", list(NETWORKS))
def test_the_graph_gives_the_images_of_torch(family: str, size: tuple[int, int]) -> None:
    frames = _frames(1, *size)
    stylized, expected = _with_onnx(family, frames, [1]), _with_torch(family, frames, [1])
    assert stylized.dtype == np.uint8
    assert stylized.shape == (1, *size, 3)
    assert np.abs(stylized - expected).max() <= 1


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("strength", [0.5, 0.9])
def test_the_graph_gives_the_images_of_torch_at_part_of_the_strength(size: tuple[int, int], strength: float) -> None:
    frames = _frames(2, *size)
    stylized, expected = (stylize("fast", frames, [0, 2], strength) for stylize in (_with_onnx, _with_torch))
    assert np.abs(stylized - expected).max() <= 1


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_identity_gives_back_the_very_bytes(size: tuple[int, int]) -> None:
    frames = _frames(2, *size)
    assert np.array_equal(_with_onnx("fast", frames, [0, 1], strength=0.0), frames)


def test_all_bytes_survive_the_identity() -> None:
    frames = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(1, 16, 16, 3)
    assert np.array_equal(_with_onnx("fast", frames, [0], strength=0.0), frames)


def test_the_styles_compared_here_keep_different_shares_of_the_photograph() -> None:
    network = NETWORKS["fast"]
    assert isinstance(network, FastNet)
    shares = network.style_vectors[:, -1]
    assert shares.abs().min() > 0.05
    assert shares.std() > 0.1


def test_frames_of_a_batch_may_have_vectors_of_any_strength() -> None:
    frames = np.repeat(_frames(1, 45, 50), 3, axis=0)
    vectors = torch.cat([v for s in (0.0, 0.4, 1.0) if (v := _vectors("fast", [1], s)) is not None])
    (batch,) = SESSIONS["fast"].run(["stylized"], {"frames": frames, "style": vectors.numpy()})
    alone = [_with_torch("fast", frames[:1], [1], strength)[0] for strength in (0.0, 0.4, 1.0)]
    assert np.abs(np.asarray(batch, np.float32) - np.stack(alone)).max() <= 1
    assert np.abs(alone[1] - alone[0]).mean() > 2
    assert np.abs(alone[1] - alone[2]).mean() > 2


@pytest.mark.parametrize("family", list(NETWORKS))
def test_the_images_compared_here_are_not_flat(family: str) -> None:
    expected = _with_torch(family, _frames(1, 64, 96), [1])
    assert expected.std() > 20
    assert np.abs(expected.mean((0, 1, 2)) - expected.mean()).max() > 3, "swapped colours would be seen"


@pytest.mark.parametrize("family", list(NETWORKS))
def test_frames_of_a_batch_have_each_their_own_style(family: str) -> None:
    frames = np.repeat(_frames(1, 45, 50), 3, axis=0)
    frames[1] = frames[1, ::-1]
    stylized = _with_onnx(family, frames, [2, 0, 1])
    assert stylized.shape == frames.shape
    assert np.abs(stylized - _with_torch(family, frames, [2, 0, 1])).max() <= 1
    if family == "fast":
        assert np.abs(stylized[0].astype(int) - stylized[2]).mean() > 2, "one frame in two styles"


@pytest.mark.parametrize("family", list(NETWORKS))
def test_a_frame_comes_out_the_same_alone_and_in_a_batch(family: str) -> None:
    frames = _frames(3, 30, 41)
    alone = np.concatenate([_with_onnx(family, frames[i : i + 1], [i]) for i in range(3)])
    batch = _with_onnx(family, frames, [0, 1, 2])
    assert np.abs(alone.astype(int) - batch).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (9, 9)], ids=str)
@pytest.mark.parametrize("family", list(NETWORKS))
def test_flat_frames_come_out_in_their_size(family: str, size: tuple[int, int]) -> None:
    """They are not compared: a norm divides a flat plane's rounding errors by almost nothing."""
    assert _with_onnx(family, np.full((1, *size, 3), 77, np.uint8), [0]).shape == (1, *size, 3)


@torch.inference_mode()
def test_values_outside_of_a_byte_are_cut_off_and_not_wrapped() -> None:
    network = _fast(FastNetShape(width=8, num_blocks=1, head_width=4))
    network.to_pixels.weight.mul_(20)
    frames = _frames(1, 32, 32)
    expected = network(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), network.style_vectors[:1])
    assert expected.min() < -20
    assert expected.max() > 275
    session = onnxruntime.InferenceSession(build_model(network).SerializeToString(), providers=["CPUExecutionProvider"])
    (stylized,) = session.run(None, {"frames": frames, "style": network.style_vectors[:1].numpy()})
    rounded = expected.clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(np.asarray(stylized, np.float32) - rounded).max() <= 1


@pytest.mark.parametrize(
    "network", [*NETWORKS.values(), _fast(FastNetShape(width=8, num_blocks=1, head_width=4))], ids=lambda n: n.family
)
def test_the_model_passes_the_checker_of_onnx(network: StyleNetwork) -> None:
    model = build_model(network)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import] == [OPSET]


@pytest.mark.parametrize("family", list(NETWORKS))
def test_inputs_and_output_are_bytes_of_any_batch_and_size(family: str) -> None:
    session = SESSIONS[family]
    frames, *rest = session.get_inputs()
    (stylized,) = session.get_outputs()
    for image, name in ((frames, "frames"), (stylized, "stylized")):
        assert image.name == name
        assert image.type == "tensor(uint8)"
        assert image.shape == ["n", "height", "width", 3]
    expected = [("style", "tensor(float)", ["n", NETWORKS[family].vector_size])] if family != "transformer" else []
    assert [(style.name, style.type, style.shape) for style in rest] == expected


@pytest.mark.parametrize("factor", [1.0, 100.0])
def test_a_first_convolution_that_would_overflow_in_fp16_does_not(factor: float) -> None:
    """A white image gives the largest values; ONNX Runtime computes fp16 on its CPU provider, too."""
    network = TransformerNet("a").eval().requires_grad_(False)
    network.load_state_dict(NETWORKS["transformer"].state_dict())
    network.conv1.conv2d.weight.abs_().mul_(factor)
    half = to_fp16(build_model(network))
    peak = 255 * network.conv1.conv2d.weight.flatten(1).sum(1).max()
    assert (float(peak) > 65504) == (factor > 1)
    assert [node.op_type for node in half.graph.node if node.op_type == "Pad" and node.input[0] == "frames"] == []
    session = onnxruntime.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"])
    frames = _frames(1, 24, 32) | 128
    (stylized,) = session.run(None, {"frames": frames})
    with torch.inference_mode():
        exact = network(torch.from_numpy(frames).permute(0, 3, 1, 2).float()).clamp(0, 255).permute(0, 2, 3, 1)
    assert np.abs(stylized - exact.numpy()).mean() < 1
