"""Owns how the two networks are written as ONNX graphs, uint8 RGB images in and out.

The graphs are written operator by operator instead of being traced, because three exact
rewrites make them smaller than a trace: the scaling of pixels is multiplied into the
first and last convolutions; the bias of a convolution before an instance norm is left
out, since the norm subtracts it again; and a nearest-neighbour doubling with a 3x3
convolution is four 2x2 convolutions, one for each place in the doubled pixel, with 4/9 of
the products (Shi et al. 2016, "Is the deconvolution layer the same as a convolutional
layer?", arXiv 1609.07009).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from neural_style.networks.fast_net import NORM_EPSILON, SPACE_TO_DEPTH_PX, FastNet
from neural_style.networks.transformer_net import MIN_SIDE_PX as TRANSFORMER_MIN_SIDE_PX
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import StyleNetwork

OPSET = 18
_IR_VERSION = 10
_TRANSFORMER_EPSILON = 1e-5
_TO_CHANNELS_LAST, _TO_CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class GraphForm:
    """What goes in and out of a model.

    Attributes:
        floats: images are float32 (N, 3, H, W), RGB, 0..1, in and out, instead of uint8 (N, H, W, 3), 0..255.
        style: float32 (vector_size,), a style that becomes part of the model; None leaves it an input.
    """

    floats: bool = False
    style: Weights | None = None

    @property
    def sides(self) -> tuple[int, int]:
        """The axes of height and width."""
        return (2, 3) if self.floats else (1, 2)

    def images(self, name: str) -> onnx.ValueInfoProto:
        """An input or output of a model that is a batch of images."""
        if self.floats:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "height", "width"])
        return helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "height", "width", 3])

    @property
    def words(self) -> str:
        """For the metadata of a file."""
        return "float32 (N, 3, H, W), RGB, 0..1" if self.floats else "uint8 (N, H, W, 3), RGB, 0..255"


class Graph:
    """Collects nodes and weights; every method adds one step and returns its output's name."""

    def __init__(self, form: GraphForm) -> None:
        self.form = form
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Any operator."""
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: object, dtype: type = np.int64) -> str:
        """A number, or an array of them."""
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def convolution(
        self, features: str, weight: Weights, bias: Weights | None, stride: int = 1, padding: str = "reflect"
    ) -> str:
        """A convolution of padded features; an even side of the kernel makes them one larger."""
        margin = weight.shape[2] // 2
        padded = self.add("Pad", features, self.constant([0, 0, margin, margin, 0, 0, margin, margin]), mode=padding)
        inputs = [padded, self.constant(weight, np.float32)]
        if bias is not None:
            inputs.append(self.constant(bias, np.float32))
        return self.add("Conv", *inputs, kernel_shape=weight.shape[2:], strides=[stride, stride])

    def double(self, features: str) -> str:
        """Nearest-neighbour upsampling by two."""
        places = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", features, "", self.constant([1, 1, 2, 2], np.float32), mode="nearest", **places)

    def padded(self, cell_px: int, minimum_px: int) -> str:
        """The input as (N, H, W, 3), its last row and column repeated to whole cells and a minimum."""
        size = self._size()
        to_cell = self.add("Mod", self.add("Neg", size), self.constant([cell_px, cell_px]))
        to_minimum = self.add("Sub", self.constant([minimum_px, minimum_px]), size)
        pads = self.add("Concat", self.constant([0, 0]), self.add("Max", to_cell, to_minimum), axis=0)
        padded = self.add("Pad", "frames", pads, "", self.constant(self.form.sides), mode="edge")
        return self.add("Transpose", padded, perm=_TO_CHANNELS_LAST) if self.form.floats else padded

    def pixels(self, padded: str) -> str:
        """Float, 0..255, of the input's values, whatever their layout."""
        if self.form.floats:
            return self.add("Mul", padded, self.constant(255, np.float32))
        return self.add("Cast", padded, to=TensorProto.FLOAT)

    def images(self, pixels: str) -> str:
        """The output from float (N, H', W', 3), 0..255: clamped, rounded half to even if bytes, cropped."""
        result = self.add("Clip", pixels, self.constant(0, np.float32), self.constant(255, np.float32))
        if self.form.floats:
            result = self.add("Div", result, self.constant(255, np.float32))
        else:
            result = self.add("Cast", self.add("Round", result), to=TensorProto.UINT8)
        cropped = self.add("Slice", result, self.constant([0, 0]), self._size(), self.constant([1, 2]))
        return self.add("Transpose", cropped, perm=_TO_CHANNELS_FIRST) if self.form.floats else cropped

    def laid_out(self, features: str, channels: int) -> str:
        """Cells of four pixels, (N, 4 C, H, W), laid out as pixels, (N, 2 H, 2 W, C).

        Does what DepthToSpace and a Transpose do. Where features have their channels last in memory, as
        convolutions leave them, only rows of two pixels are moved.
        """
        cells = self.add("Transpose", features, perm=_TO_CHANNELS_LAST)  # (N, H, W, 4 C)
        height, width = (self.add("Shape", cells, start=axis, end=axis + 1) for axis in (1, 2))
        all_frames, two, row = self.constant([-1]), self.constant([2]), self.constant([2 * channels])
        in_rows = self.add("Concat", all_frames, height, width, two, row, axis=0)
        rows = self.add("Transpose", self.add("Reshape", cells, in_rows), perm=[0, 1, 3, 2, 4])  # (N, H, 2, W, 2 C)
        sides = [self.add("Mul", side, two) for side in (height, width)]
        return self.add("Reshape", rows, self.add("Concat", all_frames, *sides, self.constant([channels]), axis=0))

    def style(self) -> str:
        """The style vectors, float (N, vector_size)."""
        if self.form.style is None:
            return "style"
        count = self.add("Shape", "frames", start=0, end=1)
        shape = self.add("Concat", count, self.constant([len(self.form.style)]), axis=0)
        return self.add("Expand", self.constant(self.form.style[None], np.float32), shape)

    def _size(self) -> str:
        first, last = self.form.sides
        return self.add("Shape", "frames", start=first, end=last + 1)  # (2,)


