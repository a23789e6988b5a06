"""Owns what can be asked of a judging of predicted styles, and how a command line asks for it."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from neural_style.errors import EvaluationError
from neural_style.weights import SAVED_MODELS


@dataclass(frozen=True)
class PredictionOptions:
    """What is judged, and where the result goes.

    Attributes:
        style_dir: paintings.
        photo_dir: photographs, of which the held-out ones are stylized; None is those that scikit-image ships.
        model: weights of the network.
        held_out: only the paintings of the folder that the predictor's training holds out.
        photos: how many photographs at most.
        refine_s: seconds after which a refined vector is judged.
        full_steps: of a vector trained in full; 0 leaves that out.
        loss_weights_file: of the loss network; None is the best that is installed.
        json: file for the figures.
        sheet: file for a contact sheet.
    """

    style_dir: Path
    photo_dir: Path | None = None
    model: Path = SAVED_MODELS / "fast.safetensors"
    held_out: bool = False
    photos: int = 2
    refine_s: tuple[float, ...] = (20.0, 60.0)
    full_steps: int = 500
    loss_weights_file: Path | None = None
    json: Path | None = None
    sheet: Path | None = None

    def __post_init__(self) -> None:
        if self.photos < 1:
            raise EvaluationError(f"photos {self.photos}: must be at least 1")
        if self.full_steps < 0:
            raise EvaluationError(f"full-steps {self.full_steps}: must be at least 0, which leaves it out")
        if self.sheet is not None and self.sheet.suffix.lower() != ".png":
            raise EvaluationError(f"sheet {self.sheet}: must end in .png")


def parse_prediction_arguments(arguments: list[str] | None) -> PredictionOptions:
    """Reads what follows `--predict` on the command line.

    Raises:
        SystemExit: with status 2, it is wrong.
        EvaluationError: a value is not allowed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m neural_style.judging.evaluate --predict",
        description="Judge the styles that are predicted for paintings, beside the nearest shipped styles and blends, "
        "and beside vectors that were trained for them: about six minutes for each painting, or seconds with --quick.",
    )
    default, add = PredictionOptions, parser.add_argument
    add("--style-dir", type=Path, required=True, metavar="FOLDER", help="paintings")
    add("--photo-dir", type=Path, metavar="FOLDER",
        help="photographs; the held-out ones are stylized (default: those that scikit-image ships)")  # fmt: skip
    add("--model", type=Path, default=default.model, metavar="FILE", help="weights (default: those of saved_models/)")
    add("--held-out", action="store_true", help="only paintings that neural_style.training.predictor holds out")
    add("--photos", type=int, default=default.photos, metavar="N", help="photographs (default %(default)s)")
    add("--quick", action="store_true", help="train nothing: only the prediction is judged")
    add("--refine-s", type=_seconds, default=default.refine_s, metavar="A,B",
        help="after how many seconds a refined prediction is judged (default 20,60)")  # fmt: skip
    add("--full-steps", type=int, default=default.full_steps, metavar="N",
        help="of a vector that is trained in full; 0 leaves that out (default %(default)s)")  # fmt: skip
    add("--loss-weights", dest="loss_weights_file", type=Path, metavar="FILE", help="of the loss network")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    add("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet: a row for each painting")
    chosen = vars(parser.parse_args(arguments))
    if chosen.pop("quick"):
        chosen |= {"refine_s": (), "full_steps": 0}
    return PredictionOptions(**chosen)


def _seconds(text: str) -> tuple[float, ...]:
    try:
        seconds = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        seconds = (0.0,)
    if not all(0 < each < float("inf") for each in seconds):
        raise argparse.ArgumentTypeError(f"{text!r}: write seconds above 0, as 20,60")
    return seconds
