"""Owns how a file appears: under its name only when it is whole.

Must not know what is written.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a name beside `path` to write to, and moves it into place when the block succeeds.

    The temporary name keeps the suffix, so that writers which choose a format by it work.

    Raises:
        OSError: `path` is a folder or a device, or the move failed; the temporary file is
            removed after any exception.
    """
    check_replaceable(path)
    partial = partial_path(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """Raises OSError when something is there that is no regular file: a rename would replace even a device."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is a folder or a device, not a file", str(path))


def partial_path(path: Path) -> Path:
    """The hidden name beside `path` under which it is written: `.out.1234.partial.mp4` for `out.mp4`."""
    return path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
