"""The catalogue of styles, and what `--style` asks of it: names, images, blends, lists, files. Imports no PyTorch."""

import difflib
import re
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import cast

from neural_style.weights import SAVED_MODELS
from neural_style.weights.predictor import PREDICTOR_FILE
from realtime.errors import StyleError
from realtime.media.image_file import IMAGE_SUFFIXES
from realtime.options import NetworkName
from realtime.style import Style, styles_of_file
from realtime.style_blend import blend, style_of_image
from realtime.style_prediction import is_style_image

SHIPPED_NETWORKS = ("fast", "fine")
"""Two sizes of one network with the same styles; a catalogue has one of them."""

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".onnx", ".pt")


@dataclass
class Catalogue:
    """The styles that can be switched between, in order; whoever holds it sees what is put there later.

    Attributes:
        styles: all of them.
        changes: how often each name got a style of its own meanwhile; those of the start are left out.
    """

    styles: tuple[Style, ...]
    changes: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.styles)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(style.name for style in self.styles)

    @property
    def version(self) -> int:
        """A number that grows when a list of the styles is to be shown anew."""
        return sum(self.changes.values())

    @property
    def lines(self) -> list[str]:
        """A line for people for each style: its number and file, or why it cannot be used."""
        lines = []
        for number, style in enumerate(self.styles, start=1):
            file = style.file or style.checkpoint
            said = f"{style.name}  ({style.family}, {file.name if file else ''})"
            lines.append(f"-  {said}  cannot be used: {style.fault}" if style.fault else f"{number}  {said}")
        return lines

    def put(self, style: Style, is_refined: bool = False) -> None:
        """Adds a style at the end, or puts it in the place of the one that has its name. Others may read meanwhile.

        Args:
            style: of any name.
            is_refined: it looks nearly like the one in whose place it comes, and lists need not show it anew.
        """
        if style.name in self.names:
            self.styles = tuple(style if known.name == style.name else known for known in self.styles)
        else:
            self.styles = (*self.styles, style)
        if not is_refined:
            self.changes = {**self.changes, style.name: self.changes.get(style.name, 0) + 1}

    def new_name(self, file: Path) -> str:
        """A name that no style has, for the style of an image: that of the file, without its ending where it is free.

        Characters that mean something in blends and lists are left out.
        """
        stem, whole = (re.sub(r"[+:,]", "_", text).strip() for text in (file.stem, file.name))
        numbered = (f"{stem}_{number}" for number in count(2))
        return next(name for name in chain((stem, whole), numbered) if name not in self.names)

    def runnable_by(self, engine: str, first: str) -> "Catalogue":
        """The styles whose files an engine can run, so that no key leads to one that it cannot.

        Raises:
            StyleError: the style to begin with is not among them.
        """
        kept = tuple(style for style in self.styles if not style.fault and _file_for(engine, style) is not None)
        if first not in [style.name for style in kept]:
            wanted = "checkpoint" if engine in ("torch", "torchscript") else "model file; write it with export_onnx.py"
            raise StyleError(f"style {first!r}: engine {engine} cannot run it, because it has no {wanted}")
        return Catalogue(kept)

    def index_of(self, name: str) -> int:
        """The place of a style.

        Raises:
            StyleError: there is none of this name; the message offers the closest.
        """
        if name in self.names:
            return self.names.index(name)
        if not name:
            raise StyleError(f"style {name!r}: a name is missing; write candy, candy,udnie or candy:0.6+udnie:0.4")
        close = difflib.get_close_matches(name.lower(), self.names, n=1, cutoff=0.4)
        guess = f"did you mean {close[0]}? " if close else ""
        raise StyleError(f"style {name!r}: there is no such style; {guess}available: {', '.join(self.names)}")


def _file_for(engine: str, style: Style) -> Path | None:
    """The file that an engine would run for a style."""
    if engine == "torchscript":
        return style.script_file or style.checkpoint
    return style.checkpoint if engine == "torch" else style.model_file


def has_network(network: str, folder: Path = SAVED_MODELS) -> bool:
    """Whether a shipped network is there."""
    return (folder / f"{network}.safetensors").is_file()


def load_catalogue(folder: Path = SAVED_MODELS, network: NetworkName = "fast") -> Catalogue:
    """Reads the `.safetensors` files in a folder: the shipped network first, then the others by name.

    A single style whose network is missing or was replaced comes last, with its fault, so
    that it neither hides nor shifts the numbers of those that can be used.

    Args:
        folder: where to look.
        network: which of the shipped ones; "auto" is fine where it is there, and else fast.

    Raises:
        StyleError: there is no style, two have one name, a file is damaged, or the network is not there.
    """
    if network == "auto":
        network = "fine" if has_network("fine", folder) else "fast"
    if network == "fine" and not has_network("fine", folder):
        raise StyleError(f"network fine: there is no {folder / 'fine.safetensors'}; use --network fast")
    others = {*SHIPPED_NETWORKS, PREDICTOR_FILE.stem} - {network}
    files = [path for path in folder.glob("*.safetensors") if path.stem not in others]
    files.sort(key=lambda path: (path.stem != network, path.stem))
    styles = [style for path in files for style in styles_of_file(path)]
    names = [style.name for style in styles]
    if not styles:
        raise StyleError(f"folder {folder}: holds no style; train one with train_style.py")
    for name in names:
        if names.count(name) > 1:
            raise StyleError(f"style {name!r}: two files in {folder} have it; rename or remove one")
    return Catalogue(tuple(sorted(styles, key=lambda style: style.fault != "")))


