"""Owns the files in which what smoothing remembers is kept, between runs and between parts of a video."""

from pathlib import Path

import numpy as np

from neural_style.atomic_file import whole_file
from realtime.postprocess import Smoothed


def save_smoothed(path: Path, smoothed: Smoothed | None) -> None:
    """Writes what smoothing remembers, or that it remembers nothing; the file is always whole.

    Raises:
        OSError: it cannot be written.
    """
    with whole_file(path) as partial:
        np.savez(partial, **({} if smoothed is None else vars(smoothed)))


def load_smoothed(path: Path) -> Smoothed | None:
    """What `save_smoothed` wrote; None also where there is no file.

    Raises:
        OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile, zlib.error: the file is damaged.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file, np.load(file) as arrays:
        return Smoothed(**arrays) if arrays.files else None
