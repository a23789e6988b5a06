"""Owns the model card: `python -m neural_style.model_card` writes README.md and styles.jpg beside the weights.

Must not know how figures are measured: it prints the file that `neural_style.evaluate --json` wrote.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import cv2
from rich.console import Console
from safetensors import SafetensorError, safe_open

from neural_style.atomic import whole_file
from neural_style.checkpoint import load_checkpoint
from neural_style.dataset import packaged_photo, read_picture
from neural_style.errors import CheckpointError, StylizationError
from neural_style.evaluate import Painter
from neural_style.flicker import Picture
from neural_style.sheet import contact_sheet, write_picture

_FOLDER = Path(__file__).resolve().parent.parent / "saved_models"
_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png")
_PHOTO_CREDITS = (
    "Photographs, all from scikit-image's wheel: Eileen Collins (NASA, public domain); the cat Chelsea by "
    "Stefan van der Walt and the coffee by Rachel Michetti (both CC0)."
)
_STYLES_PER_ROW = 4
_CELL_WH = (240, 200)

_OPTION_NAMES = {
    "network": "--network",
    "steps": "--steps",
    "batch_size": "--batch-size",
    "crop_px": "--crop",
    "style_size_px": "--style-size",
    "learning_rate": "--learning-rate",
    "weight_content": "--content-weight",
    "weight_style": "--style-weight",
    "weight_colour": "--colour-weight",
    "weight_smoothness": "--smoothness-weight",
    "weight_steadiness": "--steadiness-weight",
    "loss_network": "--loss-network",
    "seed": "--seed",
    "processes": "--processes",
}
"""What the header calls a setting, and the option of `train_style.py` that sets it."""


def style_sheet(painters: list[Painter]) -> Picture:
    """Every style on photographs that may be shipped, uint8 (H, W, 3) RGB: a block of rows for each photograph."""
    rows = []
    for name in _PHOTOS:
        photograph = read_picture(packaged_photo(name))
        if photograph is None:
            raise StylizationError(f"photograph {name}: scikit-image is damaged; install it again")
        scale = 480 / min(photograph.shape[:2])
        photograph = cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype("uint8")
        for first in range(0, len(painters), _STYLES_PER_ROW):
            some = painters[first : first + _STYLES_PER_ROW]
            label = "photograph" if first == 0 else ""
            rows.append([(label, photograph), *((painter.name, painter(photograph)) for painter in some)])
    return contact_sheet(rows, _CELL_WH)


def training_command(header: dict[str, str], file_name: str) -> str:
    """The `train_style.py` command that a header tells of, with paintings in `paintings/`, photographs in `photos/`."""
    training, parts = json.loads(header["training"]), ["python train_style.py"]
    factors = json.loads(training.get("content_weights", "[]"))
    for number, credit in enumerate(json.loads(header["credits"])):
        line = f"--style-image paintings/{credit['name']}.jpg --name {credit['name']}"
        if factors and factors[number] != 1:
            line += f" --content-factor {factors[number]:g}"
        elif factors:
            line += " --content-factor 1"
        parts.append(f"{line} --credit {shlex.quote(credit['source'] + '; ' + credit['licence'])}")
    settings = [f"{option} {training[name]}" for name, option in _OPTION_NAMES.items() if name in training]
    parts += [" ".join(settings), f"--content-dir photos -o saved_models/{file_name}"]
    return " \\\n    ".join(parts)


def write_card(folder: Path, figures: dict[str, Any], photos_note: str) -> Path:
    """Writes README.md for all weights in a folder.

    Raises:
        CheckpointError: a file there is not one of ours.
        OSError: the card cannot be written.
    """
    headers = {path: _header(path) for path in sorted(folder.glob("*.safetensors"), key=lambda p: p.stem != "fast")}
    lines = ["# Model card", "", "Made by `python -m neural_style.model_card`; change that and not this page.", ""]
    lines += [
        "![the styles](styles.jpg)",
        "",
        photos_note,
        "",
        "## Files",
        "",
        "| file | kB | holds |",
        "|---|---|---|",
    ]
    for path in [*headers, *sorted(folder.glob("*.onnx"))]:
        names = json.loads(headers[path]["styles"]) if path in headers else []
        holds = f"{len(names)} styles: {', '.join(names)}" if names else "the same for ONNX Runtime, the style an input"
        lines.append(f"| `{path.name}` | {path.stat().st_size / 1000:.0f} | {holds} |")
    lines += ["", "## Styles", "", "| style | learned from | rights in that picture |", "|---|---|---|"]
    for header in headers.values():
        for credit in json.loads(header["credits"]):
            lines.append(f"| {credit['name']} | {credit['source']} | {credit['licence']} |")
    lines += ["", "## Figures", "", *_figure_lines(figures), "", "## Training", ""]
    for path, header in headers.items():
        lines += _training_lines(path, header)
    lines += ["## Use", "", *_USE, ""]
    target = folder / "README.md"
    with whole_file(target) as partial:
        partial.write_text("\n".join(lines), encoding="utf-8")
    return target


_USE = [
    "Meant for stylizing moving pictures of about 320 to 1280 px width. The size of the strokes is fixed in pixels: a",
    "larger picture gets finer strokes. Strength below 1 is a vector between the network's identity and the style.",
    "",
    "Licence of the weights: BSD-3-Clause, like the code.",
]


def _figure_lines(figures: dict[str, Any]) -> list[str]:
    clips = list(figures["frames"])
    lines = [
        f"By `python -m neural_style.evaluate` on {figures['photographs']} photographs kept out of training"
        + (f" and the first frames of {', '.join(f'{c} ({n})' for c, n in figures['frames'].items())}" if clips else "")
        + ". Its network (EfficientNet-Lite2) is not the one that trained the styles. Distances: 0 is equal; the last "
        "row is the photograph itself. E_warp is relative to the clip's own and noise to the camera's, so 1 is as "
        "steady as the input; an unchanged picture wins flicker and loses style.",
        "",
        f"| style | style distance | {' | '.join(f'E_warp, {c}' for c in clips)} | noise gain | content | colour |",
        "|---" * (5 + len(clips)) + "|",
    ]
    for row in [*figures["styles"], figures["photograph"]]:
        pictures = row["pictures"]
        warping = " | ".join(f"{row['warping'][clip]:.1f}" for clip in clips)
        lines.append(
            f"| {row['name']} | {pictures['style_distance']:.3f} | {warping} | {row['noise_gain']:.2f} | "
            f"{pictures['content_distance']:.3f} | {pictures['colour']:.1f} |"
        )
    return lines


def _training_lines(path: Path, header: dict[str, str]) -> list[str]:
    training = json.loads(header["training"])
    lines = [f"`{path.name}`, {training.get('step', '?')} steps"]
    if "minutes" in training:
        lines[0] += f", {training['minutes']:.0f} minutes on {training.get('machine', 'an unnamed machine')}"
    lines += ["", "```sh", training_command(header, path.name), "```", ""]
    return [*lines, training["note"], ""] if "note" in training else lines


def _header(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="numpy") as stored:
            header = dict(stored.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"checkpoint {path}: cannot be read ({error})") from error
    if "styles" not in header:
        raise CheckpointError(f"checkpoint {path}: was not written by train_style.py")
    return header


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m neural_style.model_card", description="Write the model card.")
    parser.add_argument("--figures", type=Path, default=_FOLDER / "figures.json", help="written by evaluate --json")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="of the weights (default saved_models)")
    chosen = parser.parse_args(arguments)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        network = load_checkpoint(chosen.folder / "fast.safetensors")
        sheet = style_sheet([Painter(network, i) for i in range(len(network.style_names))])
        write_picture(chosen.folder / "styles.jpg", sheet)
        card = write_card(chosen.folder, json.loads(chosen.figures.read_text(encoding="utf-8")), _PHOTO_CREDITS)
    except StylizationError as error:
        errors.print(f"error: {error}")
        return 1
    except (OSError, LookupError, ValueError) as error:
        errors.print(
            f"error: figures {chosen.figures}: {error}; write them with python -m neural_style.evaluate --json"
        )
        return 1
    Console(highlight=False, soft_wrap=True).print(f"wrote {card} and {card.with_name('styles.jpg')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
