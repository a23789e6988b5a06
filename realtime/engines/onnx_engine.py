"""Owns running exported model files with ONNX Runtime.

Must not import torch: it has to start fast.
"""

import importlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from platformdirs import user_cache_path

from neural_style.machine import usable_cores
from neural_style.packages import PROJECT
from neural_style.weights.onnx_format import ModelFile
from realtime.engines.devices import gpu_number, only_on_gpu
from realtime.engines.gpu_memory import is_out_of_memory
from realtime.engines.model_choice import ModelFiles, model_file_of, model_inputs
from realtime.engines.protocol import EngineInfo, no_memory
from realtime.engines.shape_cache import ShapeCache
from realtime.errors import EngineError
from realtime.options import EngineOptions, Precision, ProviderName
from realtime.style import Style
from realtime.style_catalogue import Catalogue

_ERRORS_ONLY, _FATAL_ONLY = 3, 4
_SMALLEST = (1, 16, 16, 3)
"""A batch that costs next to nothing, for a session's first run."""

_GIVE_BACK_MEMORY = ("memory.enable_memory_arena_shrinkage", "cpu:0")
_CPU, _CUDA, _TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_INSTALL = {
    _CUDA: "pip install 'onnxruntime-gpu[cuda,cudnn]'",
    _TENSORRT: "pip install 'tensorrt-cu13<11' 'onnxruntime-gpu[cuda,cudnn]'",  # it is linked to libnvinfer.so.10
}
_TENSORRT_SHAPES = {"min": (1, 16, 16), "opt": (1, 720, 1280), "max": (4, 1088, 1920)}
"""N, H and W of the batches that one TensorRT engine is built for; without, each new size is another build."""

_Key = tuple[Path, tuple[int, ...]]
_Providers = list[tuple[str, dict[str, object]]]
_Session: TypeAlias = "onnxruntime.InferenceSession"


class OnnxEngine:
    """Keeps one session for each model file of a catalogue.

    Args:
        catalogue: the styles to keep loaded; one without a model file is left out.
        options: device, provider and precision; "auto" is fp32 on a CPU, and on a GPU fp16
            where the styles have files for it.

    Attributes:
        info: see `Engine.info`.

    Raises:
        EngineError: the device, provider or precision cannot be had, or a model file
            is missing, damaged or older than its checkpoint.
    """

    def __init__(self, catalogue: Catalogue, options: EngineOptions) -> None:
        if options.precision == "bf16":
            raise EngineError("precision bf16: engine onnx has fp32, fp16, int8; use one of them, or --engine torch")
        if options.device == "mps":
            raise EngineError("device mps: not with engine onnx; use --engine torch or --device cpu")
        number = gpu_number("onnx", options)
        self._provider = _provider(options.provider, number is not None)
        precision = _precision(options, number is not None, catalogue)
        if number is not None:
            onnxruntime.preload_dlls()  # finds the CUDA libraries that pip installed
        if self._provider == _TENSORRT:
            _load_tensorrt(precision)
        self._files = ModelFiles(catalogue, "onnx", precision)
        self._sessions = {
            path: _open_session(path, file, _with_settings(self._provider, number, precision, file.vector_size))
            for path, file in self._files.by_path.items()
        }
        device = "cpu" if number is None else f"cuda:{number}"
        self.info = EngineInfo("onnx", device, self._files.stated_precision, self._provider)
        self._shapes: ShapeCache[_Key, _Session] = ShapeCache(
            lambda key: [lambda: self._sessions[key[0]]], self._run_once
        )
        if self._provider == _CPU:  # here, on one thread, and not by two threads that stylize at once
            for path, session in self._sessions.items():
                self._run_once((path, _SMALLEST), session)

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`."""
        if self._provider == _TENSORRT:
            shape = (min(shape[0], _TENSORRT_SHAPES["max"][0]), *shape[1:])
        return self._shapes.prepare((self._files.path_of(style), shape))

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`; a single image is not prepared for: a second run would cost as much again."""
        path, inputs = self._files.path_of(style), model_inputs(images, style.vector_at(strength))
        if self._provider == _CUDA:  # two threads must not be the first in there
            self._shapes.prepare((path, _SMALLEST))
        if self._provider != _TENSORRT:
            return self._run(path, inputs)
        _check_tensorrt_takes(images.shape)
        most = _TENSORRT_SHAPES["max"][0]
        parts = [
            {name: value[first : first + most] for name, value in inputs.items()}
            for first in range(0, len(images), most)
        ]
        return np.concatenate([self._run(path, part) for part in parts])

    def release_unprepared(self) -> None:
        """See `KeepsShapes`."""
        self._shapes.drop_unprepared()
        if self._provider == _CPU:  # what another batch held when an image was done is given back after this one
            for path in self._sessions:
                self._run(path, self._files.warm_up_inputs(path, _SMALLEST))

    def close(self) -> None:
        """See `Engine.close`."""
        self._sessions.clear()

    def _run_once(self, key: _Key, _: _Session) -> None:
        self._run(key[0], self._files.warm_up_inputs(*key))

    def _run(self, path: Path, inputs: dict[str, NDArray[np.generic]]) -> NDArray[np.uint8]:
        run_options = onnxruntime.RunOptions()
        if self._provider == _CPU and not self._shapes.was_prepared((path, inputs["frames"].shape)):
            run_options.add_run_config_entry(*_GIVE_BACK_MEMORY)  # an image that comes once
        try:
            (stylized,) = self._sessions[path].run(None, inputs, run_options)
        except Exception as error:
            shape = inputs["frames"].shape
            if is_out_of_memory(error):
                raise no_memory(self.info, shape) from error
            raise EngineError(f"engine onnx: {path.name} failed on {shape}: {error}") from error
        return np.asarray(stylized, np.uint8)


def _open_session(path: Path, file: ModelFile, providers: _Providers) -> _Session:
    """Loads a model file; raises EngineError where the first provider does not start."""
    wanted = providers[0][0]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    # Threads that spin between frames would take the cores from capture, encoder and display.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY if wanted == _CPU else _FATAL_ONLY
    try:
        session = onnxruntime.InferenceSession(file.content, options, providers)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"model file {path}: cannot be loaded with {wanted} ({reason})") from error
    offered = session.get_providers()[0]
    if offered != wanted:
        raise EngineError(
            f"provider {wanted}: ONNX Runtime could not start it and offered {offered}; "
            f"install the libraries it needs with {_INSTALL[wanted]}, or use --device cpu"
        )
    session.disable_fallback()  # else a GPU that fails in a run is quietly replaced by the CPU
    return session


def _load_tensorrt(precision: Precision) -> None:
    """Loads what pip installed, whose folder ONNX Runtime does not search; a system's own is found by itself."""
    with suppress(ImportError):
        importlib.import_module("tensorrt")
    if precision == "fp32":
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # there is no option for it


