"""Owns which GPUs this machine has, and why an engine cannot compute on one.

It has to start fast: PyTorch and ONNX Runtime are imported only where there is a GPU and no other reason against it.
"""

import ctypes
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from neural_style.machine import package_versions
from neural_style.packages import install_command
from realtime.engines.cuda_probe import onnx_fault_on_cuda, torch_fault_on_cuda
from realtime.errors import EngineError
from realtime.options import EngineOptions, Precision

_TORCH_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16")
GPU_PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "torch": _TORCH_PRECISIONS,
    "torchscript": _TORCH_PRECISIONS,
    "onnx": ("fp32", "fp16"),
}

_NOTHING_THERE = (34, 100)
"""CUDA_ERROR_STUB_LIBRARY and CUDA_ERROR_NO_DEVICE: no driver, or a driver without a GPU."""
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
"""Numbers of the driver's device attributes."""
_OLDEST_CAPABILITY = (7, 5)
"""Of CUDA 13, which ended support for Maxwell, Pascal and Volta (PyTorch's release matrix)."""
_BF16_CAPABILITY = (8, 0)
"""Of Ampere, the first that computes in bf16; for older ones PyTorch emulates it, slower than fp32."""
_OLDEST_DRIVERS = {12: 525, 13: 580}
"""For every 12.x and 13.x: https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html."""

