"""Owns the cluster that a run uses: one that is there, or one of its own that only this machine reaches."""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from neural_style.packages import optional_packages
from realtime.cluster.storage import first_line
from realtime.errors import EngineError, OptionError
from realtime.interrupts import SIGNALS

_CONNECT_LIMIT_S = 5.0
_OBJECT_STORE_BYTES = 80_000_000
_LOOPBACK = "127.0.0.1"
_CURRENT = "ray_current_cluster"
_FOLDER = "stylize-ray-"


class RayCluster:
    """A connection to a cluster.

    Args:
        asked: "auto", or HOST:PORT.
        verbose: show what Ray says.

    Attributes:
        ray: the package.

    Raises:
        MissingPackageError: Ray is not installed.
        OptionError: there is no such cluster.
    """

    def __init__(self, asked: str, verbose: bool) -> None:
        self._address = os.environ.get("RAY_ADDRESS") or _started_here() if asked == "auto" else asked
        self._found = asked == "auto" and not os.environ.get("RAY_ADDRESS")
        self._folder: Path | None = None
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self._address is None:  # Ray's own way to say: no machine but this one, so that every port is the loopback's
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
            os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would let every other program go first
        with optional_packages("--ray"):
            import ray
        self.ray: Any = ray
        try:
            with _handlers_kept():
                self._connect(verbose)
        except SystemExit as told:  # so Ray answers a polite kill while it connects
            self.close()
            raise KeyboardInterrupt from told
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the cluster; one that was there before goes on."""
        with suppress(Exception):  # whatever state it is in, this is the end
            self.ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self, verbose: bool) -> None:
        options: dict[str, Any] = {"log_to_driver": verbose, "logging_level": "INFO" if verbose else "CRITICAL"}
        if self._address is None:
            _remove_leftovers()
            self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=_short_temporary_folder()))
            options |= {
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "_temp_dir": str(self._folder),
            }
        elif _answers_at(self._address):
            options["address"] = "auto" if self._found else self._address  # only so Ray shows its token by itself
        else:
            raise OptionError(
                f"ray {self._address}: nothing answers there; start it with `ray start`, or use --ray auto"
            )
        try:
            self.ray.init(**options)
        except Exception as error:  # of any kind: one that a busy machine has not started in time is a bare Exception
            what = "a local cluster cannot be started" if self._address is None else f"{self._address} cannot be joined"
            token = "" if self._address is None else "; where it asks for a token, set RAY_AUTH_MODE=token"
            raise OptionError(f"ray: {what} ({first_line(error)}){token}; --verbose says more") from error
        if self._address is None and self.ray.util.get_node_ip_address() != _LOOPBACK:
            raise EngineError("ray: others would reach the local cluster, because Ray was imported before this program")


def _started_here() -> str | None:
    """The cluster that `ray start` made on this machine; None where there is none.

    Ray's own "auto" alone would also join the local cluster of another such run.
    """
    known = Path(os.environ.get("RAY_TMPDIR") or "/tmp/ray") / _CURRENT
    with suppress(OSError):
        address = known.read_text(encoding="utf-8").strip()
        if _answers_at(address):
            return address
    return None


def _answers_at(address: str) -> bool:
    """Whether anything listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_LIMIT_S):
            return True
    except (OSError, ValueError):
        return False


def _short_temporary_folder() -> str:
    """Names of sockets may have about a hundred characters, and the usual folder's is long on macOS."""
    return "/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()


def _remove_leftovers() -> None:
    """Removes the folders of runs that were killed."""
    for folder in Path(_short_temporary_folder()).glob(f"{_FOLDER}*-*"):
        number = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray puts handlers of its own in the place of ours."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(ValueError):  # another thread than the main one
                signal.signal(number, handler)