def build_model(network: StyleNetwork, form: GraphForm = GraphForm()) -> onnx.ModelProto:
    """Writes a network as an ONNX model with dynamic batch, height and width.

    Inputs: `frames`, and for `FastNet` without a style in the form also `style` float32
    (N, vector_size), a style vector for each frame. Output: `stylized`, of the frames' shape and type.
    """
    graph = Graph(form)
    inputs = [form.images("frames")]
    if isinstance(network, FastNet):
        if form.style is None:
            inputs.append(helper.make_tensor_value_info("style", TensorProto.FLOAT, ["n", network.vector_size]))
        result = _fast_net(graph, network)
    else:
        result = _transformer_net(graph, network)
    graph.nodes.append(helper.make_node("Identity", [result], ["stylized"]))
    body = helper.make_graph(graph.nodes, network.family, inputs, [form.images("stylized")], graph.weights)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def weights_of(network: StyleNetwork) -> dict[str, Weights]:
    """By their names in PyTorch."""
    return {name: value.detach().float().cpu().numpy() for name, value in network.state_dict().items()}


def _fast_net(graph: Graph, network: FastNet) -> str:
    weights = weights_of(network)
    *modulation_names, share = _split_style(graph, network)
    modulations = iter(list(zip(modulation_names[::2], modulation_names[1::2], strict=True)))

    def normed(features: str, channels: int) -> str:
        return _modulated_norm(graph, features, channels, *next(modulations))

    def conv_norm(features: str, name: str, stride: int = 1) -> str:
        weight = weights[f"{name}.weight"]
        return normed(graph.convolution(features, weight, None, stride), weight.shape[0])

    def residual_blocks(features: str, name: str, count: int) -> str:
        for block in range(count):
            inside = graph.add("Relu", conv_norm(features, f"{name}.{2 * block}"))
            features = graph.add("Add", features, conv_norm(inside, f"{name}.{2 * block + 1}"))
        return features

    padded = graph.padded(network.shape.cell_px, network.shape.min_side_px)
    pixels = graph.pixels(graph.add("Transpose", padded, perm=_TO_CHANNELS_FIRST))
    # The stem sees 0..255 instead of -1..1; its norm removes the offset, and the weights carry the scale.
    stem = by_colour_last(weights["stem.weight"], axis=1) / 127.5
    cells = graph.add("SpaceToDepth", pixels, blocksize=SPACE_TO_DEPTH_PX)  # (N, 48, H/4, W/4)
    features = graph.add("Relu", normed(graph.convolution(cells, stem, None), network.shape.width))
    if network.shape.num_inner_blocks:
        inner = graph.add("Relu", conv_norm(features, "inner_down.0", stride=2))  # (N, inner_width, H/8, W/8)
        inner = residual_blocks(inner, "inner", network.shape.num_inner_blocks)
        seen = _doubled_convolution(graph, inner, weights["inner_up.0.weight"])
        features = graph.add("Add", features, normed(seen, network.shape.width))
    features = residual_blocks(features, "trunk", network.shape.num_blocks)
    doubled = _doubled_convolution(graph, features, weights["head.weight"])
    head = graph.add("Relu", normed(doubled, network.shape.head_width))
    weight = by_colour_last(weights["to_pixels.weight"], axis=0) * 127.5
    stylized = graph.convolution(head, weight, np.full(12, 127.5, np.float32))
    # From here on channels come last, as in the frames themselves: nothing has to be laid out anew.
    whole = graph.laid_out(stylized, 3)  # (N, H, W, 3)
    centred = graph.add("Sub", graph.pixels(padded), graph.constant(127.5, np.float32))
    kept = graph.add("Mul", centred, graph.add("Reshape", share, graph.constant([-1, 1, 1, 1])))
    return graph.images(graph.add("Add", whole, kept))


