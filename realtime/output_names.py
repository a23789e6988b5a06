"""Owns which names a run may write: no input's or other output's, only new ones unless asked, one run at a time."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from neural_style.atomic_file import forget_partial, remember_partial
from realtime.errors import OptionError, SinkError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCKED_BYTE = 2**30
"""Far behind the holder's number, so that others can read that where locks keep readers out (Windows)."""


def check_output(name: str, path: Path, inputs: Iterable[Path], others: Iterable[Path], overwrite: bool) -> None:
    """Finds out before a run, and not after it, that a file has nowhere to go.

    Args:
        name: of the option, for messages: "stats".
        path: the file that will be written.
        inputs: what the run reads.
        others: what else it writes.
        overwrite: whether a file that is there may be replaced.

    Raises:
        OptionError: it is an input or another output, it is there already, or it cannot be written there.
    """
    if not path.parent.is_dir():
        raise OptionError(f"{name} {path}: there is no folder {path.parent}; make it, or choose another place")
    if any(is_same_file(path, source) for source in inputs):
        raise OptionError(f"{name} {path}: is an input of this run; choose another name")
    if any(is_same_file(path, other) for other in others):
        raise OptionError(f"{name} {path}: is another output of this run; choose another name")
    if (path.exists() and not path.is_file()) or not os.access(path.parent, os.W_OK):
        raise OptionError(f"{name} {path}: cannot be written there; choose another place")
    if path.exists() and not overwrite:
        raise OptionError(f"{name} {path}: is there already; use --overwrite, or choose another name")


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two names are one file, or would be."""
    with suppress(OSError):
        if one.exists() and other.exists():
            return one.samefile(other)
    return one.resolve() == other.resolve()


@contextmanager
def held_names(paths: Sequence[Path], overwrite: bool) -> Iterator[None]:
    """Inside, no other run of this program writes these files.

    Args:
        paths: the files; their folders are there.
        overwrite: whether those that are there may be replaced.

    Raises:
        SinkError: another run writes one of them, or it came to be there since this run began.
    """
    with ExitStack() as held:
        for path in paths:
            held.callback(NameLock(path).release)
            if path.exists() and not overwrite:
                raise SinkError(f"output {path}: is there already; use --overwrite, or choose another name")
        yield


@contextmanager
def no_empty_folders(paths: Sequence[Path]) -> Iterator[None]:
    """Inside, folders may be made for files; those that are empty afterwards are removed again."""
    made = [folder for path in paths for folder in path.parents if not folder.exists()]
    try:
        yield
    finally:
        for folder in made:
            with suppress(OSError):  # something is in it
                folder.rmdir()


class NameLock:
    """A name that only this run writes, from now until `release` or the end of the process, however it ends.

    A hidden file beside it holds the number of the process; the system's lock on that file is what counts.

    Args:
        path: the name.

    Raises:
        SinkError: another run has it.
    """

    def __init__(self, path: Path) -> None:
        self._lock_path = lock_path(path)
        self._file: int | None = None
        while self._file is None:
            try:
                self._file = _locked(self._lock_path)
            except BlockingIOError as error:
                raise SinkError(
                    f"output {path}: {_holder(self._lock_path)} is writing it; wait until that ends, "
                    "or choose another name"
                ) from error
            except OSError:  # nothing can be written there, which the writer will say, or there are no locks there
                return
        remember_partial(self._lock_path)

    def release(self) -> None:
        """Lets go of the name."""
        if self._file is not None:
            with suppress(OSError):
                if sys.platform != "win32":  # there an open file cannot be removed
                    self._lock_path.unlink(missing_ok=True)
            os.close(self._file)
            with suppress(OSError):
                if sys.platform == "win32":
                    self._lock_path.unlink(missing_ok=True)
            forget_partial(self._lock_path)
            self._file = None


def is_held(path: Path) -> bool:
    """Whether a process that still runs writes a name."""
    if not lock_path(path).exists():
        return False
    try:
        lock = NameLock(path)
    except SinkError:
        return True
    lock.release()
    return False


def lock_path(path: Path) -> Path:
    """The hidden file that is locked while `path` is written."""
    return path.with_name(f".{path.name}.lock")


def _locked(path: Path) -> int | None:
    """An open and locked file with this process's number; None where its last holder removed it meanwhile.

    Raises:
        BlockingIOError: another process has it.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(file)
        if not (path.exists() and os.path.samestat(os.fstat(file), path.stat())):
            os.close(file)
            return None
        with suppress(OSError):  # a full disk: it only tells others who has the lock
            os.ftruncate(file, 0)
            os.write(file, str(os.getpid()).encode())
    except BaseException:
        os.close(file)
        raise
    return file


def _lock(file: int) -> None:
    if sys.platform == "win32":
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
        os.lseek(file, 0, os.SEEK_SET)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(path: Path) -> str:
    try:
        number = path.read_text(encoding="ascii")
    except (OSError, ValueError):
        number = ""
    return f"process {number}" if number.isdecimal() else "another process"
