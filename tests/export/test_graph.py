"""Tests of the ONNX graphs: each gives PyTorch's pictures at any size, in any batch.

Knows nothing of files; the models run from memory.
"""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from export.graph import OPSET, build_model
from neural_style.checkpoint import StyleNetwork
from neural_style.fast_net import FastNet, FastNetShape
from neural_style.transformer_net import TransformerNet

SIZES = [(64, 96), (61, 75), (2, 3), (7, 9), (3, 130), (40, 6)]


def _fast(shape: FastNetShape | None = None) -> FastNet:
    """Random weights, three random styles, and pictures that use the whole range."""
    torch.manual_seed(0)
    network = FastNet(("a", "b", "c"), shape)
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
        for parameter in (network.to_pixels.weight, network.to_pixels.bias):
            assert parameter is not None
            parameter.add_(0.05 * torch.randn_like(parameter))
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


NETWORKS: dict[str, StyleNetwork] = {"fast": _fast(), "transformer": _transformer()}
SESSIONS = {
    family: onnxruntime.InferenceSession(build_model(network).SerializeToString(), providers=["CPUExecutionProvider"])
    for family, network in NETWORKS.items()
}


def _frames(n: int, height: int, width: int) -> NDArray[np.uint8]:
    """Pictures with shapes and noise: uint8 (N, H, W, 3)."""
    rng = np.random.default_rng(height * 1000 + width)
    coarse = rng.integers(0, 256, (n, height // 8 + 1, width // 8 + 1, 3)).repeat(8, axis=1).repeat(8, axis=2)
    mixed = 0.8 * coarse[:, :height, :width] + 0.2 * rng.integers(0, 256, (n, height, width, 3))
    return mixed.astype(np.uint8)


def _with_onnx(family: str, frames: NDArray[np.uint8], styles: list[int]) -> NDArray[np.uint8]:
    network = NETWORKS[family]
    feed: dict[str, NDArray[np.generic]] = {"frames": frames}
    if isinstance(network, FastNet):
        feed["style"] = network.style_vectors[styles].detach().numpy()
    (stylized,) = SESSIONS[family].run(["stylized"], feed)
    return np.asarray(stylized)


@torch.inference_mode()
def _with_torch(family: str, frames: NDArray[np.uint8], styles: list[int]) -> NDArray[np.float32]:
    network = NETWORKS[family]
    vectors = network.style_vectors[styles] if isinstance(network, FastNet) else None
    stylized = network(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), vectors)
    return np.asarray(stylized.clamp(0, 255).permute(0, 2, 3, 1).numpy(), np.float32)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("family", list(NETWORKS))
def test_the_graph_gives_the_pictures_of_torch(family: str, size: tuple[int, int]) -> None:
    frames = _frames(1, *size)
    stylized, expected = _with_onnx(family, frames, [1]), _with_torch(family, frames, [1])
    assert stylized.dtype == np.uint8
    assert stylized.shape == (1, *size, 3)
    assert np.abs(stylized - expected).max() <= 1


@pytest.mark.parametrize("family", list(NETWORKS))
def test_the_pictures_compared_here_are_not_flat(family: str) -> None:
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
    for picture, name in ((frames, "frames"), (stylized, "stylized")):
        assert picture.name == name
        assert picture.type == "tensor(uint8)"
        assert picture.shape == ["n", "height", "width", 3]
    expected = [("style", "tensor(float)", ["n", NETWORKS[family].vector_size])] if family == "fast" else []
    assert [(style.name, style.type, style.shape) for style in rest] == expected
