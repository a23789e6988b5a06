"""Owns which model file an engine runs for a style, and that it fits the style before it is loaded."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neural_style.errors import CheckpointError
from neural_style.packages import export_command
from neural_style.weights.onnx_format import ModelFile, read_model_file
from realtime.engines.protocol import vector_per_image
from realtime.errors import EngineError
from realtime.options import Precision
from realtime.style import Style
from realtime.style_catalogue import Catalogue

_SUFFIXES = {("openvino", "int8"): ".int8.onnx", ("onnx", "int8"): ".int8-ort.onnx", ("onnx", "fp16"): ".fp16.onnx"}
_RUNTIMES = {"openvino": "openvino", "onnx": "onnxruntime"}


def model_file_of(style: Style, engine: str, precision: Precision) -> Path | None:
    """The file that an engine runs in a precision, whether it exists or not; None where the style has none.

    A model file that the user named is run as it is.
    """
    suffix = _SUFFIXES.get((engine, precision))
    if style.model_file is None or style.checkpoint is None or suffix is None:
        return style.model_file
    return style.model_file.with_suffix(suffix)


class ModelFiles:
    """The model files of all styles of a catalogue that have one, read and checked.

    Args:
        catalogue: the styles.
        engine: "onnx" or "openvino".
        precision: "int8", and "fp16" with ONNX Runtime, take the files made for it, any other those in fp32.

    Attributes:
        by_path: at least one.

    Raises:
        EngineError: there is none, one is missing, damaged, refused, or older than its checkpoint.
    """

    def __init__(self, catalogue: Catalogue, engine: str, precision: Precision) -> None:
        self._engine, self._precision = engine, precision
        self.by_path: dict[Path, ModelFile] = {}
        for style in catalogue.styles:
            path = model_file_of(style, engine, precision)
            if path is not None and path not in self.by_path and not style.fault:
                self.by_path[path] = self._read(path, style)
        if not self.by_path:
            raise self._missing(catalogue.styles[0])

    @property
    def stated_precision(self) -> str:
        """What the files say that they are in: "fp32", "fp16" or "int8"."""
        return next(iter(self.by_path.values())).precision

    def path_of(self, style: Style) -> Path:
        """The file that holds the network of a style; raises EngineError where there is none."""
        path = model_file_of(style, self._engine, self._precision)
        if path is None or path not in self.by_path:
            raise self._missing(style)
        return path

    def warm_up_inputs(self, path: Path, shape: tuple[int, ...]) -> dict[str, NDArray[np.generic]]:
        """What a runtime is given for its first run of a shape (N, H, W, 3): black frames."""
        size = self.by_path[path].vector_size
        return model_inputs(np.zeros(shape, np.uint8), np.zeros(size, np.float32) if size else None)

    def _read(self, path: Path, style: Style) -> ModelFile:
        engine, precision = self._engine, self._precision
        command = f"{export_command()} --style {path.parent / path.name.partition('.')[0]}.safetensors"
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

    def _missing(self, style: Style) -> EngineError:
        return EngineError(
            f"engine {self._engine}: style {style.name!r} has no model file; write it with "
            f"{export_command()} --style {style.checkpoint}, or use --engine torch"
        )


def model_inputs(images: NDArray[np.uint8], vector: NDArray[np.float32] | None) -> dict[str, NDArray[np.generic]]:
    """What a runtime is given: uint8 (N, H, W, 3) RGB, and the style vectors of a network that takes them."""
    inputs: dict[str, NDArray[np.generic]] = {"frames": np.ascontiguousarray(images)}
    return inputs if vector is None else inputs | {"style": vector_per_image(vector, len(images))}
