"""Owns the description of the machine that figures come from.

Must not know what was measured.
"""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from realtime.engines.autotune import cpu_name
from realtime.engines.model_choice import usable_cores
from realtime.errors import OptionError

_PACKAGES = ("torch", "onnxruntime-gpu", "onnxruntime", "openvino", "opencv-python")


def describe_machine() -> dict[str, Any]:
    """Processor, cores in use, memory, GPU, system and versions."""
    import torch

    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **packages,
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
