"""Owns the checks of an exported model file before it is run: unchanged, self-contained, known operators only."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from neural_style.errors import CheckpointError

_PIXELS = {"Cast", "Clip", "Transpose", "SpaceToDepth", "Resize", "Pad", "Slice", "Round"}
_NUMBERS = {"Add", "Sub", "Mul", "Div", "Neg", "Max", "Mod", "Relu", "Conv", "InstanceNormalization"}
_SHAPES = {"Shape", "Reshape", "Concat", "Split", "Expand", "Identity"}
OPERATORS = frozenset(_PIXELS | _NUMBERS | _SHAPES | {"QuantizeLinear", "DequantizeLinear"})
"""All that exported models are made of; each is in the ONNX standard."""

_NO_DIGEST = b"0" * 64
_SEALED = re.compile(rb"\x0a\x06sha256\x12@([0-9a-f]{64})")  # a metadata entry as protobuf writes it: key, value
_BYTES = [TensorProto.UINT8, [None, None, None, 3]]


@dataclass(frozen=True)
class ModelFile:
    """A model file that was checked.

    Attributes:
        content: the bytes that were checked, for a runtime to load.
        metadata: what the file says of itself.
        vector_size: values of a style vector; 0 where the style is part of the model.
        precision: "fp32", "fp16" or "int8".
    """

    content: bytes
    metadata: dict[str, str]
    vector_size: int
    precision: str


def seal(model: onnx.ModelProto) -> bytes:
    """The bytes of a model file that hold the SHA-256 of themselves, with zeros in its place."""
    entry = model.metadata_props.add()
    entry.key, entry.value = "sha256", _NO_DIGEST.decode()
    content = model.SerializeToString(deterministic=True)
    digest = hashlib.sha256(content).hexdigest().encode()
    return _SEALED.sub(lambda found: found[0].replace(_NO_DIGEST, digest), content, count=1)


def read_model_file(path: Path) -> ModelFile:
    """Reads a file that `export_onnx.py` wrote, for engines: bytes in, bytes out.

    Raises:
        CheckpointError: it cannot be read, was changed, needs other files, has an operator that no
            exported model has, holds NaN or infinite numbers, or has other inputs and outputs than engines
            give and take.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"model file {path}: cannot be read ({error.strerror})") from error
    sealed = _SEALED.search(content)
    if sealed is None:
        raise _refused(path, "has no check sum, so it is of an older version or not written by export_onnx.py")
    zeroed = content[: sealed.start(1)] + _NO_DIGEST + content[sealed.end(1) :]
    if hashlib.sha256(zeroed).hexdigest().encode() != sealed[1]:
        raise _refused(path, "was changed after it was written")
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise _refused(path, "is damaged") from error
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    _check_operators(path, model)
    _check_self_contained(path, model)
    _check_finite(path, model)
    return ModelFile(content, metadata, _checked_vector_size(path, model, metadata), metadata.get("precision", "fp32"))


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    if model.functions:
        raise _refused(path, "defines operators of its own")
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            name = f"{node.domain}.{node.op_type}".lstrip(".")
            raise _refused(path, f"has the operator {name}, which no exported model has")


def _check_self_contained(path: Path, model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise _refused(path, f"keeps the weights {tensor.name} in another file")
    if model.graph.sparse_initializer:
        raise _refused(path, "holds sparse weights, which no exported model has")


def _check_finite(path: Path, model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if not np.isfinite(numpy_helper.to_array(tensor)).all():
            raise _refused(path, f"holds NaN or infinite numbers in {tensor.name}")


def _checked_vector_size(path: Path, model: onnx.ModelProto, metadata: dict[str, str]) -> int:
    signature = {value.name: _type_of(value) for value in [*model.graph.input, *model.graph.output]}
    names = [value.name for value in model.graph.input], [value.name for value in model.graph.output]
    size = 0
    if "style" in names[0]:
        size = len(json.loads(metadata.get("identity_vector", "[]")))
        if signature["style"] != [TensorProto.FLOAT, [None, size]] or not size:
            raise _refused(path, f"takes a style of another shape than its own styles have ({size} values)")
    wanted = ["frames", "style"] if size else ["frames"]
    if names != (wanted, ["stylized"]) or signature["frames"] != _BYTES or signature["stylized"] != _BYTES:
        raise _refused(path, "does not take and give uint8 (N, H, W, 3), as engines do; export it without --float")
    return size


def _type_of(value: onnx.ValueInfoProto) -> list[object]:
    tensor = value.type.tensor_type
    sides = [side.dim_value if side.HasField("dim_value") else None for side in tensor.shape.dim]
    return [tensor.elem_type, sides]


def _refused(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"model file {path}: {reason}; write it again with export_onnx.py")
