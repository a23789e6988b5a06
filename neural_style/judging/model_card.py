"""Owns the model card: `python -m neural_style.judging.model_card` writes README.md and styles.jpg beside the weights.

Must not know how figures are measured: it prints the file that `neural_style.judging.evaluate --json` wrote.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from safetensors import SafetensorError, safe_open

from neural_style.atomic_file import whole_file
from neural_style.contact_sheet import Cell, draw_sheet, make_cell
from neural_style.errors import CheckpointError, StylizationError
from neural_style.judging.evaluation import Stylizer
from neural_style.photos import packaged_photo
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import StyleNetwork, load_checkpoint
from neural_style.weights.onnx_format import ModelFile, read_model_file
from realtime.media.image_file import StillImage, read_still, write_still
from realtime.media.resize import with_short_side

_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png")
_PHOTO_CREDITS = (
    "Photographs, all from scikit-image's wheel: Eileen Collins (NASA, public domain); the cat Chelsea by "
    "Stefan van der Walt and the coffee by Rachel Michetti (both CC0)."
)
_PHOTO_SIDE_PX = 480
_STYLES_PER_ROW = 8

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
    "weight_contrast": "--contrast-weight",
    "weight_smoothness": "--smoothness-weight",
    "weight_grid": "--grid-weight",
    "weight_range": "--range-weight",
    "weight_steadiness": "--steadiness-weight",
    "steady_from": "--steadiness-from",
    "loss_network": "--loss-network",
    "seed": "--seed",
    "processes": "--processes",
}
"""What the header calls a setting, and the option of `train_style.py` that sets it."""


def style_rows(network: StyleNetwork) -> list[list[Cell]]:
    """Every style on photographs that may be shipped: for each photograph a block of rows, itself at the left."""
    stylizers = [(name, Stylizer(network, style)) for style, name in enumerate(network.style_names)]
    rows = []
    for name in _PHOTOS:
        sized = with_short_side(read_still(packaged_photo(name)).pixels, _PHOTO_SIDE_PX)
        for first in range(0, len(stylizers), _STYLES_PER_ROW):
            left = make_cell("photograph", sized) if first == 0 else Cell("", None)
            some = stylizers[first : first + _STYLES_PER_ROW]
            rows.append([left, *(make_cell(style, stylize(sized)) for style, stylize in some)])
    return rows


def training_command(header: dict[str, str], file_name: str) -> str:
    """The `train_style.py` command that a header tells of, with paintings in `paintings/`, photographs in `photos/`."""
    training, parts = json.loads(header["training"]), ["python train_style.py"]
    factors, shares = (json.loads(training.get(name, "[]")) for name in ("content_weights", "style_shares"))
    for number, credit in enumerate(json.loads(header["credits"])):
        line = f"--style-image paintings/{credit['name']}.jpg --name {credit['name']}"
        if factors and factors[number] != 1:
            line += f" --content-factor {factors[number]:g}"
        elif factors:
            line += " --content-factor 1"
        if shares:
            line += f" --share {shares[number]}"
        parts.append(f"{line} --credit {shlex.quote(credit['source'] + '; ' + credit['licence'])}")
    settings = [f"{option} {training[name]}" for name, option in _OPTION_NAMES.items() if name in training]
    parts += [" ".join(settings), f"--content-dir photos -o saved_models/{file_name}"]
    return " \\\n    ".join(parts)


def write_card(folder: Path, figures: list[dict[str, Any]], photos_note: str) -> Path:
    """Writes README.md for all weights in a folder.

    Raises:
        CheckpointError: a file there is not one of ours.
        OSError: the card cannot be written.
    """
    headers = {path: _header(path) for path in sorted(folder.glob("*.safetensors"), key=lambda p: p.stem != "fast")}
    lines = [
        "# Model card",
        "",
        "Made by `python -m neural_style.judging.model_card`; change that and not this page.",
        "",
    ]
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
        holds = _same_for(read_model_file(path)) if path.suffix == ".onnx" else _styles_in(headers[path])
        lines.append(f"| `{path.name}` | {path.stat().st_size / 1000:.0f} | {holds} |")
    lines += ["", "## Styles", "", "| style | learned from | rights in that image |", "|---|---|---|"]
    rows = [
        f"| {credit['name']} | {credit['source']} | {credit['licence']} |"
        for header in headers.values()
        for credit in json.loads(header["credits"])
    ]
    lines += [*dict.fromkeys(rows), "", "## Figures", ""]  # both sizes of the network have the same styles
    for each in figures:
        lines += [f"### `{each['model']}`", "", *_figure_lines(each), ""]
    lines += ["## Training", ""]
    for path, header in headers.items():
        lines += _training_lines(path, header)
    lines += ["## Use", "", *_USE, ""]
    target = folder / "README.md"
    with whole_file(target) as partial:
        partial.write_text("\n".join(lines), encoding="utf-8")
    return target


def _styles_in(header: dict[str, str]) -> str:
    names = json.loads(header["styles"])
    return f"{len(names)} styles: {', '.join(names)}"


def _same_for(file: ModelFile) -> str:
    runtime = file.metadata.get("runtime", "any")
    where = {"onnxruntime": "for ONNX Runtime", "openvino": "for OpenVINO"}.get(runtime, "as a model file")
    return f"the same {where}, {file.precision}, the style an input"


_USE = [
    "Meant for stylizing moving images of about 320 to 1280 px width. The size of the strokes is fixed in pixels: a",
    "larger one gets finer strokes. `stylize.py` and the page therefore stylize photographs as at one megapixel and",
    "bring them back to full size. Strength below 1 is a vector between the network's identity and the style.",
    "",
    "Licence of the weights: BSD-3-Clause, like the code.",
]


def _figure_lines(figures: dict[str, Any]) -> list[str]:
    clips = [f"{clip['name']} ({clip['frames']} frames)" for clip in figures["clips"]]
    lines = [
        f"By `python -m neural_style.judging.evaluate` on {len(figures['photographs'])} photographs kept out of "
        "training"
        + (f" and the beginning of {', '.join(clips)}" if clips else "")
        + f". Its network, {figures['judge']}, is not the one that trained the styles. Distances: 0 is equal. E_warp "
        "is given for each clip relative to the clip's own, and noise relative to the camera's: 1 is as steady as the "
        "input. An unchanged image wins flicker and content, and loses style. Fit is the distance of strokes without "
        "colour to the own painting's, over that to others'; grid what repeats every 4 px in flat parts, 1 is nothing. "
        f"Strokes differ {_shown(figures['diversity']['mean'], 2)} times as much between styles as between paintings.",
        "",
        "| style | style distance | E_warp | noise gain | content distance | colour distance | fit | grid |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in figures["styles"]:
        warping = ", ".join(_shown(ratio, 1) for ratio in row["flicker_by_clip"])
        lines.append(_figure_row(row["name"], warping, {**row["ours"], **row}))
    mean, unchanged = figures["mean"]["ours"], figures["mean"]["unchanged"]
    lines.append(_figure_row("**mean**", _shown(mean["flicker"], 1), mean))
    lines.append(_figure_row("photograph unchanged", "1", {**unchanged, "fit": None}))
    return lines


_FIGURE_COLUMNS = {"content_distance": 3, "colour": 1, "fit": 2, "grid_4_px": 1}


def _figure_row(name: str, warping: str, numbers: dict[str, Any]) -> str:
    start = f"| {name} | {_shown(numbers['style_distance'], 3)} | {warping} | {_shown(numbers['noise_gain'], 2)} "
    cells = [_shown(numbers[column], decimals) for column, decimals in _FIGURE_COLUMNS.items()]
    return f"{start}| {' | '.join(cells)} |"


def _shown(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _training_lines(path: Path, header: dict[str, str]) -> list[str]:
    training = json.loads(header["training"])
    lines = [f"`{path.name}`, {training.get('step', '?')} steps"]
    if "minutes" in training:
        lines[0] += (
            f", {training['minutes']:.0f} minutes on {training['device']} in {training['processes']} process(es)"
        )
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
    parser = argparse.ArgumentParser(
        prog="python -m neural_style.judging.model_card", description="Write the model card."
    )
    parser.add_argument(
        "--figures",
        type=Path,
        default=SAVED_MODELS / "figures.json",
        help="written by evaluate --json; those of fine lie beside it in NAME.fine.json",
    )
    parser.add_argument("--folder", type=Path, default=SAVED_MODELS, help="of the weights (default saved_models)")
    chosen = parser.parse_args(arguments)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        network = load_checkpoint(chosen.folder / "fast.safetensors")
        write_still(chosen.folder / "styles.jpg", StillImage(draw_sheet(style_rows(network))))
        of_fine = chosen.figures.with_suffix(".fine.json")
        read = [chosen.figures, *([of_fine] if of_fine.is_file() else [])]
        figures = [json.loads(path.read_text(encoding="utf-8")) for path in read]
        card = write_card(chosen.folder, figures, _PHOTO_CREDITS)
    except StylizationError as error:
        errors.print(f"error: {error}")
        return 1
    except (OSError, LookupError, ValueError) as error:
        errors.print(
            f"error: figures {chosen.figures}: {error}; write them with python -m neural_style.judging.evaluate --json"
        )
        return 1
    Console(highlight=False, soft_wrap=True).print(f"wrote {card} and {card.with_name('styles.jpg')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
