"""Owns what can be asked of a judging, and how a command line asks for it."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from neural_style.errors import EvaluationError
from neural_style.weights import SAVED_MODELS

_OWN_MODEL = SAVED_MODELS / "fast.safetensors"


@dataclass(frozen=True)
class EvaluateOptions:
    """What is judged, by what, and where the result goes.

    Attributes:
        style_dir: the style images, each named as its style.
        model: weights file.
        styles: those that are judged, and whose style images count as the others; empty is all.
        photo_dir: photographs; those that training keeps out are used.
        photo: one photograph, before those.
        photos: how many of `photo_dir` at most.
        against: images by others of `photo`, by style.
        clips: what flicker is measured on.
        max_frames: of each clip, from its beginning.
        quick: leave out what takes most of the time; style figures then compare only with quick ones.
        json: file for the figures.
        sheet: file for a contact sheet.
    """

    style_dir: Path
    model: Path = _OWN_MODEL
    styles: tuple[str, ...] = ()
    photo_dir: Path | None = None
    photo: Path | None = None
    photos: int = 12
    against: tuple[tuple[str, Path], ...] = ()
    clips: tuple[Path, ...] = ()
    max_frames: int = 60
    quick: bool = False
    json: Path | None = None
    sheet: Path | None = None

    def __post_init__(self) -> None:
        if self.photo_dir is None and self.photo is None:
            raise EvaluationError("photographs: got none; give a folder, a file or both")
        if self.against and self.photo is None:
            raise EvaluationError("--against: compares images of one photograph; give it with --photo FILE")
        if self.photos < 1:
            raise EvaluationError(f"photos {self.photos}: must be at least 1")
        if self.max_frames < 2:
            raise EvaluationError(f"max-frames {self.max_frames}: must be at least 2")
        if self.sheet is not None and self.sheet.suffix.lower() != ".png":
            raise EvaluationError(f"sheet {self.sheet}: must end in .png")


def parse_arguments(arguments: list[str] | None) -> EvaluateOptions:
    """Reads the command line.

    Raises:
        SystemExit: with status 2, it is wrong.
        EvaluationError: a value is not allowed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m neural_style.judging.evaluate",
        description="Judge the styles of a network with EfficientNet-Lite2, which none is trained with.",
        epilog="With --predict it judges the styles that are predicted for images; --predict --help says how.",
    )
    default, add = EvaluateOptions, parser.add_argument
    add("--model", type=Path, default=default.model, metavar="FILE", help="weights (default: those of saved_models/)")
    add("--style-dir", type=Path, required=True, metavar="FOLDER", help="the style images, each named as its style")
    add("--styles", type=_names, default=default.styles, metavar="A,B", help="only these (default: all)")
    add("--photo-dir", type=Path, metavar="FOLDER", help="photographs; the held-out ones are judged")
    add("--photo", type=Path, metavar="FILE", help="one photograph, instead or before those")
    add("--photos", type=int, default=default.photos, metavar="N", help="held-out photographs (default %(default)s)")
    add("--against", type=_style_and_image, action="append", default=[], metavar="STYLE=IMAGE",
        help="an image by others of --photo in that style, judged beside ours (repeatable)")  # fmt: skip
    add("--clip", type=Path, action="append", default=[], metavar="FILE", help="measure flicker on it (repeatable)")
    add("--max-frames", type=int, default=default.max_frames, metavar="N", help="of a clip (default %(default)s)")
    add("--quick", action="store_true", help="leave out the enlarged view and noise; style figures are other ones")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    add("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet: a row for each photograph")
    chosen = vars(parser.parse_args(arguments))
    if chosen["photo_dir"] is None and chosen["photo"] is None:
        parser.error("nothing to judge: give --photo-dir FOLDER, --photo FILE or both")
    if chosen["against"] and chosen["photo"] is None:
        parser.error("--against compares images of one photograph: give it with --photo FILE")
    clips, against = tuple(chosen.pop("clip")), tuple(chosen.pop("against"))
    return EvaluateOptions(**chosen, clips=clips, against=against)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _style_and_image(text: str) -> tuple[str, Path]:
    style, separator, image = text.partition("=")
    if not (style and separator and image):
        raise argparse.ArgumentTypeError(f"{text!r}: write STYLE=IMAGE, as candy=theirs.jpg")
    return style, Path(image)
