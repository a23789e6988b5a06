"""Tests of what a model file must be before anything runs it.

Must not run one.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from export.exporter import export_network
from export.graph import GraphForm, build_model
from neural_style.errors import CheckpointError
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.onnx_format import OPERATORS, read_model_file, seal


@pytest.fixture
def network() -> FastNet:
    torch.manual_seed(0)
    return FastNet(("waves",), FastNetShape(width=8, num_blocks=1, head_width=4)).eval().requires_grad_(False)


@pytest.fixture
def exported(network: FastNet, tmp_path: Path) -> Path:
    export_network(network, tmp_path / "a.onnx")
    return tmp_path / "a.onnx"


def test_an_exported_file_is_taken_as_it_is(exported: Path, network: FastNet) -> None:
    file = read_model_file(exported)
    assert file.content == exported.read_bytes()
    assert (file.vector_size, file.precision) == (network.vector_size, "fp32")


def test_every_changed_byte_is_noticed(exported: Path) -> None:
    content = exported.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(content), 60):
        changed = bytearray(content)
        changed[place] ^= 1
        exported.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"was changed|has no check sum"):
            read_model_file(exported)


@pytest.mark.parametrize("length", [0, 10, 1000])
def test_a_part_of_a_file_is_refused(exported: Path, length: int) -> None:
    exported.write_bytes(exported.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="write it again"):
        read_model_file(exported)


def _foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def _unused_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Loop"


def _own_function(model: onnx.ModelProto) -> None:
    model.functions.add().name = "mine"


def _external_data(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret.bin"


def _another_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def _another_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


def _another_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "another"


def _another_vector(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 3


def _no_number(model: onnx.ModelProto) -> None:
    weight = next(tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    values = numpy_helper.to_array(weight).copy()
    values.flat[-1] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


CHANGES = {
    _foreign_operator: "operator com.microsoft",
    _unused_operator: "operator Loop",
    _own_function: "operators of its own",
    _external_data: "in another file",
    _another_input: "does not take and give",
    _another_type: "does not take and give",
    _another_output: "does not take and give",
    _another_vector: "style of another shape",
    _no_number: "NaN or infinite numbers",
}


@pytest.mark.parametrize(("change", "said"), CHANGES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_no_exported_file_has_is_refused(
    exported: Path, change: Callable[[onnx.ModelProto], None], said: str
) -> None:
    model = onnx.load(exported)
    metadata = {entry.key: entry.value for entry in model.metadata_props if entry.key != "sha256"}
    change(model)
    helper.set_model_props(model, metadata)
    exported.write_bytes(seal(model))
    with pytest.raises(CheckpointError, match=said) as refused:
        read_model_file(exported)
    assert str(exported) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_floats_are_for_other_programs(network: FastNet, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(seal(build_model(network, GraphForm(floats=True))))
    with pytest.raises(CheckpointError, match=r"style of another shape|without --float"):
        read_model_file(tmp_path / "a.onnx")


def test_all_operators_of_exported_models_are_known(network: FastNet) -> None:
    used = {
        node.op_type
        for model in (
            build_model(network),
            build_model(network, GraphForm(floats=True, style=np.zeros(network.vector_size, np.float32))),
            build_model(TransformerNet("udnie").eval()),
        )
        for node in model.graph.node
    }
    assert used <= OPERATORS
    assert {"QuantizeLinear", "DequantizeLinear"} == OPERATORS - used


def test_sealing_changes_nothing_else(network: FastNet) -> None:
    model = build_model(network)
    before = [numpy_helper.to_array(tensor).copy() for tensor in model.graph.initializer]
    sealed = onnx.load_model_from_string(seal(model))
    assert all(
        np.array_equal(a, numpy_helper.to_array(b)) for a, b in zip(before, sealed.graph.initializer, strict=True)
    )
