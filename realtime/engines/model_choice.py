"""Owns which model file an engine runs for a style, and that it fits the style before it is loaded.

Must not know any runtime.
"""

import os
import sys
from pathlib import Path

from neural_style.errors import CheckpointError
from neural_style.weights.onnx_format import ModelFile, read_model_file
from realtime.errors import EngineError
from realtime.options import Precision
from realtime.style_catalogue import Catalogue, Style

_SUFFIXES = {
    ("openvino", "int8"): ".int8.onnx",
    ("onnx", "int8"): ".int8-ort.onnx",
    ("onnx", "fp16"): ".fp16.onnx",
}
_RUNTIMES = {"openvino": "openvino", "onnx": "onnxruntime"}


def model_file_of(style: Style, engine: str, precision: Precision) -> Path | None:
    """The file that an engine runs in a precision, whether it is there or not; None where the style has none.

    A model file that the user named is run as it is.
    """
    suffix = _SUFFIXES.get((engine, precision))
    if style.model_file is None or style.checkpoint is None or suffix is None:
        return style.model_file
    return style.model_file.with_suffix(suffix)


def read_model_files(catalogue: Catalogue, engine: str, precision: Precision) -> dict[Path, ModelFile]:
    """Reads and checks the model files of all styles that have one.

    Args:
        catalogue: the styles.
        engine: "onnx" or "openvino".
        precision: "int8", and "fp16" with ONNX Runtime, take the files made for it, any other those in fp32.

    Raises:
        EngineError: there is none, one is missing, damaged, refused, or older than its checkpoint.
    """
    files: dict[Path, ModelFile] = {}
    for style in catalogue.styles:
        path = model_file_of(style, engine, precision)
        if path is not None and path not in files and not style.fault:
            files[path] = _read(path, style, engine, precision)
    if not files:
        raise no_model_file(catalogue.styles[0], engine)
    return files


def _read(path: Path, style: Style, engine: str, precision: Precision) -> ModelFile:
    command = f"python export_onnx.py --style {path.parent / path.name.partition('.')[0]}.safetensors"
    if (engine, precision) in _SUFFIXES:
        command += f" --precision {precision}" + (f" --runtime {_RUNTIMES[engine]}" if precision == "int8" else "")
        if not path.is_file():
            raise EngineError(
                f"precision {precision}: there is no {path}; write it with {command}, or use another --precision"
            )
    try:
        file = read_model_file(path)
    except CheckpointError as error:
        raise EngineError(str(error)) from error
    if style.content_hash and file.metadata.get("content_hash") != style.content_hash:
        raise EngineError(f"model file {path}: is not from the checkpoint beside it; write it again with {command}")
    return file


def no_model_file(style: Style, engine: str) -> EngineError:
    """What to tell where a style has no model file."""
    return EngineError(
        f"engine {engine}: style {style.name!r} has no model file; write it with "
        f"python export_onnx.py --style {style.checkpoint}, or use --engine torch"
    )


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
