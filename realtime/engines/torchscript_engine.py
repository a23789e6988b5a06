"""Owns running networks as TorchScript: those of checkpoints, traced when they are opened, and `.pt` files."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from neural_style.errors import CheckpointError
from neural_style.weights.checkpoint import load_checkpoint
from neural_style.weights.script import loaded, traced
from neural_style.weights.script_format import ScriptFile, read_script_file
from realtime.engines.cuda_runner import Network
from realtime.engines.devices import gpu_number, only_on_gpu
from realtime.engines.torch_engine import TorchEngine
from realtime.errors import EngineError
from realtime.options import EngineName, EngineOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue


class TorchScriptEngine(TorchEngine):
    """Like `TorchEngine`, with networks in TorchScript.

    Args:
        catalogue: the styles to keep loaded; one with neither a checkpoint nor a `.pt` file is left out.
        options: as of `TorchEngine`; a `.pt` file has a precision of its own, which "auto" takes.

    Raises:
        EngineError: the device or precision cannot be had, there is nothing to run, or a file was changed, is older
            or of another origin, and not trusted.
        CheckpointError: a checkpoint cannot be read.
    """

    name: ClassVar[EngineName] = "torchscript"

    def __init__(self, catalogue: Catalogue, options: EngineOptions) -> None:
        paths = dict.fromkeys(style.script_file for style in catalogue.styles if style.script_file is not None)
        self._files = {path: _read(path, options) for path in paths}
        super().__init__(catalogue, _in_precision_of(self._files, options))

    def _load_networks(self, catalogue: Catalogue) -> dict[Path, Network]:
        networks: dict[Path, Network] = {}
        for path, file in self._files.items():
            try:
                networks[path] = loaded(file, str(self._device))
            except CheckpointError as error:
                raise EngineError(f"TorchScript file {path}: {error}") from error
        for style in catalogue.styles:
            checkpoint = style.checkpoint
            if checkpoint is not None and checkpoint not in networks and not style.fault:
                networks[checkpoint] = traced(load_checkpoint(checkpoint).to(self._device), self._precision)
        return networks

    def _path_of(self, style: Style) -> Path:
        path = style.script_file or style.checkpoint
        if path is None or path not in self._networks:
            raise EngineError(
                f"engine torchscript: style {style.name!r} has neither a checkpoint nor a .pt file; use --engine onnx"
            )
        return path


def _read(path: Path, options: EngineOptions) -> ScriptFile:
    try:
        return read_script_file(path, options.trust)
    except CheckpointError as error:
        raise EngineError(str(error)) from error


def _in_precision_of(files: dict[Path, ScriptFile], options: EngineOptions) -> EngineOptions:
    """The options with the precision that a file has; another one cannot be had of it."""
    for path, file in files.items():
        if options.precision not in ("auto", file.precision):
            raise EngineError(
                f"precision {options.precision}: TorchScript file {path} is in {file.precision}; "
                f"leave --precision out, or write another with export_onnx.py --torchscript --precision "
                f"{options.precision}"
            )
        options = replace(options, precision=file.precision)  # type: ignore[arg-type]
        if file.precision == "fp16" and options.device != "mps" and gpu_number("torchscript", options) is None:
            raise EngineError(
                f"TorchScript file {path}: {only_on_gpu('torchscript', options)}; write another with "
                "export_onnx.py --torchscript --precision fp32"
            )
    return options
