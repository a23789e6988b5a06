"""Owns how a file appears: under its name only when it is whole.

Must not know what is written.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a name beside `path` to write to, and moves it into place when the block succeeds.

    The temporary name keeps the suffix, so that writers which choose a format by it work.

    Raises:
        OSError: the move failed; the temporary file is removed after any exception.
    """
    partial = partial_path(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """The hidden name beside `path` under which it is written: `.out.1234.partial.mp4` for `out.mp4`."""
    return path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