def _check_tensorrt_takes(shape: tuple[int, ...]) -> None:
    (_, *least), (_, *most) = _TENSORRT_SHAPES["min"], _TENSORRT_SHAPES["max"]
    if not all(low <= side <= high for low, side, high in zip(least, shape[1:3], most, strict=True)):
        raise EngineError(
            f"provider tensorrt: frames of {shape[2]}x{shape[1]}: allowed are {least[1]}x{least[0]} to "
            f"{most[1]}x{most[0]}; use another --size, or --provider cuda"
        )


def _provider(wanted: ProviderName, on_gpu: bool) -> str:
    """ONNX Runtime's name of what runs there."""
    if not on_gpu:
        if wanted != "auto":
            raise EngineError(
                f"provider {wanted}: needs an NVIDIA GPU, and device cpu was chosen; leave --provider out"
            )
        return _CPU
    provider = _TENSORRT if wanted == "tensorrt" else _CUDA
    if provider not in onnxruntime.get_available_providers():
        raise EngineError(
            f"provider {wanted}: this ONNX Runtime was built without {provider}; {_INSTALL[provider]}, or use "
            "--provider cuda"
        )
    return provider


def _precision(options: EngineOptions, on_gpu: bool, catalogue: Catalogue) -> Precision:
    """What files are read in; "auto" on a GPU is fp16 where every style has such a file."""
    wanted = options.precision
    if wanted == "auto":
        files = [model_file_of(style, "onnx", "fp16") for style in catalogue.styles if not style.fault]
        has_fp16 = on_gpu and all(file is not None and file.is_file() for file in files)
        return "fp16" if has_fp16 else "fp32"
    if wanted == "fp16" and not on_gpu:
        raise EngineError(f"{only_on_gpu('onnx', options)}; use --precision fp32 or int8")
    return wanted


def _with_settings(provider: str, device_number: int | None, precision: Precision, vector_size: int) -> _Providers:
    """The providers to ask for, in order: what TensorRT has no kernel for runs with CUDA."""
    if provider == _CPU:
        return [(_CPU, {})]
    # TF32 has the ten bits of fp16: it is not what fp32 promises.
    exact: dict[str, object] = {"use_tf32": "0"} if precision == "fp32" else {}
    cuda: tuple[str, dict[str, object]] = (_CUDA, {"device_id": device_number} | exact)
    if provider == _CUDA:
        return [cuda]
    engines = user_cache_path(PROJECT) / "tensorrt"  # building one takes minutes
    engines.mkdir(parents=True, exist_ok=True)
    settings: dict[str, object] = {
        "device_id": device_number,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(engines),
        "trt_fp16_enable": precision == "fp16",
    }
    for name, (count, height, width) in _TENSORRT_SHAPES.items():
        shapes = f"frames:{count}x{height}x{width}x3" + (f",style:{count}x{vector_size}" if vector_size else "")
        settings[f"trt_profile_{name}_shapes"] = shapes
    return [(_TENSORRT, settings), cuda]
