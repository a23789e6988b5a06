"""Owns how the two networks are written as ONNX graphs, uint8 RGB pictures in and out.

Must not know files, command lines or sessions.

The graphs are written operator by operator instead of being traced, because two exact
rewrites make them smaller than a trace: the scaling of pixels is multiplied into the
first and last convolutions, and the bias of a convolution before an instance norm is
left out, since the norm subtracts it again.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from neural_style.checkpoint import StyleNetwork
from neural_style.fast_net import MIN_SIDE_PX, SPACE_TO_DEPTH_PX, FastNet
from neural_style.transformer_net import MIN_SIDE_PX as TRANSFORMER_MIN_SIDE_PX
from neural_style.transformer_net import TransformerNet

OPSET = 18
_IR_VERSION = 10
_EPSILON = 1e-5

Weights = NDArray[np.float32]


class _Graph:
    """Collects nodes and weights; every method adds one step and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: object, dtype: type = np.int64) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def convolution(self, features: str, weight: Weights, bias: Weights | None, stride: int = 1) -> str:
        """A convolution with reflection padding."""
        margin = weight.shape[2] // 2
        padded = self.add("Pad", features, self.constant([0, 0, margin, margin, 0, 0, margin, margin]), mode="reflect")
        inputs = [padded, self.constant(weight, np.float32)]
        if bias is not None:
            inputs.append(self.constant(bias, np.float32))
        return self.add("Conv", *inputs, kernel_shape=weight.shape[2:], strides=[stride, stride])

    def double(self, features: str) -> str:
        """Nearest-neighbour upsampling by two."""
        scales = self.constant([1, 1, 2, 2], np.float32)
        return self.add(
            "Resize",
            features,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def pad_bottom_right(self, frames: str, cell_px: int, minimum_px: int) -> str:
        """Repeats the last row and column of (N, H, W, 3) to whole cells and a minimum side."""
        size = self.add("Shape", frames, start=1, end=3)  # (2,)
        to_cell = self.add("Mod", self.add("Neg", size), self.constant([cell_px, cell_px]))
        to_minimum = self.add("Sub", self.constant([minimum_px, minimum_px]), size)
        amounts = self.add("Max", to_cell, to_minimum)
        pads = self.add("Concat", self.constant([0, 0]), amounts, axis=0)
        return self.add("Pad", frames, pads, "", self.constant([1, 2]), mode="edge")

    def crop_like(self, stylized: str, frames: str) -> str:
        """Cuts (N, H', W', 3) to the height and width of `frames`."""
        size = self.add("Shape", frames, start=1, end=3)
        return self.add("Slice", stylized, self.constant([0, 0]), size, self.constant([1, 2]))

    def to_uint8(self, features: str) -> str:
        """Clamps to 0..255, rounds half to even and casts."""
        clamped = self.add("Clip", features, self.constant(0, np.float32), self.constant(255, np.float32))
        return self.add("Cast", self.add("Round", clamped), to=TensorProto.UINT8)


def build_model(network: StyleNetwork) -> onnx.ModelProto:
    """Writes a network as an ONNX model with dynamic batch, height and width.

    Inputs: `frames` uint8 (N, H, W, 3) RGB, and for `FastNet` also `style` float32
    (N, vector_size), a style vector for each frame. Output: `stylized` uint8 (N, H, W, 3).
    """
    graph = _Graph()
    inputs = [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["n", "height", "width", 3])]
    if isinstance(network, FastNet):
        inputs.append(helper.make_tensor_value_info("style", TensorProto.FLOAT, ["n", network.vector_size]))
        result = _fast_net(graph, network)
    else:
        result = _transformer_net(graph, network)
    graph.nodes.append(helper.make_node("Identity", [result], ["stylized"]))
    output = helper.make_tensor_value_info("stylized", TensorProto.UINT8, ["n", "height", "width", 3])
    body = helper.make_graph(graph.nodes, network.family, inputs, [output], graph.weights)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def _fast_net(graph: _Graph, network: FastNet) -> str:
    weights = {name: value.detach().float().cpu().numpy() for name, value in network.state_dict().items()}
    *modulation_names, share = _split_style(graph, network)
    modulations = iter(list(zip(modulation_names[::2], modulation_names[1::2], strict=True)))

    def conv_norm(features: str, weight: Weights) -> str:
        return _modulated_norm(graph, graph.convolution(features, weight, None), weight.shape[0], *next(modulations))

    # The stem sees 0..255 instead of -1..1; its norm removes the offset, and the weights carry the scale.
    stem = _by_colour_last(weights["stem.weight"], axis=1) / 127.5
    padded = graph.pad_bottom_right("frames", SPACE_TO_DEPTH_PX, MIN_SIDE_PX)
    features = graph.add("Relu", conv_norm(_cells_to_channels(graph, padded, SPACE_TO_DEPTH_PX), stem))
    for block in range(network.shape.num_blocks):
        inner = graph.add("Relu", conv_norm(features, weights[f"trunk.{2 * block}.weight"]))
        features = graph.add("Add", features, conv_norm(inner, weights[f"trunk.{2 * block + 1}.weight"]))
    features = graph.add("Relu", conv_norm(graph.double(features), weights["head.weight"]))
    weight = _by_colour_last(weights["to_pixels.weight"], axis=0) * 127.5
    painted = graph.convolution(features, weight, np.full(12, 127.5, np.float32))
    pixels = graph.to_uint8(graph.add("Add", painted, _kept_photograph(graph, padded, share)))
    return graph.crop_like(_channels_to_pixels(graph, pixels), "frames")


