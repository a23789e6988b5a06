"""Owns where inputs and results are: a path that every machine sees, or an address such as `s3://bucket/folder`.

A file that is put somewhere appears there when it is whole.
"""

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from neural_style.atomic_file import move_into_place
from neural_style.packages import optional_packages
from realtime.errors import OptionError, SinkError, SourceError

_WHOLE_AT_ONCE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "memory"})
"""Protocols of object stores: an object is there when all of it was sent, and not before."""


_SAME_PROTOCOL = {"s3a": "s3", "gcs": "gs", "abfss": "abfs"}


class Storage(Protocol):
    """A place for files, which are named by their whole addresses."""

    def exists(self, address: str) -> bool:
        """Whether there is a file or folder."""

    def state(self, address: str) -> list[Any]:
        """What changes when a file does, in JSON types; raises SourceError where it cannot be read."""

    def names(self, folder: str) -> set[str]:
        """The names of the files in a folder; none where it is not there."""

    def get(self, address: str, folder: Path) -> Path:
        """Gives a file as one of this machine: itself, or a copy in `folder`."""

    def put(self, file: Path, address: str) -> None:
        """Moves a file there in one step; one that is there is replaced."""

    def place(self, address: str, target: str, replace: bool) -> None:
        """Renames a file; raises FileExistsError where one is there that is not to be replaced."""

    def remove(self, folder: str) -> None:
        """Removes a folder with all that is in it, if it is there."""

    def scratch(self, folder: str) -> Path:
        """Makes a new folder on this machine for what will be `put` into `folder`."""


def is_address(text: str) -> bool:
    """Whether a text is an address of fsspec's and no path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def joined(folder: str, name: str) -> str:
    """The address of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_address(folder) else str(Path(folder) / name)


def parent_and_name(address: str) -> tuple[str, str]:
    """The folder and the name of a file."""
    if is_address(address):
        folder, _, name = address.rpartition("/")
        return folder, name
    return str(Path(address).parent), Path(address).name


def place_of(address: str) -> str:
    """The same text for all ways to write an address or a path, to compare them."""
    protocol, _, rest = address.partition("://") if is_address(address) else ("file", "", address)
    if protocol in ("file", "local"):
        return os.path.realpath(rest)
    return f"{_SAME_PROTOCOL.get(protocol, protocol)}://{re.sub('/+', '/', rest).strip('/')}"


def storage_of(address: str) -> Storage:
    """What holds an address.

    Raises:
        MissingPackageError: fsspec is not installed.
        OptionError: fsspec knows no such protocol, or the package for it is not installed.
    """
    return _Remote(address) if is_address(address) else _Local()


def files_below(address: str) -> list[str]:
    """The names of the files in a folder at an address and in those in it, seen from there; "" is the file itself.

    Raises:
        SourceError: it cannot be read.
    """
    files = _Remote(address).files
    try:
        if not files.isdir(address):
            return [""] if files.exists(address) else []
        folder = str(files._strip_protocol(address)).rstrip("/") + "/"
        return sorted(str(name).removeprefix(folder) for name in files.find(address))
    except Exception as error:
        raise SourceError(f"input {address}: cannot be read ({first_line(error)})") from error


class _Local:
    """Paths."""

    def exists(self, address: str) -> bool:
        return Path(address).exists()

    def state(self, address: str) -> list[Any]:
        try:
            with Path(address).open("rb"):
                status = Path(address).stat()
        except OSError as error:
            raise SourceError(f"input {address}: cannot be read ({error.strerror})") from error
        return [status.st_size, status.st_mtime_ns]

    def names(self, folder: str) -> set[str]:
        try:
            return {path.name for path in Path(folder).iterdir()}
        except OSError:
            return set()

    def get(self, address: str, folder: Path) -> Path:
        return Path(address)

    def put(self, file: Path, address: str) -> None:
        Path(address).parent.mkdir(parents=True, exist_ok=True)
        file.replace(address)

    def place(self, address: str, target: str, replace: bool) -> None:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        move_into_place(Path(address), Path(target), replace)

    def remove(self, folder: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    def scratch(self, folder: str) -> Path:
        path = Path(folder) / f"attempt-{os.getpid()}-{uuid4().hex[:8]}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise SinkError(f"folder {folder}: cannot be written ({error.strerror}); choose another place") from error
        return path


class _Remote:
    """Addresses of one of fsspec's file systems."""

    def __init__(self, address: str) -> None:
        self._protocol = address.partition("://")[0]
        with optional_packages(f"address {address}"):
            import fsspec
        try:
            self.files: Any = fsspec.filesystem(self._protocol)
        except (ValueError, ImportError) as error:
            raise OptionError(
                f"address {address}: {error}; give a path, or install what reads such addresses"
            ) from None

    def exists(self, address: str) -> bool:
        return bool(self.files.exists(address))

    def state(self, address: str) -> list[Any]:
        try:
            info = self.files.info(address)
        except Exception as error:  # each file system has its own
            raise SourceError(f"input {address}: cannot be read ({first_line(error)})") from error
        changed = next(
            (info[name] for name in ("ETag", "etag", "mtime", "created", "LastModified") if name in info), ""
        )
        return [info.get("size"), str(changed)]

    def names(self, folder: str) -> set[str]:
        with suppress(FileNotFoundError, NotADirectoryError):
            self.files.invalidate_cache()  # others write there, too
            return {str(name).rpartition("/")[2] for name in self.files.ls(folder, detail=False)}
        return set()

    def get(self, address: str, folder: Path) -> Path:
        path = folder / address.rpartition("/")[2]
        try:
            self.files.get_file(address, str(path))
        except Exception as error:
            raise SourceError(f"input {address}: cannot be read ({first_line(error)})") from error
        return path

    def put(self, file: Path, address: str) -> None:
        hidden = self._hidden(address)
        try:
            self.files.makedirs(address.rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(file), hidden)
            if hidden != address:
                self.files.mv(hidden, address)
        except Exception as error:
            raise SinkError(
                f"output {address}: cannot be written ({first_line(error)}); choose another place"
            ) from error
        file.unlink()

    def place(self, address: str, target: str, replace: bool) -> None:
        if not replace and self.files.exists(target):
            raise FileExistsError(17, "is there already", target)
        try:
            self.files.mv(address, target)
        except Exception as error:
            raise SinkError(
                f"output {target}: cannot be written ({first_line(error)}); choose another place"
            ) from error

    def remove(self, folder: str) -> None:
        with suppress(FileNotFoundError):
            self.files.rm(folder, recursive=True)

    def scratch(self, folder: str) -> Path:
        return Path(tempfile.mkdtemp(prefix="stylize-"))

    def _hidden(self, address: str) -> str:
        """Where a file is written that has its name only when it is whole."""
        if self._protocol in _WHOLE_AT_ONCE:
            return address
        folder, name = parent_and_name(address)
        return f"{folder}/.{name}.{uuid4().hex[:8]}.partial"


def first_line(error: Exception) -> str:
    """The first line of what a library says is wrong, or the kind of error where it says nothing."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__
