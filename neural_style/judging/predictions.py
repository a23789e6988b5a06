"""Judges predicted styles: `python -m neural_style.judging.predictions --style-dir paintings --photo-dir photos`."""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from neural_style.atomic_file import whole_file
from neural_style.contact_sheet import Cell, draw_sheet, make_cell
from neural_style.errors import EvaluationError, StylizationError
from neural_style.judging.inputs import Exhibit, held_out_photos, read_exhibit
from neural_style.judging.judge import Impression, Judge, compare
from neural_style.networks.fast_net import FastNet
from neural_style.networks.image_stylizer import ImageStylizer
from neural_style.networks.style_predictor import INPUT_SHORT_SIDE_PX, MAX_ASPECT
from neural_style.photos import find_photos
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import load_checkpoint
from neural_style.weights.predictor import predicted_vector
from realtime.media.image_file import StillImage, write_still
from realtime.media.resize import middle_part, with_short_side

_SIDE_PX = 320
"""The shorter side of photographs, and of the paintings that they are compared with."""

_BLENDED = 4
"""Of so many of the nearest styles all even blends of two are tried."""


@dataclass(frozen=True)
class PredictionOptions:
    """What is judged.

    Attributes:
        style_dir: paintings.
        photo_dir: photographs, of which the held-out ones are stylized.
        model: weights of the network.
        every: only every so many paintings, and the first of them.
        photos: how many photographs.
        refine_s: seconds after which a refined vector is judged.
        full_steps: of a vector trained in full; 0 leaves that out.
        loss_weights_file: of the loss network; None is the best that is installed.
    """

    style_dir: Path
    photo_dir: Path
    model: Path = SAVED_MODELS / "fast.safetensors"
    every: tuple[int, int] = (1, 0)
    photos: int = 2
    refine_s: tuple[float, ...] = ()
    full_steps: int = 0
    loss_weights_file: Path | None = None


@dataclass(frozen=True)
class PredictionScore:
    """Style distances to one painting, means over photographs; 0 is equal.

    Attributes:
        painting: its file.
        single: of the nearest shipped style.
        blend: of the nearest shipped style or even blend of two.
        predicted: of the prediction.
        content: the content distance of the prediction.
        refined: of the prediction refined for so many seconds.
        full: of a vector trained in full, None where that was left out.
    """

    painting: str
    single: float
    blend: float
    predicted: float
    content: float
    refined: dict[str, float]
    full: float | None


class PredictionJudging:
    """Judges what is predicted for paintings beside what else could be had.

    Raises:
        StylizationError: a folder, an image, the network or the judge cannot be used.
    """

    def __init__(self, options: PredictionOptions) -> None:
        network = load_checkpoint(options.model)
        if not isinstance(network, FastNet):
            raise EvaluationError(f"model {options.model}: is a {network.family} network; only fast ones are predicted")
        self.options, self._network = options, network
        step, first = options.every
        self.paintings = find_photos(options.style_dir)[first::step]
        self._photos = [read_exhibit(path, "photograph") for path in held_out_photos(options.photo_dir, options.photos)]
        self._photos = [Exhibit(photo.name, with_short_side(photo.image, _SIDE_PX)) for photo in self._photos]
        self._judge = Judge(quick=True)
        self._looks = [self._judge.look(photo.image) for photo in self._photos]
        self._shipped = [self._looks_of(vector) for vector in network.style_vectors]
        self.rows = [[Cell("", None), *(make_cell(photo.name, photo.image) for photo in self._photos)]]

    def judge(self, path: Path) -> PredictionScore:
        """Judges one painting, and adds its row to the contact sheet."""
        painting = middle_part(read_exhibit(path, "painting").image, MAX_ASPECT)
        vector = predicted_vector(self._network, with_short_side(painting, INPUT_SHORT_SIDE_PX))
        if vector is None:
            raise EvaluationError(f"model {self.options.model}: there is no predictor for it")
        aim = self._judge.look(with_short_side(painting, _SIDE_PX))
        single = [self._distances(looks, aim)[0] for looks in self._shipped]
        nearest = np.argsort(single)[:_BLENDED]
        vectors = self._network.style_vectors
        pairs = [(vectors[a] + vectors[b]) / 2 for a, b in combinations(nearest.tolist(), 2)]
        blends = [self._distances(self._looks_of(pair), aim)[0] for pair in pairs]
        predicted, content = self._distances(self._looks_of(vector), aim)
        trained = [self._trained(path, after_s) for after_s in self.options.refine_s]
        full = self._trained(path, None) if self.options.full_steps else None
        stylize = ImageStylizer(self._network, vector)
        cells = [make_cell(photo.name, stylize(photo.image)) for photo in self._photos]
        self.rows.append([make_cell(path.stem, painting), *cells])
        return PredictionScore(
            path.name,
            min(single),
            min([*single, *blends]),
            predicted,
            content,
            {
                f"{after_s:g}": self._distances(self._looks_of(refined), aim)[0]
                for after_s, refined in zip(self.options.refine_s, trained, strict=True)
            },
            None if full is None else self._distances(self._looks_of(full), aim)[0],
        )

    def _looks_of(self, vector: Tensor) -> list[Impression]:
        stylize = ImageStylizer(self._network, vector)
        return [self._judge.look(stylize(photo.image)) for photo in self._photos]

    def _distances(self, looks: list[Impression], aim: Impression) -> tuple[float, float]:
        """Style and content distance, means over photographs."""
        figures = [compare(look, photo, aim) for look, photo in zip(looks, self._looks, strict=True)]
        return float(np.mean([f.style_distance for f in figures])), float(
            np.mean([f.content_distance for f in figures])
        )

    def _trained(self, painting: Path, seconds: float | None) -> Tensor:
        """The vector that refining gives after so many seconds from its start, or after all steps of a full training.

        Raises:
            EvaluationError: the training failed, or gave nothing in this time.
        """
        options = self.options
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "vector.npy"
            command = [sys.executable, "-m", "neural_style.training.refine", "--style-image", str(painting)]
            command += ["--trunk", str(options.model), "--output", str(output)]
            if options.loss_weights_file is not None:
                command += ["--loss-weights", str(options.loss_weights_file)]
            if seconds is None:
                command += ["--steps", str(options.full_steps)]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
                try:
                    _, errors = process.communicate(timeout=seconds)
                except subprocess.TimeoutExpired:
                    process.terminate()
                    errors = ""
            if not output.is_file():
                raise EvaluationError(
                    f"refining {painting}: gave nothing ({errors.strip() or f'{seconds} s are too few'})"
                )
            return torch.from_numpy(np.load(output))


