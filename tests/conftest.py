"""What all tests share: `tests/` on the path, so that they find `fakes`, and no screen.

Must not know what is tested.
"""

import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from neural_style.telemetry import switch_off_telemetry

PIPELINE_THREADS = ("_capture", "_feed", "_collect")


_CACHE = tempfile.TemporaryDirectory(prefix="tests-cache-")


def pytest_configure() -> None:
    """Tests neither use nor change what the user's machine remembers of its engines."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        os.environ[name] = _CACHE.name
    if "PYTEST_XDIST_WORKER" in os.environ:  # PyTorch's threads wait for each other where processes share the cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    switch_off_telemetry()  # tests import runtimes before they import ours


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files come first; what needs a GPU is skipped on machines without one, asked only when a test needs it."""
    _sort_files(items)
    wanting = [item for item in items if item.get_closest_marker("needs_cuda") is not None]
    if wanting:
        import torch

        if not torch.cuda.is_available():
            for item in wanting:
                item.add_marker(pytest.mark.skip(reason="PyTorch finds no NVIDIA GPU"))


def _sort_files(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, those with few tests before others: so processes that share them end together.

    xdist's own order is the opposite, and its last file is one test of a minute.
    """
    counts = Counter(item.path for item in items)
    slow_files = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: (item.path not in slow_files, counts[item.path]))


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Fails a test that leaves a thread of a pipeline or camera behind."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in set(threading.enumerate()) - before if _belongs_to_us(thread)]
    for thread in left:
        thread.join(timeout=2.0)
    still = [thread.name for thread in left if thread.is_alive()]
    assert not still, f"threads left behind: {still}"


def _belongs_to_us(thread: threading.Thread) -> bool:
    return thread.name in PIPELINE_THREADS or thread.name.startswith("engine_") or thread.name.endswith(" reader")
