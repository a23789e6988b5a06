"""Owns the command that judges a network: `python -m neural_style.judging.evaluate --style-dir A --photo-dir B`.

With `--predict` it judges the styles that are predicted for the images of a folder.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from neural_style.atomic_file import check_replaceable
from neural_style.errors import StylizationError
from neural_style.judging.evaluation import Evaluation
from neural_style.judging.options import EvaluateOptions, parse_arguments
from neural_style.judging.prediction_options import PredictionOptions, parse_prediction_arguments
from neural_style.judging.predictions import judge_predictions, make_prediction_table
from neural_style.judging.score_tables import make_tables


def read_arguments(arguments: list[str] | None) -> EvaluateOptions | PredictionOptions:
    """Reads the command line of either judging; raises as `parse_arguments`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--predict", action="store_true")
    chosen, others = parser.parse_known_args(arguments)
    return parse_prediction_arguments(others) if chosen.predict else parse_arguments(others)


def check_outputs(paths: Sequence[Path | None]) -> None:
    """Finds out before minutes of work that their result could not be written.

    Raises:
        OSError: a folder is missing, or something else than a file has the name.
    """
    for path in paths:
        if path is not None:
            check_replaceable(path)
            if not path.parent.is_dir():
                raise FileNotFoundError(2, "its folder does not exist; make it, or choose another place", str(path))


def judge(options: EvaluateOptions | PredictionOptions, progress: Progress) -> list[Table]:
    """Judges, writes what was asked for, and returns the tables that people read."""
    if isinstance(options, PredictionOptions):
        return [make_prediction_table(judge_predictions(options, progress))]
    return make_tables(Evaluation(options).run(progress))


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    cv2.setNumThreads(1)  # optical flow comes out a little different with each number of threads
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        options = read_arguments(arguments)
        check_outputs((options.json, options.sheet))
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
            tables = judge(options, progress)
        for table in tables:
            console.print(table)
    except StylizationError as error:
        errors.print(f"error: {error}")
        return 1
    except OSError as error:
        errors.print(f"error: {error.filename or 'output'}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        errors.print("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
