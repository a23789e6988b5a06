"""Owns the judging of styles that are predicted for paintings, beside what else could be had."""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from rich import box
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from neural_style.atomic_file import whole_file
from neural_style.contact_sheet import Cell, draw_sheet, make_cell
from neural_style.errors import EvaluationError
from neural_style.judging.inputs import Exhibit, held_out_photos, read_exhibit
from neural_style.judging.judge import Impression, Judge, compare
from neural_style.judging.prediction_options import PredictionOptions
from neural_style.networks.fast_net import FastNet
from neural_style.networks.image_stylizer import ImageStylizer
from neural_style.networks.style_predictor import INPUT_SHORT_SIDE_PX, MAX_ASPECT
from neural_style.photos import find_photos, hold_out_paintings
from neural_style.weights.checkpoint import load_checkpoint, trunk_hash
from neural_style.weights.predictor import predicted_vector
from realtime.media.image_file import StillImage, write_still
from realtime.media.resize import middle_part, with_short_side

_SIDE_PX = 320
"""The shorter side of photographs, and of the paintings that they are compared with."""

_BLENDED = 4
"""Of so many of the nearest styles all even blends of two are tried."""


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

    Attributes:
        options: as given.
        paintings: that are judged.
        rows: of the contact sheet: the photographs, and then a row for each painting.

    Raises:
        StylizationError: a folder, an image, the network or the judge cannot be used.
    """

    def __init__(self, options: PredictionOptions) -> None:
        network = load_checkpoint(options.model)
        if not isinstance(network, FastNet):
            raise EvaluationError(f"model {options.model}: is a {network.family} network; only fast ones are predicted")
        self.options, self._network, self._trunk = options, network, trunk_hash(network.state_dict())
        self.paintings = find_photos(options.style_dir, "style folder")
        if options.held_out:
            self.paintings = hold_out_paintings(self.paintings)
        if not self.paintings:
            raise EvaluationError(f"style folder {options.style_dir}: holds too few images to hold one out")
        self._photos = [read_exhibit(path, "photograph") for path in held_out_photos(options.photo_dir, options.photos)]
        self._photos = [Exhibit(photo.name, with_short_side(photo.image, _SIDE_PX)) for photo in self._photos]
        self._judge = Judge(quick=True)
        self._looks = [self._judge.look(photo.image) for photo in self._photos]
        self._shipped = [self._looks_of(vector) for vector in network.style_vectors]
        self.rows = [[Cell("", None), *(make_cell(photo.name, photo.image) for photo in self._photos)]]

    def judge(self, path: Path) -> PredictionScore:
        """Judges one painting, and adds its row to the contact sheet.

        Raises:
            StylizationError: the painting cannot be read, or nothing is predicted or trained for it.
        """
        painting = middle_part(read_exhibit(path, "painting").image, MAX_ASPECT)
        predicted = predicted_vector(self._trunk, with_short_side(painting, INPUT_SHORT_SIDE_PX))
        if predicted is None:
            raise EvaluationError(f"model {self.options.model}: there is no predictor for it")
        vector = torch.from_numpy(predicted)
        aim = self._judge.look(with_short_side(painting, _SIDE_PX))
        trained = {f"{after_s:g}": self._trained(path, after_s) for after_s in self.options.refine_s}
        full = self._trained(path, None) if self.options.full_steps else None
        row = [make_cell(path.stem, painting), *self._cells("predicted", vector)]
        row += [cell for after_s, refined in trained.items() for cell in self._cells(f"refined {after_s} s", refined)]
        self.rows.append(row + ([] if full is None else self._cells("full", full)))
        single, blend = self._nearest(aim)
        style, content = self._distances(self._looks_of(vector), aim)
        refined_to = {after_s: self._distances(self._looks_of(each), aim)[0] for after_s, each in trained.items()}
        full_to = None if full is None else self._distances(self._looks_of(full), aim)[0]
        return PredictionScore(path.name, single, blend, style, content, refined_to, full_to)

    def _nearest(self, aim: Impression) -> tuple[float, float]:
        """Style distances of the nearest shipped style, and of the nearest of those and of even blends of two."""
        single = [self._distances(looks, aim)[0] for looks in self._shipped]
        nearest, vectors = np.argsort(single)[:_BLENDED].tolist(), self._network.style_vectors
        pairs = [(vectors[a] + vectors[b]) / 2 for a, b in combinations(nearest, 2)]
        blends = [self._distances(self._looks_of(pair), aim)[0] for pair in pairs]
        return min(single), min([*single, *blends])

    def _cells(self, label: str, vector: Tensor) -> list[Cell]:
        """All photographs stylized with a vector."""
        stylize = ImageStylizer(self._network, vector)
        return [make_cell(label, stylize(photo.image)) for photo in self._photos]

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


def judge_predictions(options: PredictionOptions, progress: Progress) -> list[PredictionScore]:
    """Judges the predictions for all paintings, and writes figures and contact sheet where they were asked for.

    Raises:
        StylizationError: as `PredictionJudging`.
        OSError: a file cannot be written.
    """
    judging = PredictionJudging(options)
    scores = [judging.judge(path) for path in progress.track(judging.paintings, description="paintings")]
    if options.json is not None:
        with whole_file(options.json) as partial:
            partial.write_text(json.dumps([asdict(score) for score in scores], indent=1), encoding="utf-8")
    if options.sheet is not None:
        write_still(options.sheet, StillImage(draw_sheet(judging.rows)))
    return scores


def make_prediction_table(scores: list[PredictionScore]) -> Table:
    """A row for each painting, and the means."""
    better = sum(score.predicted < score.single for score in scores)
    table = Table(
        title="style distance to paintings, 0 is equal",
        caption=f"{better} of {len(scores)} predictions are nearer than the nearest style",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("painting", overflow="fold")
    rows = [(score.painting, _numbers(score)) for score in scores]
    for heading in rows[0][1]:
        table.add_column(heading, justify="right", no_wrap=True)
    rows.append(("mean", {heading: float(np.mean([row[heading] for _, row in rows])) for heading in rows[0][1]}))
    for painting, numbers in rows:
        table.add_row(painting, *(f"{number:.3f}" for number in numbers.values()))
    return table


def _numbers(score: PredictionScore) -> dict[str, float]:
    """A score's figures by heading."""
    numbers = {"nearest": score.single, "blend": score.blend, "predicted": score.predicted}
    numbers |= {f"after {after_s} s": distance for after_s, distance in score.refined.items()}
    numbers |= {} if score.full is None else {"full": score.full}
    return numbers | {"content": score.content}
