"""Owns how files appear: written under a hidden name, and renamed once they are whole."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_partials: set[Path] = set()
"""Every partial file and folder of this process, for `remove_partials`."""


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
    except OSError as error:
        if error.filename == str(partial):  # the caller never saw that name
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """Raises OSError when something is there that is no regular file: a rename would replace even a device."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is a folder or a device, not a file", str(path))


def partial_path(path: Path) -> Path:
    """The hidden name beside `path` under which it is written: `.out.1234.partial.mp4` for `out.mp4`."""
    return _remembered(path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}"))


def partial_folder(path: Path) -> Path:
    """The hidden folder beside `path` for what it is made from: `.out.mp4.1234.partial` for `out.mp4`."""
    return _remembered(path.with_name(f".{path.name}.{os.getpid()}.partial"))


def remove_partials() -> None:
    """Removes all partial files and folders of this process, before it ends without unwinding its blocks."""
    for path in _partials:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _remembered(path: Path) -> Path:
    _partials.add(path)
    return path
