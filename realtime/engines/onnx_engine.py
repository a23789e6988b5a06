"""Owns running exported model files with ONNX Runtime.

Must not know sources, sinks or keys, and does not import torch: it has to start fast.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from realtime.engines.model_files import model_file_of, no_model_file, read_model_files, usable_cores
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError
from realtime.options import EngineOptions
from realtime.styles import Catalogue, Style

_ERRORS_ONLY, _FATAL_ONLY = 3, 4
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEngine:
    """Keeps one session for each model file of a catalogue.

    Args:
        catalogue: the styles to keep loaded; one without a model file is left out.
        options: device and precision; "auto" is fp32.

    Raises:
        EngineError: the device, provider or precision cannot be had, or a model file
            is missing, damaged or older than its checkpoint.
    """

    def __init__(self, catalogue: Catalogue, options: EngineOptions) -> None:
        precision = "fp32" if options.precision == "auto" else options.precision
        if precision not in ("fp32", "int8"):
            raise EngineError(
                f"precision {precision}: engine onnx has fp32 and int8 only; use --engine torch or openvino for others"
            )
        device, number = _device(options.device)
        self._wanted, self._provider = precision, _PROVIDERS[device]
        if device == "cuda":
            onnxruntime.preload_dlls()  # finds the CUDA libraries that pip installed
        files = read_model_files(catalogue, "onnx", precision)
        self._sessions = {path: self._session(path, file.content, number) for path, file in files.items()}
        stated = next(iter(files.values())).precision
        self._info = EngineInfo("onnx", device if device == "cpu" else f"{device}:{number}", stated, self._provider)

    @property
    def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return self._info

    def stylize(self, pictures: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`."""
        path = model_file_of(style, "onnx", self._wanted)
        if path is None or path not in self._sessions:
            raise no_model_file(style, "onnx")
        inputs: dict[str, NDArray[np.generic]] = {"frames": pictures}
        vector = style.vector_at(strength)
        if vector is not None:
            inputs["style"] = np.repeat(vector[None], len(pictures), axis=0)  # (N, vector_size)
        try:
            (stylized,) = self._sessions[path].run(None, inputs)
        except Exception as error:
            raise EngineError(f"engine onnx: {path.name} failed on {pictures.shape}: {error}") from error
        return np.asarray(stylized, np.uint8)

    def close(self) -> None:
        """See `Engine.close`."""
        self._sessions.clear()

    def _session(self, path: Path, content: bytes, device_number: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        # Threads that spin between frames would take the cores from capture, encoder and display.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _ERRORS_ONLY if self._provider == _PROVIDERS["cpu"] else _FATAL_ONLY
        provider = (self._provider, {"device_id": device_number} if "CUDA" in self._provider else {})
        try:
            session = onnxruntime.InferenceSession(content, options, [provider])
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise EngineError(f"model file {path}: cannot be loaded with {self._provider} ({reason})") from error
        if session.get_providers()[0] != self._provider:
            raise EngineError(
                f"provider {self._provider}: ONNX Runtime could not start it and offered {session.get_providers()[0]}; "
                "install the CUDA and cuDNN libraries it needs, or use --device cpu"
            )
        return session


def _device(name: str) -> tuple[str, int]:
    """The device's kind and number; "auto" is CUDA where a driver answers."""
    kind, _, number = name.partition(":")
    if kind == "mps":
        raise EngineError("device mps: not with engine onnx; use --engine torch or --device cpu")
    if kind == "cpu" or (kind == "auto" and not cuda_is_available()):
        return "cpu", 0
    if not cuda_is_available():
        raise EngineError(
            f"device {name}: no NVIDIA driver answers, or this ONNX Runtime has no CUDA provider; "
            "use --device cpu, or install the driver and onnxruntime-gpu"
        )
    return "cuda", int(number or 0)


def cuda_is_available() -> bool:
    """Whether the CUDA provider is worth trying: it exists, and the driver counts a device.

    Asking the driver first keeps ONNX Runtime from printing errors where there is none.
    """
    if _PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        return False
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