def _doubled_convolution(graph: Graph, features: str, weight: Weights) -> str:
    """A reflected 3x3 convolution of features doubled by nearest neighbour: (N, C, H, W) to (N, D, 2 H, 2 W).

    A row of the doubled image sees two rows of the features, and the reflected row beyond the
    edge is the edge again. The 2x2 convolution has H + 1 rows: its row i holds the doubled rows
    2 i - 1 and 2 i. So the image that its channels are laid out to has one row too many on
    each side.
    """
    by_place = [weight_of_place(weight, 1 - row, 1 - column) for row in (0, 1) for column in (0, 1)]
    places = graph.convolution(features, np.concatenate(by_place), None, padding="edge")
    doubled = graph.laid_out(places, len(weight))
    inside = graph.add("Slice", doubled, graph.constant([1, 1]), graph.constant([-1, -1]), graph.constant([1, 2]))
    return graph.add("Transpose", inside, perm=_TO_CHANNELS_FIRST)


def weight_of_place(weight: Weights, row: int, column: int) -> Weights:
    """What a 3x3 kernel on doubled features is on the features themselves, at one place of the doubled pixel.

    Args:
        weight: (D, C, 3, 3).
        row: 0 or 1, the place in the doubled pixel.
        column: the same.

    Returns:
        (D, C, 2, 2); its first row lies on the row above where `row` is 0, and on the pixel's own where it is 1.
    """
    folded = np.zeros((*weight.shape[:2], 2, 2), np.float64)
    for i in range(3):
        for j in range(3):
            folded[:, :, (row + i + 1) // 2 - row, (column + j + 1) // 2 - column] += weight[:, :, i, j]
    return folded.astype(np.float32)


def by_colour_last(weight: Weights, axis: int) -> Weights:
    """Reorders channels from colour, row, column (PyTorch's pixel shuffle) to row, column, colour."""
    moved = np.moveaxis(weight, axis, 0)
    cells = moved.reshape(3, -1, *moved.shape[1:]).swapaxes(0, 1).reshape(moved.shape)
    return np.ascontiguousarray(np.moveaxis(cells, 0, axis))


def _modulated_norm(graph: Graph, features: str, channels: int, scale: str, shift: str) -> str:
    """Instance norm with a scale and shift for each frame, each (N * C,).

    The operator has one scale for each channel of all frames, so the frames of a batch
    are laid out as channels of one: (N, C, H, W) is (1, N * C, H, W), and nothing is copied.
    """
    size = graph.add("Shape", features, start=2, end=4)
    joined = graph.add("Concat", graph.constant([1, -1]), size, axis=0)
    apart = graph.add("Concat", graph.constant([-1, channels]), size, axis=0)
    inputs = graph.add("Reshape", features, joined), scale, shift
    return graph.add("Reshape", graph.add("InstanceNormalization", *inputs, epsilon=NORM_EPSILON), apart)


def _split_style(graph: Graph, network: FastNet) -> list[str]:
    """Cuts the style input into scale, shift, scale, shift, ..., each (N * C,), and the photograph's share (N,)."""
    sizes = [c for count in network.norm_channels for c in (count, count)] + [1]
    names = [f"modulation_{i}" for i in range(len(sizes))]
    graph.nodes.append(helper.make_node("Split", [graph.style(), graph.constant(sizes)], names, axis=1))
    return [graph.add("Reshape", name, graph.constant([-1])) for name in names]


def _transformer_net(graph: Graph, network: TransformerNet) -> str:
    weights = weights_of(network)

    def conv_norm(convolution: str, norm: str, features: str, stride: int = 1) -> str:
        convolved = graph.convolution(features, weights[f"{convolution}.conv2d.weight"], None, stride)
        scale = graph.constant(weights[f"{norm}.weight"], np.float32)
        shift = graph.constant(weights[f"{norm}.bias"], np.float32)
        return graph.add("InstanceNormalization", convolved, scale, shift, epsilon=_TRANSFORMER_EPSILON)

    def activated(convolution: str, norm: str, features: str, stride: int = 1) -> str:
        return graph.add("Relu", conv_norm(convolution, norm, features, stride))

    padded = graph.add("Transpose", graph.padded(1, TRANSFORMER_MIN_SIDE_PX), perm=_TO_CHANNELS_FIRST)
    features = activated("conv1", "in1", graph.pixels(padded))
    features = activated("conv2", "in2", features, 2)
    features = activated("conv3", "in3", features, 2)
    for block in ("res1", "res2", "res3", "res4", "res5"):
        inner = activated(f"{block}.conv1", f"{block}.in1", features)
        features = graph.add("Add", conv_norm(f"{block}.conv2", f"{block}.in2", inner), features)
    features = activated("deconv1", "in4", graph.double(features))
    features = activated("deconv2", "in5", graph.double(features))
    pixels = graph.convolution(features, weights["deconv3.conv2d.weight"], weights["deconv3.conv2d.bias"])
    return graph.images(graph.add("Transpose", pixels, perm=_TO_CHANNELS_LAST))