def parse_arguments(arguments: list[str] | None) -> tuple[PredictionOptions, Path | None, Path | None]:
    """Reads the command line: the options, and the files for figures and contact sheet."""
    parser = argparse.ArgumentParser(
        prog="python -m neural_style.judging.predictions", description="Judge the styles that are predicted for images."
    )
    default, add = PredictionOptions, parser.add_argument
    add("--style-dir", type=Path, required=True, metavar="FOLDER", help="paintings")
    add("--photo-dir", type=Path, required=True, metavar="FOLDER", help="photographs; the held-out ones are stylized")
    add("--model", type=Path, default=default.model, metavar="FILE", help="weights (default %(default)s)")
    add("--held-out", action="store_true", help="only paintings that neural_style.training.predictor holds out")
    add("--photos", type=int, default=default.photos, metavar="N", help="photographs (default %(default)s)")
    add("--refine-s", type=_seconds, default=(), metavar="20,60", help="also refined for so many seconds")
    add("--full-steps", type=int, default=0, metavar="N", help="also trained in full with so many steps")
    add("--loss-weights", dest="loss_weights_file", type=Path, metavar="FILE", help="of the loss network")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    add("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet")
    chosen = vars(parser.parse_args(arguments))
    files = chosen.pop("json"), chosen.pop("sheet")
    every = (7, 3) if chosen.pop("held_out") else default.every
    return PredictionOptions(**chosen, every=every), *files


def _seconds(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def make_table(scores: list[PredictionScore]) -> Table:
    """A row for each painting, and the means."""
    table = Table("painting", "nearest style", "nearest blend", "predicted", "content")
    times = list(scores[0].refined)
    for after_s in times:
        table.add_column(f"refined {after_s} s")
    table.add_column("full")
    for score in scores:
        table.add_row(score.painting, *_numbers(score, times))
    mean = PredictionScore(
        painting="mean",
        single=float(np.mean([score.single for score in scores])),
        blend=float(np.mean([score.blend for score in scores])),
        predicted=float(np.mean([score.predicted for score in scores])),
        content=float(np.mean([score.content for score in scores])),
        refined={after_s: float(np.mean([score.refined[after_s] for score in scores])) for after_s in times},
        full=None if scores[0].full is None else float(np.mean([s.full for s in scores if s.full is not None])),
    )
    table.add_row("mean", *_numbers(mean, times))
    return table


def _numbers(score: PredictionScore, times: list[str]) -> list[str]:
    numbers = [
        score.single,
        score.blend,
        score.predicted,
        score.content,
        *(score.refined[t] for t in times),
        score.full,
    ]
    return ["-" if number is None else f"{number:.3f}" for number in numbers]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        options, json_file, sheet = parse_arguments(arguments)
        judging = PredictionJudging(options)
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
            scores = [judging.judge(path) for path in progress.track(judging.paintings, description="paintings")]
        console.print(make_table(scores))
        if json_file is not None:
            with whole_file(json_file) as partial:
                partial.write_text(json.dumps([asdict(score) for score in scores], indent=1), encoding="utf-8")
        if sheet is not None:
            write_still(sheet, StillImage(draw_sheet(judging.rows)))
    except (StylizationError, OSError) as error:
        errors.print(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        errors.print("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
