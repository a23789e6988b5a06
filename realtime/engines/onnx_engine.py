"""Owns running exported model files with ONNX Runtime.

Must not know sources, sinks or keys, and does not import torch: it has to start fast.
"""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from platformdirs import user_cache_path

from realtime.engines.devices import gpu_number, only_on_gpu
from realtime.engines.model_choice import model_file_of, no_model_file, read_model_files, usable_cores
from realtime.engines.protocol import EngineInfo, no_memory, rows_of
from realtime.engines.shape_cache import ShapeCache
from realtime.errors import EngineError
from realtime.options import EngineOptions, Precision, ProviderName
from realtime.style_catalogue import Catalogue, Style

_ERRORS_ONLY, _FATAL_ONLY = 3, 4
_SMALLEST = (1, 16, 16, 3)
"""A batch that costs next to nothing, for a session's first run."""

_NO_MEMORY = ("out of memory", "failed to allocate memory")
_CPU, _CUDA, _TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_INSTALL = {
    _CUDA: "pip install 'onnxruntime-gpu[cuda,cudnn]'",
    _TENSORRT: "pip install tensorrt 'onnxruntime-gpu[cuda,cudnn]'",
}


class OnnxEngine:
    """Keeps one session for each model file of a catalogue.

    Args:
        catalogue: the styles to keep loaded; one without a model file is left out.
        options: device, provider and precision; "auto" is fp32 on a CPU, and on a GPU fp16
            where the styles have files for it.

    Raises:
        EngineError: the device, provider or precision cannot be had, or a model file
            is missing, damaged or older than its checkpoint.
    """

    def __init__(self, catalogue: Catalogue, options: EngineOptions) -> None:
        if options.precision == "bf16":
            raise EngineError("precision bf16: engine onnx has fp32, fp16, int8; use one of them, or --engine torch")
        device, number = _device(options)
        self._provider = _provider(device, options.provider)
        self._wanted = _precision(options, device, catalogue)
        if device == "cuda":
            onnxruntime.preload_dlls()  # finds the CUDA libraries that pip installed
        files = read_model_files(catalogue, "onnx", self._wanted)
        self._sessions = {path: self._session(path, file.content, number) for path, file in files.items()}
        stated = next(iter(files.values())).precision
        self._info = EngineInfo("onnx", device if device == "cpu" else f"{device}:{number}", stated, self._provider)
        self._shapes = ShapeCache(lambda key: [files[key[0]].vector_size], self._run_once)
        if self._provider == _CPU:  # here, on one thread, and not by two threads that stylize at once
            for path in files:
                self._run_once((path, _SMALLEST), files[path].vector_size)

    @property
    def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return self._info

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`."""
        return self._shapes.prepare((self._path_of(style), shape))

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`."""
        path = self._path_of(style)
        if self._provider != _CPU:  # a CPU takes any size as it comes, and a second run would cost as much again
            self._shapes.prepare((path, images.shape))
        return self._run(path, images, style.vector_at(strength))

    def _path_of(self, style: Style) -> Path:
        path = model_file_of(style, "onnx", self._wanted)
        if path is None or path not in self._sessions:
            raise no_model_file(style, "onnx")
        return path

    def _run_once(self, key: tuple[Path, tuple[int, ...]], vector_size: int) -> None:
        path, shape = key
        self._run(path, np.zeros(shape, np.uint8), np.zeros(vector_size, np.float32) if vector_size else None)

    def _run(self, path: Path, images: NDArray[np.uint8], vector: NDArray[np.float32] | None) -> NDArray[np.uint8]:
        inputs: dict[str, NDArray[np.generic]] = {"frames": images}
        if vector is not None:
            inputs["style"] = rows_of(vector, len(images))
        try:
            (stylized,) = self._sessions[path].run(None, inputs)
        except Exception as error:
            if any(words in str(error).lower() for words in _NO_MEMORY):
                raise no_memory(self._info, images.shape) from error
            raise EngineError(f"engine onnx: {path.name} failed on {images.shape}: {error}") from error
        return np.asarray(stylized, np.uint8)

    def close(self) -> None:
        """See `Engine.close`."""
        self._sessions.clear()

    def _session(self, path: Path, content: bytes, device_number: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        # Threads that spin between frames would take the cores from capture, encoder and display.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _ERRORS_ONLY if self._provider == _CPU else _FATAL_ONLY
        try:
            session = onnxruntime.InferenceSession(
                content, options, _with_settings(self._provider, device_number, self._wanted)
            )
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise EngineError(f"model file {path}: cannot be loaded with {self._provider} ({reason})") from error
        offered = session.get_providers()[0]
        if offered != self._provider:
            raise EngineError(
                f"provider {self._provider}: ONNX Runtime could not start it and offered {offered}; "
                f"install the libraries it needs with {_INSTALL[self._provider]}, or use --device cpu"
            )
        return session


def _provider(device: str, wanted: ProviderName) -> str:
    """ONNX Runtime's name of what runs on a device."""
    if device == "cpu":
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


def _precision(options: EngineOptions, device: str, catalogue: Catalogue) -> Precision:
    """What files are read in; "auto" on a GPU is fp16 where every style has such a file."""
    wanted = options.precision
    if wanted == "auto":
        files = [model_file_of(style, "onnx", "fp16") for style in catalogue.styles if not style.fault]
        has_fp16 = device != "cpu" and all(file is not None and file.is_file() for file in files)
        return "fp16" if has_fp16 else "fp32"
    if wanted == "fp16" and device == "cpu":
        raise EngineError(f"{only_on_gpu('onnx', options)}; use --precision fp32 or int8")
    return wanted


def _with_settings(provider: str, device_number: int, precision: Precision) -> list[tuple[str, dict[str, object]]]:
    """The providers to ask for, in order: what TensorRT has no kernel for runs with CUDA."""
    if provider == _CPU:
        return [(_CPU, {})]
    cuda: tuple[str, dict[str, object]] = (_CUDA, {"device_id": device_number})
    if provider == _CUDA:
        return [cuda]
    engines = user_cache_path("neural-style-live") / "tensorrt"  # building one takes a minute for each size of frame
    engines.mkdir(parents=True, exist_ok=True)
    settings = {"device_id": device_number, "trt_engine_cache_enable": True, "trt_engine_cache_path": str(engines)}
    return [(_TENSORRT, settings | {"trt_fp16_enable": precision == "fp16"}), cuda]


def _device(options: EngineOptions) -> tuple[str, int]:
    """The device's kind and number."""
    if options.device == "mps":
        raise EngineError("device mps: not with engine onnx; use --engine torch or --device cpu")
    number = gpu_number("onnx", options)
    return ("cpu", 0) if number is None else ("cuda", number)
