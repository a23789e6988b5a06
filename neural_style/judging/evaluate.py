"""Owns the command that judges a network: `python -m neural_style.judging.evaluate --style-dir A --photo-dir B`."""

import sys

import cv2
from rich.console import Console
from rich.progress import Progress

from neural_style.atomic_file import check_replaceable
from neural_style.errors import StylizationError
from neural_style.judging.evaluation import Evaluation
from neural_style.judging.options import EvaluateOptions, parse_arguments
from neural_style.judging.score_tables import make_tables


def check_outputs(options: EvaluateOptions) -> None:
    """Finds out before minutes of work that their result could not be written.

    Raises:
        OSError: a folder is missing, or something else than a file has the name.
    """
    for path in (options.json, options.sheet):
        if path is not None:
            check_replaceable(path)
            if not path.parent.is_dir():
                raise FileNotFoundError(2, "its folder does not exist; make it, or choose another place", str(path))


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    cv2.setNumThreads(1)  # optical flow comes out a little different with each number of threads
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        options = parse_arguments(arguments)
        check_outputs(options)
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
            card = Evaluation(options).run(progress)
        for table in make_tables(card):
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
