"""Owns the catalogue of styles: name, family, files, checksum.

Must not know engines, and imports no torch: it reads headers only.
"""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from realtime.errors import StyleError

SAVED_MODELS = Path(__file__).resolve().parent.parent / "saved_models"
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".onnx")


@dataclass(frozen=True)
class Style:
    """One named look and the files that hold it.

    Attributes:
        name: unique in its catalogue.
        family: "fast" (many styles in one network) or "transformer" (one).
        index: its place among the styles of its files.
        checkpoint: weights for the torch engine, or None.
        model_file: the exported `.onnx`, or None when there is none.
        content_hash: of the weights; empty where the file does not say.
    """

    name: str
    family: str
    index: int
    checkpoint: Path | None
    model_file: Path | None
    content_hash: str


@dataclass(frozen=True)
class Catalogue:
    """The styles that can be switched between, in order."""

    styles: tuple[Style, ...]

    def __len__(self) -> int:
        return len(self.styles)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(style.name for style in self.styles)

    def runnable_by(self, engine: str, first: str) -> "Catalogue":
        """The styles whose files an engine can run, so that no key leads to one that it cannot.

        Raises:
            StyleError: the style to begin with is not among them.
        """
        kept = tuple(s for s in self.styles if (s.model_file if engine == "onnx" else s.checkpoint) is not None)
        if first not in [style.name for style in kept]:
            wanted = "model file; write it with export_onnx.py" if engine == "onnx" else "checkpoint"
            raise StyleError(f"style {first!r}: engine {engine} cannot run it, because it has no {wanted}")
        return Catalogue(kept)

    def index_of(self, name: str) -> int:
        """The place of a style.

        Raises:
            StyleError: there is none of this name; the message offers the closest.
        """
        if name in self.names:
            return self.names.index(name)
        close = difflib.get_close_matches(name.lower(), self.names, n=1, cutoff=0.4)
        guess = f"did you mean {close[0]}? " if close else ""
        raise StyleError(f"style {name!r}: there is no such style; {guess}available: {', '.join(self.names)}")


def load_catalogue(folder: Path = SAVED_MODELS) -> Catalogue:
    """Reads the headers of the `.safetensors` files in a folder; `fast.safetensors` comes first.

    Raises:
        StyleError: there is no style, two have one name, or a file is damaged.
    """
    files = sorted(folder.glob("*.safetensors"), key=lambda path: (path.stem != "fast", path.stem))
    styles = tuple(style for path in files for style in _styles_of_safetensors(path))
    names = [style.name for style in styles]
    if not styles:
        raise StyleError(f"folder {folder}: holds no style; train one with train_style.py")
    for style in styles:
        if names.count(style.name) > 1:
            raise StyleError(f"style {style.name!r}: two files in {folder} have it; rename or remove one")
    return Catalogue(styles)


def open_styles(style: str) -> tuple[Catalogue, int]:
    """Finds what `--style` asks for.

    Args:
        style: a name of the catalogue in `saved_models/`, or the path of a
            `.safetensors`, `.pth` or `.onnx` file, which then is the catalogue.

    Returns:
        The catalogue and the place of the style in it; a file starts with its first.

    Raises:
        StyleError: there is no such style or file.
    """
    if not style.lower().endswith(WEIGHT_SUFFIXES):
        catalogue = load_catalogue()
        return catalogue, catalogue.index_of(style)
    path = Path(style)
    if not path.is_file():
        raise StyleError(f"style {style}: no such file; give a file, or a name: {', '.join(load_catalogue().names)}")
    if path.suffix.lower() == ".safetensors":
        return Catalogue(_styles_of_safetensors(path)), 0
    if path.suffix.lower() == ".onnx":
        return Catalogue(_styles_of_model_file(path)), 0
    return Catalogue((Style(path.stem, "transformer", 0, path, _model_file_beside(path), ""),)), 0


def _styles_of_safetensors(path: Path) -> tuple[Style, ...]:
    try:
        with safe_open(path, framework="numpy") as stored:
            header = stored.metadata() or {}
        names, family = _style_names(header["styles"]), header["family"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise StyleError(f"checkpoint {path}: is damaged or was not written by train_style.py ({error})") from error
    model_file = _model_file_beside(path)
    content_hash = header.get("content_hash", "")
    return tuple(Style(name, family, i, path, model_file, content_hash) for i, name in enumerate(names))


def _styles_of_model_file(path: Path) -> tuple[Style, ...]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        names, family = _style_names(metadata["styles"]), metadata["family"]
    except (DecodeError, OSError, KeyError, ValueError) as error:
        raise StyleError(f"model file {path}: is damaged or was not written by export_onnx.py ({error})") from error
    content_hash = metadata.get("content_hash", "")
    return tuple(Style(name, family, i, None, path, content_hash) for i, name in enumerate(names))


def _style_names(text: str) -> list[str]:
    """Reads a JSON list of names; ValueError when it is anything else."""
    names = json.loads(text)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"styles are {text[:40]!r}, not a list of names")
    return names


def _model_file_beside(checkpoint: Path) -> Path | None:
    model_file = checkpoint.with_suffix(".onnx")
    return model_file if model_file.is_file() else None
