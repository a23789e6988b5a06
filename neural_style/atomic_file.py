"""Owns how files appear: written under a hidden name, and renamed once they are whole."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_partials: dict[Path, Path | None] = {}
"""Every partial file and folder of this process, for `remove_partials`, and the name of those worth keeping."""


@contextmanager
def whole_file(path: Path, replace: bool = True) -> Iterator[Path]:
    """Gives a name beside `path` to write to, and moves it into place when the block succeeds.

    The temporary name keeps the suffix, so that writers which choose a format by it work.

    Args:
        path: the file.
        replace: whether one that is there is replaced.

    Raises:
        OSError: `path` is a folder or a device, or is there and is not to be replaced, or the move failed; the
            temporary file is removed after any exception.
    """
    check_replaceable(path)
    partial = partial_path(path)
    try:
        yield partial
        move_into_place(partial, path, replace)
    except OSError as error:
        if error.filename == str(partial):  # the caller never saw that name
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def move_into_place(partial: Path, path: Path, replace: bool) -> None:
    """Gives a whole file its name.

    Raises:
        OSError: it cannot be had; FileExistsError where something is there that is not to be replaced.
    """
    if replace:
        partial.replace(path)
        return
    try:
        os.link(partial, path)  # unlike a rename it replaces nothing, whoever else writes there
    except OSError:
        if path.exists() or path.is_symlink():
            raise FileExistsError(errno.EEXIST, "is there already", str(path)) from None
        partial.replace(path)  # a file system without links
    else:
        partial.unlink()


def check_replaceable(path: Path) -> None:
    """Raises OSError when something is there that is no regular file: a rename would replace even a device."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is a folder or a device, not a file", str(path))


def partial_path(path: Path) -> Path:
    """The hidden name beside `path` under which it is written: `.out.1234.partial.mp4` for `out.mp4`."""
    return remember_partial(path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}"))


def partial_folder(path: Path) -> Path:
    """The hidden folder beside `path` for what it is made from: `.out.mp4.1234.partial` for `out.mp4`."""
    return remember_partial(path.with_name(f".{path.name}.{os.getpid()}.partial"))


def remove_partials() -> None:
    """Removes all partial files and folders of this process, before it ends without unwinding its blocks.

    Those that `keep_partial_as` named are of use as they are, and get that name.
    """
    for path, kept in list(_partials.items()):
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif kept is not None and path.is_file():
                move_into_place(path, free_name(kept), replace=False)
            else:
                path.unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """The name itself, or where something is there `out_2.mp4`, `out_3.mp4` and so on for `out.mp4`."""
    free, number = path, 1
    while free.exists() or free.is_symlink():
        number += 1
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return free


def remember_partial(path: Path) -> Path:
    """Counts a file among those that `remove_partials` removes, and gives it back."""
    _partials[path] = None
    return path


def forget_partial(path: Path) -> None:
    """Leaves a file alone from now on."""
    _partials.pop(path, None)


def keep_partial_as(partial: Path, kept: Path) -> None:
    """Should the process end early, an unfinished file is of use, and gets this name, or the next that is free."""
    _partials[partial] = kept