def _kept_photograph(graph: _Graph, frames: str, share: str) -> str:
    """The style's share (N, 1) of uint8 (N, H, W, 3), around mid-grey, as float (N, 12, H/2, W/2)."""
    centred = graph.add("Sub", _cells_to_channels(graph, frames, 2), graph.constant(127.5, np.float32))
    factor = graph.add("Reshape", share, graph.constant([-1, 1, 1, 1]))
    return graph.add("Mul", centred, factor)


def _by_colour_last(weight: Weights, axis: int) -> Weights:
    """Reorders channels from colour, row, column (PyTorch's pixel shuffle) to row, column, colour."""
    moved = np.moveaxis(weight, axis, 0)
    cells = moved.reshape(3, -1, *moved.shape[1:]).swapaxes(0, 1).reshape(moved.shape)
    return np.ascontiguousarray(np.moveaxis(cells, 0, axis))


def _modulated_norm(graph: _Graph, features: str, channels: int, scale: str, shift: str) -> str:
    """Instance norm with a scale and shift for each frame, each (N * C,).

    The operator has one scale for each channel of all frames, so the frames of a batch
    are laid out as channels of one: (N, C, H, W) is (1, N * C, H, W), and nothing is copied.
    """
    size = graph.add("Shape", features, start=2, end=4)
    joined = graph.add("Concat", graph.constant([1, -1]), size, axis=0)
    apart = graph.add("Concat", graph.constant([-1, channels]), size, axis=0)
    as_one = graph.add("Reshape", features, joined)
    normalized = graph.add("InstanceNormalization", as_one, scale, shift, epsilon=_EPSILON)
    return graph.add("Reshape", normalized, apart)


def _split_style(graph: _Graph, network: FastNet) -> list[str]:
    """Cuts the style input into scale, shift, scale, shift, ..., each (N * C,), and the photograph's share (N,)."""
    sizes = [c for count in network.norm_channels for c in (count, count)] + [1]
    names = [f"modulation_{i}" for i in range(len(sizes))]
    graph.nodes.append(helper.make_node("Split", ["style", graph.constant(sizes)], names, axis=1))
    return [graph.add("Reshape", name, graph.constant([-1])) for name in names]


