"""Owns what `run_webcam.py --check` says of this machine: one screen, with which bug reports start.

No question may fail or hang the others: what cannot be found out says so in its line.
"""

import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from platformdirs import user_cache_path

from neural_style.machine import cpu_has_bf16, cpu_name, package_versions, usable_cores
from neural_style.packages import PROJECT
from realtime.engines import devices
from realtime.options import EngineOptions

_LIMIT_S = 30.0
"""Of one question; PyTorch takes seconds to import."""

_PACKAGES = (
    "torch",
    "onnxruntime-gpu",
    "onnxruntime",
    "openvino",
    "opencv-python",
    "av",
    "numpy",
    "tensorrt-cu13",
    "pyvirtualcam",
    "aiortc",
)
_NO_LOOPBACK = "none: v4l2loopback is not loaded"


def check_machine() -> Iterator[str]:
    """The lines, each when it is known."""
    questions: dict[str, Callable[[], list[str]]] = {
        "python": _python,
        "system": lambda: [platform.platform()],
        "processor": _processor,
        "packages": lambda: [", ".join(f"{name} {version}" for name, version in package_versions(_PACKAGES).items())],
        "gpu": _gpus,
        "on the cpu": _on_cpu,
        "cameras": _cameras,
        "display": _display,
        "virtual camera": _virtual_camera,
        "codecs": _codecs,
        "styles": _styles,
        "cache": _cache,
    }
    for name, ask in questions.items():
        for number, line in enumerate(_answered(ask)):
            yield f"{name if number == 0 else '':<15}{line}"


def _answered(ask: Callable[[], list[str]]) -> list[str]:
    """What a question gives within its time, or why it gives nothing."""
    lines = [f"unknown: no answer within {_LIMIT_S:.0f} s"]

    def work() -> None:
        try:
            lines[:] = ask() or ["none"]
        except Exception as error:  # noqa: BLE001
            said = " ".join(str(error).split())
            lines[:] = [f"unknown: {type(error).__name__}: {said}"[:160]]

    thread = threading.Thread(target=work, daemon=True, name="check")
    thread.start()
    thread.join(_LIMIT_S)
    return list(lines)


def _python() -> list[str]:
    project = package_versions((PROJECT,)).get(PROJECT, "in a clone")
    return [f"{platform.python_version()} at {sys.executable}; {PROJECT} {project}"]


def _processor() -> list[str]:
    memory_gb = psutil.virtual_memory().total / 2**30
    bf16 = "bf16" if cpu_has_bf16() else "no bf16"
    return [f"{cpu_name()}, {usable_cores()} cores for this process, {bf16}, {memory_gb:.0f} GB of memory"]


def _gpus() -> list[str]:
    """Each GPU that the driver shows, and what each engine could do on it."""
    driver = devices.ask_driver()
    if not driver.gpus:
        return [f"none: {devices.gpu_fault('torch', EngineOptions(device='cuda'))}"]
    lines = []
    for number, gpu in enumerate(driver.gpus):
        capability, cuda = (".".join(map(str, version)) for version in (gpu.capability, driver.cuda))
        lines.append(f"cuda:{number} {gpu.name}, compute capability {capability}, driver for CUDA up to {cuda}")
        for engine, precisions in devices.GPU_PRECISIONS.items():
            device = f"cuda:{number}"
            fault = devices.gpu_fault(engine, EngineOptions(device=device))
            able = [p for p in precisions if not devices.gpu_fault(engine, EngineOptions(device=device, precision=p))]
            lines.append(f"  {engine}: {f'cannot use it: {fault}' if fault else ', '.join(able)}")
    return lines


def _on_cpu() -> list[str]:
    installed = package_versions(_PACKAGES)
    bf16 = ", bf16" if cpu_has_bf16() else ""
    able = {
        "openvino": f"int8{bf16}, fp32" if "openvino" in installed else "not installed",
        "onnx": "int8, fp32" if {"onnxruntime", "onnxruntime-gpu"} & installed.keys() else "not installed",
        "torch, torchscript": f"fp32{bf16}" if "torch" in installed else "not installed",
    }
    return ["; ".join(f"{engine}: {precisions}" for engine, precisions in able.items())]


def _cameras() -> list[str]:
    from realtime.sources.cameras import list_cameras

    return list_cameras()


def _display() -> list[str]:
    from realtime.sinks.window import display_is_available

    shown = " ".join(f"{name}={os.environ[name]}" for name in ("DISPLAY", "WAYLAND_DISPLAY") if name in os.environ)
    return [f"{'there is one' if display_is_available() else 'none, a web page is served instead'} {shown}".rstrip()]


def _virtual_camera() -> list[str]:
    if "pyvirtualcam" not in package_versions(("pyvirtualcam",)):
        return ["none: pyvirtualcam is not installed"]
    if sys.platform != "linux":
        return ["pyvirtualcam is installed; whether there is a driver shows when --sink virtual is opened"]
    nodes = sorted(path.name for path in Path("/sys/devices/virtual/video4linux").glob("video*"))
    return [", ".join(f"/dev/{name}" for name in nodes) or _NO_LOOPBACK]


def _codecs() -> list[str]:
    from realtime.errors import OptionError
    from realtime.media.codecs import ENCODERS, find_encoder

    able = []
    for name, encoder in ENCODERS.items():
        try:
            find_encoder(name, encoder.containers[0])
        except OptionError:
            continue
        able.append(f"{name} (where the GPU has it)" if encoder.needs else name)
    return [", ".join(able)]


def _styles() -> list[str]:
    from neural_style.weights import SAVED_MODELS
    from realtime.style_catalogue import load_catalogue

    return [f"{len(load_catalogue())} in {SAVED_MODELS}"]


def _cache() -> list[str]:
    path = user_cache_path(PROJECT)
    nearest = next(folder for folder in (path, *path.parents) if folder.is_dir())
    state = "there" if path.is_dir() else "not made yet"
    return [f"{path}, {state}, {'can be written' if os.access(nearest, os.W_OK) else 'CANNOT BE WRITTEN'}"]