_Version = tuple[int, int]


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU.

    Attributes:
        name: as its driver has it.
        capability: its compute capability, for example (8, 9).
    """

    name: str
    capability: _Version


@dataclass(frozen=True)
class NvidiaDriver:
    """What the NVIDIA driver answers.

    Attributes:
        gpus: in the order of cuda:0, cuda:1; those that CUDA_VISIBLE_DEVICES hides are left out.
        cuda: the newest CUDA version that it runs.
        error: CUDA's error number where there is a driver that does not work; 0 otherwise.
    """

    gpus: tuple[Gpu, ...] = ()
    cuda: _Version = (0, 0)
    error: int = 0


def ask_driver() -> NvidiaDriver:
    """Asks the driver itself, which is there without any package and takes a fraction of a second."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return NvidiaDriver()
    error = library.cuInit(0)
    if error:
        return NvidiaDriver(error=0 if error in _NOTHING_THERE else error)
    cuda, count = ctypes.c_int(), ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(cuda))
    library.cuDeviceGetCount(ctypes.byref(count))
    gpus = tuple(_ask_gpu(library, number) for number in range(count.value))
    return NvidiaDriver(gpus, (cuda.value // 1000, cuda.value % 1000 // 10))


def _ask_gpu(library: ctypes.CDLL, number: int) -> Gpu:
    name, device = ctypes.create_string_buffer(256), ctypes.c_int()
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.cuDeviceGet(ctypes.byref(device), number)
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
    library.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    return Gpu(name.value.decode(errors="replace"), (major.value, minor.value))


def torch_build() -> tuple[str, _Version | None] | None:
    """PyTorch's version and that of its CUDA (None: built without), read from a file; None where it is not installed.

    The version that pip shows does not say: PyPI's builds for Windows are for CPUs only, and named as those with CUDA.
    """
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^(__version__|cuda)\b[^=\n]*=\s*['\"]([^'\"]+)", text, re.MULTILINE))
    return stated.get("__version__", "?"), _version_of(stated["cuda"]) if "cuda" in stated else None


def gpu_number(engine: str, options: EngineOptions) -> int | None:
    """The number of the GPU that an engine shall compute on; None for the CPU.

    Raises:
        EngineError: a GPU was asked for, and this engine cannot compute on it.
    """
    kind, _, number = options.device.partition(":")
    if kind not in ("auto", "cuda"):
        return None
    fault = gpu_fault(engine, options)
    if not fault:
        return int(number or 0)
    if kind == "auto" and options.provider == "auto":
        return None
    asked = f"device {options.device}" if kind == "cuda" else f"provider {options.provider}"
    raise EngineError(f"{asked}: engine {engine} cannot use {_gpu_name(options)}: {fault}, or use --device cpu")


def only_on_gpu(engine: str, options: EngineOptions) -> str:
    """The message for a precision that only GPUs have, where there is only the CPU."""
    reason = "and the device is cpu" if options.device == "cpu" else f"and {gpu_fault(engine, options)}"
    return f"precision {options.precision}: engine {engine} has it only on a GPU, {reason}"


def unused_gpu(engine: str, options: EngineOptions) -> str:
    """The message where there is a GPU and device "auto" does not use it; "" otherwise."""
    driver = ask_driver()
    if options.device != "auto" or not (driver.gpus or driver.error):
        return ""
    fault = gpu_fault(engine, options)
    return f"{_gpu_name(options)} is not used: {fault}" if fault else ""


def gpu_fault(engine: str, options: EngineOptions) -> str:
    """Why an engine of `GPU_PRECISIONS` cannot compute on the GPU asked for, and what to do; "" where it can."""
    driver, number = ask_driver(), int(options.device.partition(":")[2] or 0)
    if driver.error:
        return f"its driver fails with CUDA error {driver.error}; restart the machine or install the driver again"
    if not driver.gpus:
        return "no NVIDIA driver shows a GPU; where there is one, install its driver"
    if number >= len(driver.gpus):
        there = ", ".join(f"cuda:{place} ({gpu.name})" for place, gpu in enumerate(driver.gpus))
        return f"there is only {there}; use --device cuda:0"
    if options.precision not in ("auto", *GPU_PRECISIONS[engine]):
        has = " or ".join(GPU_PRECISIONS[engine])
        return f"engine {engine} has no {options.precision} there; use --precision {has}"
    gpu = driver.gpus[number]
    if options.precision == "bf16" and gpu.capability < _BF16_CAPABILITY:
        return f"{_too_old('bf16', gpu, _BF16_CAPABILITY)}; use --precision fp16"
    return _onnx_fault(driver, gpu) if engine == "onnx" else _torch_fault(driver, gpu)


def _torch_fault(driver: NvidiaDriver, gpu: Gpu) -> str:
    build = torch_build()
    if build is None:
        return f"PyTorch is not installed; run {install_command('torch')}"
    name, cuda = f"PyTorch {build[0]}", build[1]
    if cuda is None:
        newest = 126 if gpu.capability < _OLDEST_CAPABILITY else 130
        return f"{name} is built without CUDA; run {_torch_command(newest)}"
    if cuda[0] >= 13 and gpu.capability < _OLDEST_CAPABILITY:
        return f"{_too_old(name, gpu)}; run {_torch_command(126)}"
    return _driver_fault(name, driver, cuda) or torch_fault_on_cuda()


def _onnx_fault(driver: NvidiaDriver, gpu: Gpu) -> str:
    import onnxruntime

    name, cuda = f"ONNX Runtime {onnxruntime.__version__}", onnxruntime.cuda_version
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return (
            f"{name} is built without CUDA; run pip uninstall -y onnxruntime onnxruntime-gpu, and then "
            f"pip install 'onnxruntime-gpu[cuda,cudnn]=={onnxruntime.__version__}'"
        )
    if cuda and _version_of(cuda)[0] >= 13 and gpu.capability < _OLDEST_CAPABILITY:
        return f"{_too_old(name, gpu)}; use --engine torch with PyTorch for CUDA 12.6"
    return (_driver_fault(name, driver, _version_of(cuda)) if cuda else "") or onnx_fault_on_cuda()


def _driver_fault(name: str, driver: NvidiaDriver, cuda: _Version) -> str:
    """Why a driver is too old for a package; within a major version of CUDA every driver runs every program."""
    if driver.cuda[0] >= cuda[0]:
        return ""
    oldest = _OLDEST_DRIVERS.get(cuda[0])
    newer = f"to {oldest} or newer" if oldest else "to the newest"
    runs, needs = (f"{major}.{minor}" for major, minor in (driver.cuda, cuda))
    return f"its driver runs CUDA up to {runs} and {name} needs {needs}; update the NVIDIA driver {newer}"


def _too_old(name: str, gpu: Gpu, oldest: _Version = _OLDEST_CAPABILITY) -> str:
    has, needs = (f"{major}.{minor}" for major, minor in (gpu.capability, oldest))
    return f"its compute capability is {has} and {name} needs {needs}"


def _torch_command(cuda: int) -> str:
    """Names builds in full: pip takes an installed one without CUDA, of the same number, for the one with CUDA."""
    installed = package_versions(("torch", "torchvision")).items()
    packages = " ".join(f"{name}=={version.partition('+')[0]}+cu{cuda}" for name, version in installed)
    return f"pip install {packages} --index-url https://download.pytorch.org/whl/cu{cuda}"


def _gpu_name(options: EngineOptions) -> str:
    gpus, number = ask_driver().gpus, int(options.device.partition(":")[2] or 0)
    return f"GPU {gpus[number].name}" if number < len(gpus) else "an NVIDIA GPU"


def _version_of(text: str) -> _Version:
    major, _, rest = text.partition(".")
    return int(major), int(rest.partition(".")[0] or 0)
