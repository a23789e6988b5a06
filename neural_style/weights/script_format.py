"""Owns the checks of a TorchScript file before it is loaded: unchanged, and made of known calls only.

A TorchScript file is code. Imports no PyTorch.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from neural_style.errors import CheckpointError

FORMAT_VERSION = 1
METADATA = "style.json"
"""The name of the extra file in which a TorchScript file says what it is."""

_OPERATORS = ["_convolution", "instance_norm", "relu", "pad", "pixel_shuffle", "pixel_unshuffle", "upsample_nearest2d"]
_NUMBERS = ["add", "sub", "mul", "div", "neg", "remainder", "to"]
_SHAPES = ["size", "slice", "select", "expand", "unsqueeze", "split_with_sizes"]
CALLS = frozenset({f"torch.{name}" for name in _OPERATORS + _NUMBERS + _SHAPES} | {"ops.prim.NumToTensor"})
"""All that our networks' code calls."""

_NOT_SEALED = (f"extra/{METADATA}", ".data/serialization_id")
"""The seal itself, and a number that PyTorch makes of the names of all parts, those of the seal among them."""

_CALL = re.compile(r"\b((?:torch|ops)(?:\.\w+)+)\(")


@dataclass(frozen=True)
class ScriptFile:
    """A TorchScript file that was checked, or is trusted.

    Attributes:
        content: the bytes that were checked, for PyTorch to load.
        metadata: what the file says of itself; empty for one of another origin.
    """

    content: bytes
    metadata: dict[str, str]

    @property
    def precision(self) -> str:
        """The number format of its weights; "fp32" where the file does not say."""
        return self.metadata.get("precision", "fp32")

    @property
    def vector_size(self) -> int:
        """Values of a style vector; 0 where the file takes none."""
        return len(json.loads(self.metadata.get("identity_vector", "[]")))

    @property
    def min_side_px(self) -> int:
        """The smallest side that it takes."""
        return int(self.metadata.get("min_side_px", "1"))


def metadata_with_seal(content: bytes, metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata to write into a file, with the SHA-256 of all else in it and of the metadata itself.

    Args:
        content: of the file without metadata.
        metadata: what to say of it.
    """
    stated = {**metadata, "format": str(FORMAT_VERSION)}
    return {**stated, "sha256": _digest(_entries(content), stated)}


def read_metadata(path: Path) -> dict[str, str]:
    """What a TorchScript file says of itself, not checked; empty where it says nothing.

    Raises:
        CheckpointError: it cannot be read, or is no TorchScript file.
    """
    return _stated(path, _read(path)[1])


def read_script_file(path: Path, trust: bool = False) -> ScriptFile:
    """Reads a file that `export_onnx.py --torchscript` wrote.

    Args:
        path: the file.
        trust: also take one that was changed, is of an older version or of another origin.

    Raises:
        CheckpointError: it cannot be read, is no TorchScript file, or is not trusted.
    """
    content, entries = _read(path)
    metadata = _stated(path, entries)
    if trust:
        return ScriptFile(content, metadata)
    if "sha256" not in metadata or metadata.get("format") != str(FORMAT_VERSION):
        raise _refused(path, "has no check sum of this version, so it is older or not written by export_onnx.py")
    stated = {name: value for name, value in metadata.items() if name != "sha256"}
    if _digest(entries, stated) != metadata["sha256"]:
        raise _refused(path, "was changed after it was written")
    foreign = sorted(_calls(entries) - CALLS)
    if foreign:
        raise _refused(path, f"calls {foreign[0]}, which no exported network does")
    return ScriptFile(content, metadata)


def _read(path: Path) -> tuple[bytes, dict[str, bytes]]:
    """A file's bytes, and the parts of the archive that it is, by their names without the first folder."""
    try:
        content = path.read_bytes()
        entries = _entries(content)
    except OSError as error:
        raise CheckpointError(f"TorchScript file {path}: cannot be read ({error.strerror})") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"TorchScript file {path}: is damaged or is none; write it again") from error
    if not any(name.startswith("code/") for name in entries):
        raise CheckpointError(
            f"TorchScript file {path}: holds no code, so it is none; weights end in .safetensors or .pth"
        )
    return content, entries


def _entries(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {"/".join(PurePosixPath(name).parts[1:]): archive.read(name) for name in archive.namelist()}


def _stated(path: Path, entries: Mapping[str, bytes]) -> dict[str, str]:
    try:
        metadata = json.loads(entries.get(f"extra/{METADATA}", b"{}"))
    except ValueError as error:
        raise CheckpointError(f"TorchScript file {path}: is damaged; write it again") from error
    return {str(name): str(value) for name, value in metadata.items()} if isinstance(metadata, dict) else {}


def _digest(entries: Mapping[str, bytes], stated: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(dict(sorted(stated.items()))).encode())
    for name in sorted(entries):
        if name not in _NOT_SEALED:
            digest.update(f"\0{name}\0{len(entries[name])}\0".encode())
            digest.update(entries[name])
    return digest.hexdigest()


def _calls(entries: Mapping[str, bytes]) -> set[str]:
    """The functions of PyTorch that the code in a file calls."""
    code = [value for name, value in entries.items() if name.startswith("code/") and name.endswith(".py")]
    return {call for text in code for call in _CALL.findall(text.decode(errors="replace"))}


def _refused(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"TorchScript file {path}: {reason}; it is code, so write it again with export_onnx.py --torchscript, "
        "or use --trust if you know where it comes from"
    )