def open_styles(style: str, network: NetworkName = "fast") -> tuple[Catalogue, int]:
    """Finds the one style that a `--style` asks for.

    Args:
        style: a name of the catalogue in `saved_models/`; the path of an image, whose style is predicted;
            a blend of both, such as "candy:0.6+my.jpg:0.4" or "candy+udnie" for equal parts; or the path
            of a `.safetensors`, `.pth`, `.onnx` or `.pt` file, which then is the catalogue.
        network: as of `load_catalogue`.

    Returns:
        The catalogue and the place of the style in it. A file starts with its first; a
        blend comes after all others.

    Raises:
        StyleError: there is no such style or file, it cannot be used, the parts of a
            blend are in different networks, or more than one style is named.
    """
    if "," in style and not Path(style).is_file():
        raise StyleError(f"style {style}: several where one is wanted; to blend them write {style.replace(',', '+')}")
    if style == "all":
        raise StyleError(f"style all: several where one is wanted; name one of {', '.join(load_catalogue().names)}")
    catalogue, places = open_style_list(style, network)
    return catalogue, places[0]


def open_style_list(styles: str, network: NetworkName = "fast") -> tuple[Catalogue, list[int]]:
    """Finds the styles that a `--style` asks for, where a command takes several.

    Args:
        styles: names, images and blends with commas between, "all", or one weights file, as in `open_styles`.
        network: as of `load_catalogue`.

    Returns:
        The catalogue, and the places of the styles in it, in the order asked for.

    Raises:
        StyleError: as `open_styles`.
    """
    if styles.lower().endswith(WEIGHT_SUFFIXES):
        catalogue, places = _catalogue_of_file(Path(styles)), [0]
    else:
        catalogue, places = load_catalogue(network=network), []
        if styles == "all":
            return catalogue, [place for place, style in enumerate(catalogue.styles) if not style.fault]
        for text in styles.split(","):
            catalogue, place = _find_for(text.strip(), catalogue, network)
            places.append(place)
    for place in places:
        if catalogue.styles[place].fault:
            raise StyleError(catalogue.styles[place].fault)
    return catalogue, places


def bound_style(styles: str) -> Style | None:
    """The first style among those that a `--style` names which one of the shipped networks alone can run.

    Styles that were trained or kept are vectors for one of the two; all others are in both.
    """
    if styles == "all" or styles.lower().endswith(WEIGHT_SUFFIXES):
        return None
    return _bound_among(styles, load_catalogue(network="auto"))


def bound_note(styles: str) -> str:
    """A line that says which network "auto" takes because of such a style; "" where there is none."""
    bound = bound_style(styles)
    return "" if bound is None else f"network {bound.network}: style {bound.name} was made for it alone"


def _bound_among(text: str, catalogue: Catalogue) -> Style | None:
    names = {part.partition(":")[0].strip() for part in re.split("[,+]", text)}
    own = (style for style in catalogue.styles if style.name in names and style.file is not None and not style.fault)
    return next((style for style in own if style.network in SHIPPED_NETWORKS), None)


def _find_for(text: str, catalogue: Catalogue, network: NetworkName) -> tuple[Catalogue, int]:
    """As `_find`; what the network of the catalogue cannot run is taken from the other one, if any may be.

    Raises:
        StyleError: a network was asked for, and a style is for the other one.
    """
    bound = _bound_among(text, catalogue)
    if bound is None or bound.network == catalogue.styles[0].network:
        return _find(text, catalogue)
    if network != "auto":
        raise StyleError(
            f"style {bound.name}: was made for the network {bound.network}, not for {network}; "
            f"use --network {bound.network}"
        )
    others, place = _find(text, load_catalogue(network=cast(NetworkName, bound.network)))
    return _with(others.styles[place], catalogue)


def find_style(text: str, catalogue: Catalogue) -> Style:
    """The style that a name or a blend means, among those of a catalogue; no file is read, whoever asks.

    Raises:
        StyleError: there is none, or it cannot be used.
    """
    found, place = _find(text, catalogue, may_read=False)
    if found.styles[place].fault:
        raise StyleError(found.styles[place].fault)
    return found.styles[place]


def _catalogue_of_file(path: Path) -> Catalogue:
    if not path.is_file():
        raise StyleError(f"style {path}: no such file; give a file, or a name: {', '.join(load_catalogue().names)}")
    return Catalogue(styles_of_file(path))


def _find(text: str, catalogue: Catalogue, may_read: bool = True) -> tuple[Catalogue, int]:
    """The place of a name, an image or a blend; an image or a blend is added to the catalogue."""
    if may_read and is_style_image(text):
        found = style_of_image(Path(text), catalogue)
    elif may_read and text not in catalogue.names and _is_there(text):
        raise StyleError(f"style {text}: {_no_style(Path(text))}; give a name, an image or a weights file")
    elif "+" not in text and ":" not in text:
        return catalogue, catalogue.index_of(text)
    else:
        found = blend(text, catalogue, may_read)
    return _with(found, catalogue)


def _is_there(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except OSError:  # too long for a name
        return False


def _no_style(path: Path) -> str:
    """Why a file or folder is no style."""
    if path.is_dir():
        return f"is a folder; run_webcam.py --styles-dir {path} makes styles of the images in it"
    return f"is neither an image ({', '.join(IMAGE_SUFFIXES)}) nor a weights file ({', '.join(WEIGHT_SUFFIXES)})"


def _with(style: Style, catalogue: Catalogue) -> tuple[Catalogue, int]:
    """The catalogue with a style, and its place there; one that is there already is not added again."""
    if style.name not in catalogue.names:
        catalogue = Catalogue((*catalogue.styles, style))
    return catalogue, catalogue.index_of(style.name)
