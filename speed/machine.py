"""Owns the description of the machine that the benchmark runs on, and how many of its cores are used."""

import os
import platform
import subprocess
import sys
from contextlib import suppress
from typing import Any

import psutil

from neural_style.machine import cpu_name, package_versions, usable_cores
from realtime.engines.devices import ask_driver
from realtime.errors import OptionError

_PACKAGES = ("torch", "onnxruntime-gpu", "onnxruntime", "openvino", "opencv-python")


def describe_machine() -> dict[str, Any]:
    """Processor, cores in use, memory, GPU, system and versions."""
    import torch

    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **package_versions(_PACKAGES),
    }


def describe_gpu() -> dict[str, Any]:
    """CUDA, cuDNN and driver that are used, and the state of the GPU as `nvidia-smi` has it where it is installed."""
    import torch

    driver = ask_driver()
    asked = ["driver_version", "clocks.sm", "clocks.max.sm", "power.draw", "power.limit", "temperature.gpu"]
    state = dict.fromkeys(asked, "unknown")
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(
            ["nvidia-smi", f"--query-gpu={','.join(asked)}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        state = dict(zip(asked, told.stdout.splitlines()[0].split(", "), strict=True))
    return {
        "cuda": torch.version.cuda or "none",
        "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        "driver's cuda": ".".join(map(str, driver.cuda)),
        **state,
    }


def use_cores(count: int) -> None:
    """Keeps this process and those that it starts on so many cores.

    Raises:
        OptionError: there are fewer, or this system cannot do it.
    """
    if sys.platform != "linux":
        raise OptionError(f"threads {count}: only Linux can keep a process on some cores; leave --threads out")
    cores = sorted(os.sched_getaffinity(0))
    if count > len(cores):
        raise OptionError(f"threads {count}: this process may use {len(cores)} cores")
    os.sched_setaffinity(0, cores[:count])
