"""Owns the model card: `python -m neural_style.judging.model_card` writes README.md and styles.jpg beside the weights.

The figures come from the files that `neural_style.judging.evaluate --json` wrote, the page's text from model_card.md.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path
from string import Template
from typing import Any

from rich.console import Console

from neural_style.atomic_file import whole_file
from neural_style.contact_sheet import Cell, draw_sheet, make_cell
from neural_style.errors import CheckpointError, StylizationError
from neural_style.networks.image_stylizer import ImageStylizer
from neural_style.photos import packaged_photo
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import StyleNetwork, load_checkpoint, read_header
from neural_style.weights.onnx_format import ModelFile, read_model_file
from realtime.media.image_file import StillImage, read_still, write_still
from realtime.media.resize import with_short_side

_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png")
_PHOTO_SIDE_PX = 480
_STYLES_PER_ROW = 8

_SETTINGS: tuple[str, ...] = ("network", "steps", "batch_size", "crop_px", "style_size_px", "learning_rate")
_SETTINGS += ("steady_from", "loss_network", "seed", "processes")
"""What the header says of a training and `train_style.py` has an option for, beside weights of the loss."""

_OPTION_NAMES = {"crop_px": "crop", "style_size_px": "style-size", "steady_from": "steadiness-from"}
"""Those whose option is not called the same."""

_PREDICTIONS = {"fast": ".predictions.json", "fine": ".predictions.fine.json"}
"""Where the figures of predicted styles lie, beside those of the styles."""

_FIGURE_COLUMNS = {"style_distance": 3, "noise_gain": 2, "content_distance": 3, "colour": 1, "fit": 2, "grid_4_px": 1}
"""Figures that the card shows, and their decimals."""


def style_rows(network: StyleNetwork) -> list[list[Cell]]:
    """Every style on photographs that may be shipped: for each photograph a block of rows, itself at the left."""
    stylizers = [(name, ImageStylizer(network, style)) for style, name in enumerate(network.style_names)]
    rows = []
    for name in _PHOTOS:
        sized = with_short_side(read_still(packaged_photo(name)).pixels, _PHOTO_SIDE_PX)
        for first in range(0, len(stylizers), _STYLES_PER_ROW):
            left = make_cell("photograph", sized) if first == 0 else Cell("", None)
            some = stylizers[first : first + _STYLES_PER_ROW]
            rows.append([left, *(make_cell(style, stylize(sized)) for style, stylize in some)])
    return rows


def training_command(header: dict[str, str], file_name: str) -> str:
    """The `train_style.py` command that a header tells of, with style images in `styles/`, photographs in `photos/`."""
    training, parts = json.loads(header["training"]), ["python train_style.py"]
    factors, shares = (json.loads(training.get(name, "[]")) for name in ("content_weights", "style_shares"))
    for number, credit in enumerate(json.loads(header["credits"])):
        line = f"--style-image styles/{credit['name']}.jpg --name {credit['name']}"
        if factors:
            line += f" --content-factor {factors[number]:g}"
        if shares:
            line += f" --share {shares[number]}"
        parts.append(f"{line} --credit {shlex.quote(credit['source'] + '; ' + credit['licence'])}")
    weights = {f"{name.removeprefix('weight_')}-weight": name for name in training if name.startswith("weight_")}
    options = weights | {_OPTION_NAMES.get(name, name.replace("_", "-")): name for name in _SETTINGS}
    settings = [f"--{option} {training[name]}" for option, name in options.items() if name in training]
    parts += [" ".join(settings), f"--content-dir photos -o saved_models/{file_name}"]
    return " \\\n    ".join(parts)


def write_card(folder: Path, figures: list[dict[str, Any]], predictions: dict[str, list[dict[str, Any]]]) -> Path:
    """Writes README.md for all weights in a folder.

    Args:
        folder: of the weights.
        figures: what judgings of the networks wrote.
        predictions: what judgings of predicted styles wrote, by the network; paintings are shown of the first.

    Raises:
        CheckpointError: a file there is not one of ours.
        OSError: the card cannot be written.
    """
    headers = {path: _header(path) for path in sorted(folder.glob("*.safetensors"), key=lambda p: p.stem != "fast")}
    holds = {path: _styles_in(header) for path, header in headers.items()}
    headers = {path: header for path, header in headers.items() if header["family"] != "predictor"}
    holds |= {path: _same_for(read_model_file(path)) for path in sorted(folder.glob("*.onnx"))}
    styles = [
        f"| {credit['name']} | {credit['source']} | {credit['licence']} |"
        for header in headers.values()
        for credit in json.loads(header["credits"])
    ]
    page = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8")).substitute(
        files="\n".join(f"| `{p.name}` | {p.stat().st_size / 1000:.0f} | {held} |" for p, held in holds.items()),
        styles="\n".join(dict.fromkeys(styles)),  # both sizes of the network have the same styles
        figures="\n\n".join(_figures_of(each) for each in figures),
        predictions=_predictions_of(predictions) if predictions else "",
        trainings="\n\n".join(_training_of(path, header) for path, header in headers.items()),
    )
    target = folder / "README.md"
    with whole_file(target) as partial:
        partial.write_text(page, encoding="utf-8")
    return target


def _styles_in(header: dict[str, str]) -> str:
    names = json.loads(header["styles"])
    if header["family"] == "predictor":
        return f"what predicts the style of any image for {' and '.join(json.loads(header['trunks']))}"
    return f"{len(names)} styles: {', '.join(names)}"


def _same_for(file: ModelFile) -> str:
    runtime = file.metadata.get("runtime", "any")
    where = {"onnxruntime": "for ONNX Runtime", "openvino": "for OpenVINO"}.get(runtime, "as a model file")
    return f"the same {where}, {file.precision}, the style an input"


def _figures_of(judging: dict[str, Any]) -> str:
    clips = [f"{clip['name']} ({clip['frames']} frames)" for clip in judging["clips"]]
    of_clips = f" and the beginning of {', '.join(clips)}" if clips else ""
    lines = [
        f"### `{judging['model']}`",
        "",
        f"By {judging['judge']} on {len(judging['photographs'])} photographs kept out of training{of_clips}. Strokes "
        f"differ {_shown(judging['diversity']['mean'], 2)} times as much between styles as between style images.",
        "",
        "| style | style distance | E_warp | noise gain | content distance | colour distance | fit | grid |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in judging["styles"]:
        warping = ", ".join(_shown(ratio, 1) for ratio in row["flicker_by_clip"])
        lines.append(_figure_row(row["name"], warping, {**row["ours"], **row}))
    mean, unchanged = judging["mean"]["ours"], judging["mean"]["unchanged"]
    lines.append(_figure_row("**mean**", _shown(mean["flicker"], 1), mean))
    lines.append(_figure_row("photograph unchanged", "1", unchanged))
    return "\n".join(lines)


def _predictions_of(by_network: dict[str, list[dict[str, Any]]]) -> str:
    """Style distances of predicted styles beside others, a row for each painting; of other networks the means."""
    name, *others = by_network
    rows = [(Path(score["painting"]).stem.replace("_", " "), _distances(score)) for score in by_network[name]]
    headings = list(dict.fromkeys(heading for _, numbers in rows for heading in numbers))
    lines = [
        "### Predicted styles",
        "",
        "Style distance to paintings that were held out, of the nearest shipped style, of the nearest even blend of",
        f"two, and of the prediction with `{name}`, measured by `python -m neural_style.judging.evaluate --predict`.",
        "Refined is the prediction after so many seconds of training on two cores (30 and 113 steps), full after all",
        "500 steps.",
        "",
        f"| painting | {' | '.join(headings)} |",
        f"|---|{'---|' * len(headings)}",
        *(_distances_row(painting, headings, numbers) for painting, numbers in rows),
    ]
    for network in (name, *others):
        numbers_of = [_distances(score) for score in by_network[network]]
        whole = [numbers for numbers in numbers_of if set(headings) <= set(numbers)]
        for some in [numbers_of, *([whole] if 0 < len(whole) < len(numbers_of) else [])]:
            means = {h: sum(each[h] for each in some) / len(some) for h in headings if all(h in each for each in some)}
            lines.append(_distances_row(f"**mean of {len(some)}, `{network}`**", headings, means))
    return "\n".join(lines) + "\n\n![predicted styles](predicted.jpg)\n\n"


def _distances(score: dict[str, Any]) -> dict[str, float]:
    """What was measured of one painting, by heading."""
    numbers = {"nearest style": score["single"], "nearest blend": score["blend"], "predicted": score["predicted"]}
    numbers |= {f"refined {after_s} s": distance for after_s, distance in score["refined"].items()}
    return numbers if score["full"] is None else {**numbers, "full": score["full"]}


def _distances_row(name: str, headings: list[str], numbers: dict[str, float]) -> str:
    return f"| {name} | {' | '.join(_shown(numbers.get(heading), 3) for heading in headings)} |"


def _figure_row(name: str, warping: str, numbers: dict[str, Any]) -> str:
    style, *others = (_shown(numbers.get(column), decimals) for column, decimals in _FIGURE_COLUMNS.items())
    return f"| {name} | {style} | {warping} | {' | '.join(others)} |"


def _shown(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _training_of(path: Path, header: dict[str, str]) -> str:
    training = json.loads(header["training"])
    line = f"`{path.name}`, {training.get('step', '?')} steps"
    if "minutes" in training:
        line += f", {training['minutes']:.0f} minutes on {training['device']} in {training['processes']} process(es)"
    command = f"```sh\n{training_command(header, path.name)}\n```"
    return "\n\n".join([line, command, *([training["note"]] if "note" in training else [])])


def _header(path: Path) -> dict[str, str]:
    header = read_header(path)
    if "styles" not in header:
        raise CheckpointError(f"checkpoint {path}: was not written by train_style.py")
    return header


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m neural_style.judging.model_card", description="Write the model card."
    )
    parser.add_argument(
        "--figures",
        type=Path,
        default=SAVED_MODELS / "figures.json",
        help="written by evaluate --json; those of fine, and of --predict, lie beside it, named as here",
    )
    parser.add_argument("--folder", type=Path, default=SAVED_MODELS, help="of the weights (default saved_models)")
    chosen = parser.parse_args(arguments)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        network = load_checkpoint(chosen.folder / "fast.safetensors")
        write_still(chosen.folder / "styles.jpg", StillImage(draw_sheet(style_rows(network))))
        of_fine = chosen.figures.with_suffix(".fine.json")
        figures = [_read(path) for path in (chosen.figures, *([of_fine] if of_fine.is_file() else []))]
        judged = {name: chosen.figures.with_suffix(suffix) for name, suffix in _PREDICTIONS.items()}
        predictions = {name: _read(path) for name, path in judged.items() if path.is_file()}
        card = write_card(chosen.folder, figures, predictions)
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
