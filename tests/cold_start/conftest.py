"""What all tests in fresh processes share: none of those processes outlives its test."""

from collections.abc import Iterator

import psutil
import pytest


@pytest.fixture(autouse=True)
def nothing_runs_on() -> Iterator[None]:
    """Ends what a test that failed has left running."""
    yield
    for child in psutil.Process().children(recursive=True):
        child.kill()
