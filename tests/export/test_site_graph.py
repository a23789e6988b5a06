"""Tests of a site's graph: with the page's own steps around it, it gives PyTorch's images."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from export.site_graph import build_site_model
from neural_style.networks.fast_net import FastNet, FastNetShape


@pytest.fixture(scope="module")
def network() -> FastNet:
    torch.manual_seed(0)
    network = FastNet(("a", "b"), FastNetShape(width=16, num_blocks=2, head_width=8))
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
        network.to_pixels.weight.add_(0.05 * torch.randn_like(network.to_pixels.weight))
    return network.eval()


def _stylized(model: onnx.ModelProto, image: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the page shows of an image, float (H, W, 3), 0..255: `cpu-frames.js` in other words."""
    height, width, _ = image.shape
    rows, columns = (max(2, -(-side // 4)) for side in (height, width))
    whole = np.pad(image, ((0, 4 * rows - height), (0, 4 * columns - width), (0, 0)), mode="edge")
    cells = whole.reshape(rows, 4, columns, 4, 3).transpose(1, 3, 4, 0, 2).reshape(1, 48, rows, columns)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (given,) = session.run(["stylized"], {"cells": np.ascontiguousarray(cells), "style": vector})
    painted = np.asarray(given, np.float32).reshape(2, 2, 3, 2 * rows, 2 * columns).transpose(3, 0, 4, 1, 2)
    whole = painted.reshape(4 * rows, 4 * columns, 3)[:height, :width]
    return np.asarray(whole + vector[-1] * (image - 127.5), np.float32)


@pytest.mark.parametrize("size", [(64, 96), (61, 75), (3, 130), (2, 3)], ids=str)
def test_the_graph_gives_the_images_of_torch(network: FastNet, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size[0])
    coarse = rng.integers(0, 256, (size[0] // 8 + 1, size[1] // 8 + 1, 3)).repeat(8, axis=0).repeat(8, axis=1)
    image = (0.8 * coarse[: size[0], : size[1]] + 0.2 * rng.integers(0, 256, (*size, 3))).astype(np.float32)
    vector = network.style_vectors[1].detach()
    with torch.inference_mode():
        (expected,) = network(torch.from_numpy(image).permute(2, 0, 1)[None], vector[None]).permute(0, 2, 3, 1).numpy()
    difference = np.abs(_stylized(build_site_model(network), image, vector.numpy()) - expected)
    assert difference.mean() < 0.5, "weights were rounded to half precision, and nothing else"
    assert expected.std() > 20


def test_it_holds_no_operator_that_webgpu_runs_on_the_processor(network: FastNet) -> None:
    model = build_site_model(network)
    operators = {node.op_type for node in model.graph.node}
    assert operators == {"Cast", "Pad", "Conv", "InstanceNormalization", "Relu", "Add", "Slice", "DepthToSpace"}
    initializers = {tensor.name for tensor in model.graph.initializer}
    assert all(node.input[0] in initializers for node in model.graph.node if node.op_type == "Cast"), "only weights"


def test_weights_take_two_bytes_each(network: FastNet) -> None:
    size = len(build_site_model(network).SerializeToString())
    numbers = sum(tensor.numel() for name, tensor in network.named_parameters() if name.endswith("weight"))
    assert 2 * numbers < size < 2 * numbers + 20_000


def test_a_network_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        build_site_model(FastNet(("a",), FastNetShape(width=8, num_blocks=1, head_width=4, num_inner_blocks=1)))
