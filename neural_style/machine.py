"""Owns what is asked of this machine without opening an engine: its CPU, usable cores, versions of packages."""

import os
import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def cpu_name() -> str:
    """The processor's name as far as the system tells."""
    name = re.search(r"^model name\s*:\s*(.+)", _read_cpu_info(), re.MULTILINE)
    return name[1].strip() if name else platform.processor() or platform.machine()


def cpu_has_bf16() -> bool:
    """Whether this CPU computes in bf16. Asks the system, because asking PyTorch takes seconds; only Linux tells."""
    return bool(re.search("avx512_bf16|amx_bf16", _read_cpu_info()))


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _read_cpu_info() -> str:
    return _CPU_INFO.read_text(encoding="utf-8") if _CPU_INFO.is_file() else ""
