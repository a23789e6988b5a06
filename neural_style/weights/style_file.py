"""Owns how weights files are written, and single styles, without PyTorch; `checkpoint` writes networks with it."""

import errno
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from neural_style.atomic_file import whole_file

Arrays = Mapping[str, NDArray[np.float32]]


def hash_of_arrays(arrays: Arrays) -> str:
    """SHA-256 over names, shapes and float32 values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{tuple(arrays[name].shape)}".encode())
        digest.update(np.asarray(arrays[name], np.float32).tobytes())
    return digest.hexdigest()


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], header: dict[str, str], replace: bool = True) -> None:
    """Writes a safetensors file that appears only when whole, and that may be read by whom other new files may be read.

    Args:
        path: ends in `.safetensors`.
        arrays: by name.
        header: what the file says of them.
        replace: whether a file that is there may be replaced.

    Raises:
        OSError: the file cannot be written, or is there and may not be replaced.
    """
    try:
        with whole_file(path, replace=replace) as partial:
            partial.touch()
            usual = partial.stat().st_mode
            save_file(dict(arrays), str(partial), metadata=header)
            partial.chmod(usual)  # safetensors makes files that nobody else may read
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(path)) from error


def save_style_vector(
    path: Path, vector: NDArray[np.float32], credit: Mapping[str, str], trunk: Path, trunk_hash: str
) -> None:
    """Writes a style as `neural_style.weights.checkpoint.save_style` does; it replaces no file.

    Args:
        path: ends in `.safetensors`.
        vector: float32 (vector_size,).
        credit: name, source and licence of the style.
        trunk: the checkpoint of its network; the style lies beside it.
        trunk_hash: that the checkpoint states.

    Raises:
        OSError: the file cannot be written, or is there already.
    """
    arrays = {"style_vectors": np.ascontiguousarray(vector[None], np.float32)}
    header = {
        "family": "style",
        "trunk": trunk.name,
        "trunk_hash": trunk_hash,
        "styles": json.dumps([credit["name"]]),
        "credits": json.dumps([dict(credit)]),
        "training": json.dumps({"network": "style", "start": "predicted"}),
        "content_hash": hash_of_arrays(arrays),
    }
    write_arrays(path, arrays, header, replace=False)
