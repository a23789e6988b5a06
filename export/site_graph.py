"""Owns the graph of a site's model: one image, floats in cells of pixels in and out, operators that browsers run.

What surrounds the network in other model files is left to the page, which has pixels in its own form anyway: to
lay them out in cells, to add the share of the photograph, to round. So no operator is left that WebGPU lacks
(bytes), and none that needs the shape of an image.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.graph import OPSET, Graph, GraphForm, Weights, by_colour_last, weight_of_place, weights_of
from neural_style.networks.fast_net import NORM_EPSILON, SPACE_TO_DEPTH_PX, FastNet

_IR_VERSION = 10


def build_site_model(network: FastNet) -> onnx.ModelProto:
    """Writes a network without inner blocks as an ONNX model for ONNX Runtime Web.

    Weights of convolutions are stored as float16 and computed with as float32.

    Inputs: `cells`, float32 (1, 48, rows, columns), 0..255, RGB: pixel (y, x) of the padded image is
    in cell (y // 4, x // 4), channel ((y % 4) * 4 + x % 4) * 3 + colour; at least two rows and columns.
    `style`, float32 (vector_size,). Output: `stylized`, float32 (1, 12, 2 rows, 2 columns), in cells of 2x2
    likewise. The image is `stylized + share * (pixel - 127.5)`, where the share is the last number of the style.

    Raises:
        ValueError: the network has inner blocks.
    """
    if network.shape.num_inner_blocks:
        raise ValueError("the network has inner blocks, and is too large for a page")
    graph, weights = Graph(GraphForm()), weights_of(network)
    modulations = _split_style(graph, network)

    def normed(features: str) -> str:
        return graph.add("InstanceNormalization", features, next(modulations), next(modulations), epsilon=NORM_EPSILON)

    def conv_norm(features: str, name: str) -> str:
        return normed(graph.convolution(features, weights[f"{name}.weight"], None))

    # The stem sees 0..255 instead of -1..1, as in other model files.
    stem = by_colour_last(weights["stem.weight"], axis=1) / 127.5
    features = graph.add("Relu", normed(graph.convolution("cells", stem, None)))
    for block in range(network.shape.num_blocks):
        inside = graph.add("Relu", conv_norm(features, f"trunk.{2 * block}"))
        features = graph.add("Add", features, conv_norm(inside, f"trunk.{2 * block + 1}"))
    head = graph.add("Relu", normed(_doubled_convolution(graph, features, weights["head.weight"])))
    to_pixels = by_colour_last(weights["to_pixels.weight"], axis=0) * 127.5
    graph.convolution(head, to_pixels, np.full(12, 127.5, np.float32))
    return _in_half(_model(graph, network.vector_size))


def _split_style(graph: Graph, network: FastNet) -> Iterator[str]:
    """The names of scale, shift, scale, shift, ..., each (C,).

    They are slices because WebGPU cannot write as many results at once as a split would have.
    """
    start = 0
    for channels in (count for count in network.norm_channels for _ in range(2)):
        yield graph.add("Slice", "style", graph.constant([start]), graph.constant([start + channels]))
        start += channels


def _doubled_convolution(graph: Graph, features: str, weight: Weights) -> str:
    """A reflected 3x3 convolution of doubled features, as `export.graph` does it, laid out by one operator."""
    by_place = [weight_of_place(weight, 1 - row, 1 - column) for row in (0, 1) for column in (0, 1)]
    places = graph.convolution(features, np.concatenate(by_place), None, padding="edge")
    doubled = graph.add("DepthToSpace", places, blocksize=2)
    return graph.add("Slice", doubled, graph.constant([1, 1]), graph.constant([-1, -1]), graph.constant([2, 3]))


def _model(graph: Graph, vector_size: int) -> onnx.ModelProto:
    graph.nodes[-1].output[0] = "stylized"
    cells = helper.make_tensor_value_info("cells", TensorProto.FLOAT, [1, 3 * SPACE_TO_DEPTH_PX**2, "rows", "columns"])
    style = helper.make_tensor_value_info("style", TensorProto.FLOAT, [vector_size])
    stylized = helper.make_tensor_value_info("stylized", TensorProto.FLOAT, [1, 12, "rows_doubled", "columns_doubled"])
    body = helper.make_graph(graph.nodes, "site", [cells, style], [stylized], graph.weights)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)


def _in_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores the weights of convolutions in half precision; runtimes widen them once, when they load the model."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    casts = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            tensor = weights[node.input[1]]
            half = f"{tensor.name}_half"
            casts.append(helper.make_node("Cast", [half], [tensor.name], to=TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), half))
    for place, cast in enumerate(casts):
        model.graph.node.insert(place, cast)
    onnx.checker.check_model(model, full_check=True)
    return model
