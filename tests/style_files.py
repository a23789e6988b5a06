"""Writes small weights files with headers and style vectors, for the tests of the catalogue.

Must not know what is tested.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

HEAD_WIDTH = 2
TRUNK_SIZE = 3
VECTOR_SIZE = TRUNK_SIZE + 2 * HEAD_WIDTH + 1
IDENTITY_TRUNK = [5.0, 6.0, 7.0]
IDENTITY = [*IDENTITY_TRUNK, 0.0, 0.0, 0.0, 0.0, 1.0]


def vector(value: float) -> NDArray[np.float32]:
    """A style vector of one value: float32 (VECTOR_SIZE,)."""
    return np.full(VECTOR_SIZE, value, np.float32)


def write_network(path: Path, styles: list[str], trunk_hash: str = "trunk", content_hash: str = "content") -> Path:
    """A network whose first style vector is all ones, the second all twos, and so on."""
    tensors = {
        "style_vectors": np.stack([vector(number) for number in range(1, len(styles) + 1)]),
        "identity_trunk": np.array(IDENTITY_TRUNK, np.float32),
    }
    shape = json.dumps({"width": 4, "num_blocks": 1, "head_width": HEAD_WIDTH})
    return write_header(path, styles, "fast", tensors, shape=shape, trunk_hash=trunk_hash, content_hash=content_hash)


def write_style(
    path: Path, name: str, value: float, trunk: str = "fast.safetensors", trunk_hash: str = "trunk"
) -> Path:
    """A single style for a network beside it, with a vector of one value."""
    tensors = {"style_vectors": vector(value)[None]}
    return write_header(path, [name], "style", tensors, trunk=trunk, trunk_hash=trunk_hash, content_hash="own")


def write_header(path: Path, styles: Any, family: str, tensors: dict[str, Any] | None = None, **header: str) -> Path:
    """Any weights file."""
    text = styles if isinstance(styles, str) else json.dumps(styles)
    save_file(tensors or {"weight": np.zeros(1, np.float32)}, str(path), {"styles": text, "family": family, **header})
    return path
