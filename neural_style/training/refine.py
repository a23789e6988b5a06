"""Betters a predicted style in a process of its own: `python -m neural_style.training.refine --style-image my.jpg ...`.

The vector so far is written every second, for a live loop that reads it; see `realtime.style_refiner`.
"""

import argparse
import copy
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import torch

from neural_style.atomic_file import whole_file
from neural_style.errors import StylizationError
from neural_style.networks.fast_net import FastNet
from neural_style.training.loss_weights import best_loss_network, default_weights
from neural_style.training.options import STEPS, TrainOptions
from neural_style.training.trainer import Progress, Trainer
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import StyleCredit

_EVERY_S = 1.0
_WINDOW = 40
"""Steps whose mean loss is compared with that of the steps before them."""

_WORTH = 0.005
"""Share of the loss that so many steps must take off, or the rest is not worth the heat."""


class _EnoughError(Exception):
    """Ends a training that no longer pays."""


class VectorWriter:
    """Writes the style vector of a training once a second, and ends the training when it no longer pays.

    Args:
        trainer: of one style.
        output: `.npy` file, float32 (vector_size,).
        ends_early: whether it ends the training.
    """

    def __init__(self, trainer: Trainer, output: Path, ends_early: bool) -> None:
        self._trainer, self._output, self._ends_early = trainer, output, ends_early
        self._written_s = -_EVERY_S
        self._losses: list[float] = []
        self._reader = psutil.Process().parent()

    def __call__(self, progress: Progress) -> None:
        """Takes what a step reports.

        Raises:
            _EnoughError: the last steps have bettered little, or the process that started this one has ended.
            OSError: the vector cannot be written.
        """
        self._losses.append(sum(progress.losses.values()))
        if time.monotonic() - self._written_s >= _EVERY_S:
            self.write()
            if self._reader is None or not self._reader.is_running():
                raise _EnoughError
        if self._ends_early and no_longer_pays(self._losses):
            raise _EnoughError

    def write(self) -> None:
        """Writes the vector; the file is always whole."""
        network = self._trainer.network
        if not isinstance(network, FastNet):
            raise TypeError("only styles of a FastNet have a vector")
        settled = copy.deepcopy(network)
        settled.settle_styles()
        with whole_file(self._output) as partial, partial.open("wb") as file:
            np.save(file, settled.style_vectors[0].numpy())
        self._written_s = time.monotonic()


def no_longer_pays(losses: list[float]) -> bool:
    """Whether the last window of losses is no better than the one before, by less than `_WORTH` of it."""
    if len(losses) < 2 * _WINDOW:
        return False
    before, last = sum(losses[-2 * _WINDOW : -_WINDOW]), sum(losses[-_WINDOW:])
    return last > (1 - _WORTH) * before


def refine(
    style_image: Path, trunk: Path, output: Path, loss_weights_file: Path | None = None, steps: int | None = None
) -> int:
    """Trains until it no longer pays, and returns the number of steps.

    Args:
        style_image: of the style.
        trunk: the network that the style is for; training starts with the prediction.
        output: `.npy` file that the vector so far is written to; where it is there, training goes on from its vector.
        loss_weights_file: of the loss network; None is the best that is installed.
        steps: train so many, whether they pay or not.

    Raises:
        StylizationError: something that training needs is missing.
        OSError: the vector cannot be written.
    """
    loss_network = best_loss_network(loss_weights_file)
    options = TrainOptions(
        style_images=(style_image,),
        credits=(StyleCredit("refined", style_image.name, "not stated"),),
        content_dir=None,
        output=output.with_suffix(".safetensors"),
        trunk=trunk,
        steps=steps or STEPS["style"],
        weights=default_weights(loss_network),
        loss_network=loss_network,
        loss_weights_file=loss_weights_file,
    )
    trainer = Trainer(options)
    if output.is_file():
        trainer.start_at(torch.from_numpy(np.load(output)))
    writer = VectorWriter(trainer, output, ends_early=steps is None)
    with suppress(_EnoughError):
        trainer.run(writer)
    writer.write()
    return trainer.step


def _lowest_priority() -> None:
    if sys.platform == "win32":
        psutil.Process().nice(psutil.IDLE_PRIORITY_CLASS)
    else:
        psutil.Process().nice(19)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(description="Better a predicted style, and write its vector as it gets better.")
    add = parser.add_argument
    add("--style-image", type=Path, required=True)
    add("--trunk", type=Path, default=SAVED_MODELS / "fast.safetensors")
    add("--output", type=Path, required=True, metavar="FILE.npy")
    add("--loss-weights", type=Path, help="of the loss network (default: the best that is installed)")
    add("--steps", type=int, help="so many, whether they pay or not (default: until it no longer pays)")
    chosen = parser.parse_args(arguments)
    _lowest_priority()
    try:
        refine(chosen.style_image, chosen.trunk, chosen.output, chosen.loss_weights, chosen.steps)
    except (StylizationError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
