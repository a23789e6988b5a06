"""What a style is, and how styles are read from weights files and model files.

Imports no PyTorch: only headers and style vectors are read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from neural_style.errors import CheckpointError
from neural_style.weights.script_format import read_metadata
from realtime.errors import StyleError

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Style:
    """One named look and the files that hold it.

    Attributes:
        name: unique in its catalogue.
        family: "fast" (many styles in one network) or "transformer" (one).
        checkpoint: weights of its network for the torch engine, or None.
        model_file: the exported `.onnx` of its network, or None when there is none.
        content_hash: of the network's weights; empty where the file does not say.
        vector: float32 (vector_size,), what makes the network stylize this style; None where
            the style is in the weights.
        identity: float32 (vector_size,), what makes the same network give back its input; None
            where the file holds none.
        file: where the style itself lies, when not in its network's file.
        parts: names of the styles that it blends; empty for any other.
        fault: why it cannot be used, empty when it can.
        script_file: the TorchScript `.pt` file that holds it, when it is one that the user named.
    """

    name: str
    family: str
    checkpoint: Path | None
    model_file: Path | None
    content_hash: str
    vector: Vector | None = field(default=None, compare=False)
    identity: Vector | None = field(default=None, compare=False)
    file: Path | None = None
    parts: tuple[str, ...] = ()
    fault: str = ""
    script_file: Path | None = None

    @property
    def network(self) -> str:
        """The name of its network: that of the file that holds it."""
        holder = self.checkpoint or self.model_file or self.script_file
        return holder.name.partition(".")[0] if holder is not None else self.family

    @property
    def fades_by_vector(self) -> bool:
        """Whether the network itself can stylize this style at less than its full strength."""
        return self.vector is not None and self.identity is not None

    def vector_at(self, strength: float) -> Vector | None:
        """The vector on the way from the identity (strength 0) to the style (1): float32 (vector_size,).

        Both ends are exact. A style that does not fade by vector has one strength only.
        """
        if self.vector is None or self.identity is None:
            return self.vector
        return np.asarray((1.0 - strength) * self.identity + strength * self.vector, np.float32)


def together(styles: Sequence[Style], strengths: Sequence[float]) -> Style:
    """Styles of one network as one, whose vector has a row for each image of a batch: float32 (N, vector_size).

    Args:
        styles: that fade by vector, one for each image.
        strengths: 0..1, one for each image; engines take the result at strength 1.
    """
    rows = [style.vector_at(strength) for style, strength in zip(styles, strengths, strict=True)]
    vectors = np.stack([row for row in rows if row is not None])
    return replace(styles[0], name=" ".join(style.name for style in styles), vector=vectors, identity=None, parts=())


def styles_of_file(path: Path) -> tuple[Style, ...]:
    """The styles in a `.safetensors`, `.pth`, `.onnx` or TorchScript `.pt` file, in order.

    A single style whose network is missing or was replaced says so in its fault.

    Raises:
        StyleError: the file is damaged or of another kind.
    """
    if path.suffix.lower() == ".pth":
        return (Style(path.stem, "transformer", path, _model_file_beside(path), ""),)
    if path.suffix.lower() == ".onnx":
        return _styles_of_model_file(path)
    if path.suffix.lower() == ".pt":
        return _styles_of_script_file(path)
    return _styles_of_safetensors(path)


def trunk_hash_of(path: Path) -> str:
    """The hash of what all styles of a network share, from its `.safetensors` file; empty when it says none.

    Raises:
        StyleError: the file is damaged.
    """
    return _read_safetensors(path)[0].get("trunk_hash", "")


def _styles_of_safetensors(path: Path) -> tuple[Style, ...]:
    header, vectors, identity_trunk = _read_safetensors(path)
    try:
        names, family = _style_names(header["styles"]), header["family"]
        if family == "style":
            return (_single_style(path, names[0], header, vectors),)
        model_file, content_hash = _model_file_beside(path), header.get("content_hash", "")
        if family != "fast":
            return tuple(Style(name, family, path, model_file, content_hash) for name in names)
        identity = _identity(header, identity_trunk)
        _check_shape(vectors, (len(names), len(identity)))
        return tuple(
            Style(name, family, path, model_file, content_hash, vector, identity)
            for name, vector in zip(names, vectors, strict=True)
        )
    except (LookupError, ValueError, TypeError) as error:
        raise StyleError(f"checkpoint {path}: is damaged or was not written by train_style.py ({error})") from error


def _single_style(path: Path, name: str, header: dict[str, str], vectors: Vector) -> Style:
    """A style of its own file, for the network that lies beside it."""
    trunk = path.with_name(Path(header["trunk"]).name)
    style = Style(name, "fast", trunk, _model_file_beside(trunk), "", file=path)
    if not trunk.is_file():
        return replace(style, fault=f"style {path}: needs its network {trunk}, which is missing; put the two together")
    trunk_header, _, identity_trunk = _read_safetensors(trunk)
    if trunk_header.get("trunk_hash") != header["trunk_hash"]:
        fault = f"style {path}: was trained for another network than {trunk} holds now; remove it"
        return replace(style, fault=f"{fault}, and train it again with train_style.py")
    identity = _identity(trunk_header, identity_trunk)
    _check_shape(vectors, (1, len(identity)))
    return replace(style, content_hash=trunk_header["content_hash"], vector=vectors[0], identity=identity)


def _read_safetensors(path: Path) -> tuple[dict[str, str], Vector, Vector]:
    """The header, the style vectors (n, vector_size) and the trained part of the identity vector; empty when none."""
    empty = np.zeros(0, np.float32)
    try:
        with safe_open(path, framework="numpy") as stored:
            header, keys = stored.metadata() or {}, stored.keys()
            vectors = stored.get_tensor("style_vectors") if "style_vectors" in keys else empty
            identity_trunk = stored.get_tensor("identity_trunk") if "identity_trunk" in keys else empty
    except (SafetensorError, OSError) as error:
        raise StyleError(f"checkpoint {path}: is damaged or is not a safetensors file ({error})") from error
    _check_finite(f"checkpoint {path}", vectors, identity_trunk)
    return header, vectors, identity_trunk


def _identity(header: dict[str, str], identity_trunk: Vector) -> Vector:
    """The vector that gives back the image, as `FastNet.identity_vector`: a silent head, all of the photograph."""
    head_width = int(json.loads(header["shape"])["head_width"])
    return np.concatenate([identity_trunk, np.zeros(2 * head_width), np.ones(1)]).astype(np.float32)


def _check_finite(file: str, *vectors: Vector) -> None:
    if not all(np.isfinite(values).all() for values in vectors):
        raise StyleError(f"{file}: its styles hold NaN or infinite numbers; get the file again, or train it again")


def _check_shape(vectors: Vector, expected: tuple[int, int]) -> None:
    """Refuses what the network would stumble over later, such as files of older networks."""
    if vectors.shape != expected:
        raise ValueError(f"style vectors have shape {vectors.shape} where {expected} is needed")


def _styles_of_model_file(path: Path) -> tuple[Style, ...]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        return _described_styles(metadata, Style("", "", None, path, ""))
    except (DecodeError, OSError, KeyError, ValueError, TypeError) as error:
        raise StyleError(f"model file {path}: is damaged or was not written by export_onnx.py ({error})") from error


def _styles_of_script_file(path: Path) -> tuple[Style, ...]:
    """One that this project did not write has one style, named like the file; the engine may refuse it."""
    holder = Style(path.stem, "torchscript", None, None, "", script_file=path)
    try:
        metadata = read_metadata(path)
        return _described_styles(metadata, holder) if metadata else (holder,)
    except (CheckpointError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, CheckpointError):
            raise StyleError(str(error)) from error
        raise StyleError(f"TorchScript file {path}: is damaged ({error}); write it again") from error


def _described_styles(metadata: Mapping[str, str], holder: Style) -> tuple[Style, ...]:
    """The styles that an exported file says it has, as the metadata of both kinds of file is alike.

    Args:
        metadata: of the file.
        holder: a style with the file that holds them.
    """
    names, family = _style_names(metadata["styles"]), metadata["family"]
    vectors = np.asarray(json.loads(metadata["style_vectors"]), np.float32)
    holder = replace(holder, family=family, content_hash=metadata.get("content_hash", ""))
    if not vectors.size:
        return tuple(replace(holder, name=name) for name in names)
    file = f"model file {holder.model_file or holder.script_file}"
    _check_finite(file, vectors)
    identity = None  # as in files of the first version, which run all the same
    if "identity_vector" in metadata:
        identity = np.asarray(json.loads(metadata["identity_vector"]), np.float32)
        _check_finite(file, identity)
    _check_shape(vectors, (len(names), vectors.shape[-1] if identity is None else len(identity)))
    return tuple(
        replace(holder, name=name, vector=vector, identity=identity)
        for name, vector in zip(names, vectors, strict=True)
    )


def _style_names(text: str) -> list[str]:
    """Reads a JSON list of names; ValueError when it is anything else."""
    names: Any = json.loads(text)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"styles are {text[:40]!r}, not a list of names")
    return names


def _model_file_beside(checkpoint: Path) -> Path | None:
    model_file = checkpoint.with_suffix(".onnx")
    return model_file if model_file.is_file() else None