def _cells_to_channels(graph: _Graph, frames: str, cell_px: int) -> str:
    """uint8 (N, H, W, 3) to float (N, 3 * cell^2, H/cell, W/cell); channels are ordered row, column, colour."""
    size = graph.add("Shape", frames, start=1, end=3)
    cells = graph.add("Div", size, graph.constant([cell_px, cell_px]))  # (2,)
    rows, columns = (graph.add("Gather", cells, graph.constant([i])) for i in (0, 1))
    keep, side = graph.constant([0]), graph.constant([cell_px])
    split = graph.add("Concat", keep, rows, side, columns, graph.constant([3 * cell_px]), axis=0)
    blocks = graph.add("Reshape", frames, split)  # (N, H/cell, cell, W/cell, 3 * cell)
    gathered = graph.add("Transpose", blocks, perm=[0, 1, 3, 2, 4])  # (N, H/cell, W/cell, cell, 3 * cell)
    merged = graph.add("Concat", keep, cells, graph.constant([3 * cell_px * cell_px]), axis=0)
    pixels = graph.add("Cast", graph.add("Reshape", gathered, merged), to=TensorProto.FLOAT)
    return graph.add("Transpose", pixels, perm=[0, 3, 1, 2])


def _channels_to_pixels(graph: _Graph, features: str) -> str:
    """uint8 (N, 12, H/2, W/2), channels ordered row, column, colour, to (N, H, W, 3)."""
    pixels = graph.add("Transpose", features, perm=[0, 2, 3, 1])  # (N, H/2, W/2, 12)
    size = graph.add("Shape", pixels, start=1, end=3)
    keep = graph.constant([0])
    split = graph.add("Concat", keep, size, graph.constant([2, 6]), axis=0)
    blocks = graph.add("Reshape", pixels, split)  # (N, H/2, W/2, 2, 6)
    moved = graph.add("Transpose", blocks, perm=[0, 1, 3, 2, 4])  # (N, H/2, 2, W/2, 6)
    doubled = graph.add("Mul", size, graph.constant([2, 2]))
    merged = graph.add("Concat", keep, doubled, graph.constant([3]), axis=0)
    return graph.add("Reshape", moved, merged)


def _transformer_net(graph: _Graph, network: TransformerNet) -> str:
    weights = {name: value.detach().float().cpu().numpy() for name, value in network.state_dict().items()}

    def conv_norm(convolution: str, norm: str, features: str, stride: int = 1) -> str:
        convolved = graph.convolution(features, weights[f"{convolution}.conv2d.weight"], None, stride)
        scale = graph.constant(weights[f"{norm}.weight"], np.float32)
        shift = graph.constant(weights[f"{norm}.bias"], np.float32)
        return graph.add("InstanceNormalization", convolved, scale, shift, epsilon=_EPSILON)

    def activated(convolution: str, norm: str, features: str, stride: int = 1) -> str:
        return graph.add("Relu", conv_norm(convolution, norm, features, stride))

    padded = graph.pad_bottom_right("frames", 1, TRANSFORMER_MIN_SIDE_PX)
    planes = graph.add("Cast", graph.add("Transpose", padded, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    features = activated("conv1", "in1", planes)
    features = activated("conv2", "in2", features, 2)
    features = activated("conv3", "in3", features, 2)
    for block in ("res1", "res2", "res3", "res4", "res5"):
        inner = activated(f"{block}.conv1", f"{block}.in1", features)
        features = graph.add("Add", conv_norm(f"{block}.conv2", f"{block}.in2", inner), features)
    features = activated("deconv1", "in4", graph.double(features))
    features = activated("deconv2", "in5", graph.double(features))
    pixels = graph.convolution(features, weights["deconv3.conv2d.weight"], weights["deconv3.conv2d.bias"])
    frames = graph.add("Transpose", graph.to_uint8(pixels), perm=[0, 2, 3, 1])
    return graph.crop_like(frames, "frames")
