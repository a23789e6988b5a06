"""What all tests share: `tests/` on the path, so that they find `fakes`, and no screen.

Must not know what is tested.
"""

import os
import tempfile
import threading
from collections.abc import Iterator

import pytest

PIPELINE_THREADS = ("_capture", "_stylize")


def pytest_configure() -> None:
    """Tests neither use nor change what the user's machine remembers of its engines."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        os.environ[name] = tempfile.mkdtemp(prefix="tests-cache-")


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
    return thread.name in PIPELINE_THREADS or thread.name.endswith(" reader")
