"""Owns giving memory back to the system after large images: glibc keeps it else, other C libraries do not."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

_M_ARENA_MAX = -8


def use_one_arena() -> None:
    """Has all threads take memory from one arena; call it before there are threads.

    `malloc_trim` leaves up to 64 MB at the end of each other arena, and each thread may have one of its own.
    """
    with suppress(OSError, AttributeError, TypeError):
        _c_library().mallopt(_M_ARENA_MAX, 1)


@contextmanager
def memory_given_back() -> Iterator[None]:
    """After work on large images, gives what they took back to the system."""
    try:
        yield
    finally:
        with suppress(OSError, AttributeError, TypeError):
            _c_library().malloc_trim(0)


@cache
def _c_library() -> ctypes.CDLL:
    """Of this process; raises OSError or TypeError where it has no name."""
    return ctypes.CDLL(None)
