"""Owns how a result gets its name, when it is whole, from a run that took long."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neural_style.atomic_file import check_replaceable, move_into_place, move_to_free_name, partial_path
from realtime.errors import SinkError


@contextmanager
def whole_output(path: Path, overwrite: bool) -> Iterator[Path]:
    """Gives a hidden name beside `path` to write to, and moves it into place when the block succeeds.

    What took long is not lost where another program has made a file of that name meanwhile: both stay.

    Args:
        path: the file.
        overwrite: whether one that is there is replaced.

    Raises:
        OSError: `path` is a folder or a device, or the move failed.
        SinkError: there is such a file now; it stays, and the result has the name that the message says.
    """
    check_replaceable(path)
    partial = partial_path(path)
    try:
        yield partial
        if overwrite:
            move_into_place(partial, path, replace=True)
            return
        named = move_to_free_name(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if named != path:
        raise SinkError(f"output {path}: another program made it during the run, and it stays; the result is {named}")
