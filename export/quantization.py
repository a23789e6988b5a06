"""Owns writing a model with fewer bits: fp16 for GPUs, int8 calibrated on real images."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

Feeds = Sequence[dict[str, NDArray[np.generic]]]

_KEPT_IN_FP32 = ["InstanceNormalization", "Cast", "Clip", "Round", "Sub", "Mul", "Resize"]
"""Norms because fp16 overflows in their sums; the rest because fp16 would round pixels of 0..255."""

_RANGE_PERCENTILE = 99.9
_LARGEST_HALF = float(np.finfo(np.float16).max)
_EQUAL_RANGE = 100.0
"""Far above the norms' epsilon, which therefore changes nothing."""


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convolutions in half precision; norms and pixels stay in single precision, and so do inputs and outputs."""
    model = _named(model)
    _keep_from_overflowing(model)
    halved: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True, op_block_list=_KEPT_IN_FP32)
    _cast_first(halved)
    sort_nodes(halved)
    return halved


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose nodes have names, by which converters tell them apart."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return model


def _keep_from_overflowing(model: onnx.ModelProto) -> None:
    """Makes the weights of the first convolution, which pixels of 0..255 go into, so small that its result fits.

    The norm behind it takes that scale out again.
    """
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == first.input[1])
    weight = numpy_helper.to_array(tensor)
    peak = 255 * np.abs(weight).sum(axis=(1, 2, 3)).max()
    if peak > _LARGEST_HALF:
        scaled = (weight * (_LARGEST_HALF / 2 / peak)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))


def _cast_first(model: onnx.ModelProto) -> None:
    """Makes the first padding work on numbers: ONNX Runtime pads bytes on the CPU only, which a GPU waits for."""
    for place, node in enumerate(model.graph.node):
        if (
            node.op_type == "Pad"
            and node.input[0] == "frames"
            and model.graph.input[0].type.tensor_type.elem_type == (TensorProto.UINT8)
        ):
            node.input[0] = "frames_as_numbers"
            cast = helper.make_node("Cast", ["frames"], ["frames_as_numbers"], "cast_first", to=TensorProto.FLOAT)
            model.graph.node.insert(place, cast)
            del model.graph.value_info[:]  # which say that there are bytes
            return


def sort_nodes(model: onnx.ModelProto) -> None:
    """Puts each node after those whose results it takes, as the standard demands; the converter appends its casts."""
    nodes = list(model.graph.node)
    makers = {name: place for place, node in enumerate(nodes) for name in node.output}
    order = TopologicalSorter(
        {place: [makers[name] for name in node.input if name in makers] for place, node in enumerate(nodes)}
    )
    ordered = [nodes[place] for place in order.static_order()]
    del model.graph.node[:]
    model.graph.node.extend(ordered)


def to_int8(model: onnx.ModelProto, feeds: Feeds, results_too: bool) -> onnx.ModelProto:
    """Makes convolutions work on 8-bit integers; norms, sums and the last pixels stay in floating point.

    Weights get a scale for each output channel, features one for each layer, from the range that they
    have in `feeds`. ONNX Runtime has a fast 8-bit convolution only where the result is 8 bits, too. That
    costs quality, because a result is rounded before its norm stretches it. To lose less, all channels of
    a result are first scaled to the same range; the norm takes that scale out again.

    Args:
        model: in fp32, as `build_model` wrote it.
        feeds: inputs to calibrate with.
        results_too: whether results of convolutions become 8 bits, too, for ONNX Runtime.
    """
    model = _named(model)
    if results_too:
        _equalize(model, feeds)
    extra = {} if results_too else {"OpTypesToExcludeOutputQuantization": ["Conv"]}
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, str(source))
        quantize_static(
            source,
            target,
            _Feeds(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options=extra,
        )
        return onnx.load(str(target))


def _equalize(model: onnx.ModelProto, feeds: Feeds) -> None:
    """Scales the weights of each convolution before a norm so that all channels of its result have one range."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"][:-1]
    probe = onnx.ModelProto.FromString(model.SerializeToString())
    names = [node.output[0] for node in convolutions]
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for feed in feeds:
        for name, result in zip(names, session.run(names, dict(feed)), strict=True):
            ranges[name].append(np.percentile(np.abs(result), _RANGE_PERCENTILE, axis=(0, 2, 3)))
    laid_out = {node.input[0] for node in model.graph.node if node.op_type == "Transpose"}
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in convolutions:
        largest = np.max(ranges[node.output[0]], axis=0)
        if node.output[0] in laid_out:  # four places of one channel, which has one norm
            largest = np.tile(largest.reshape(4, -1).max(axis=0), 4)
        tensor = weights[node.input[1]]
        scaled = numpy_helper.to_array(tensor) * (_EQUAL_RANGE / np.maximum(largest, 1e-6))[:, None, None, None]
        tensor.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), tensor.name))


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: Feeds) -> None:
        self._left: Iterator[dict[str, NDArray[np.generic]]] = iter(feeds)

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        return next(self._left, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantizer advises shape inference, which dynamic sizes have no use for."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
