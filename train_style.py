"""Trains styles from pictures: `python train_style.py --style-image a.jpg --content-dir photos --name a`."""

import argparse
import logging
import re
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from export.model_file import export_checkpoint
from neural_style.atomic import partial_path
from neural_style.checkpoint import StyleCredit
from neural_style.errors import StylizationError, TrainingError
from neural_style.loss_network import LOSS_NETWORK_NAMES
from neural_style.losses import LossWeights
from neural_style.train import Progress as TrainProgress
from neural_style.train import Trainer, TrainOptions
from realtime.styles import SAVED_MODELS, load_catalogue


def parse_arguments(arguments: list[str] | None = None) -> tuple[TrainOptions, bool]:
    """Reads the command line.

    Returns:
        The options, and whether to resume.

    Raises:
        TrainingError: the values do not fit together.
    """
    parser = argparse.ArgumentParser(description="Train one network for one or more styles.")
    add = parser.add_argument
    add("--style-image", type=Path, action="append", required=True, help="picture to learn from (repeatable)")
    add("--name", action="append", required=True, help="name of the style (one for each picture)")
    add("--credit", action="append", default=[], metavar="SOURCE;LICENCE", help="origin and rights of each picture")
    add("--content-dir", type=Path, required=True, help="folder of photographs")
    add("-o", "--output", type=Path, help="file to write (default saved_models/NAME.safetensors)")
    add("--network", choices=("fast", "transformer"), default=TrainOptions.network)
    add("--steps", type=int, default=TrainOptions.steps)
    add("--batch-size", type=int, default=TrainOptions.batch_size)
    add("--crop", type=int, default=TrainOptions.crop_px, help="side of the training crops in px")
    add("--style-size", type=int, default=TrainOptions.style_size_px, help="shorter side of the style picture in px")
    add("--learning-rate", type=float, default=TrainOptions.learning_rate)
    add("--content-weight", type=float, default=LossWeights.content)
    add("--style-weight", type=float, default=LossWeights.style)
    add("--loss-network", choices=LOSS_NETWORK_NAMES, default=TrainOptions.loss_network)
    add("--loss-weights", type=Path, metavar="FILE", help="weights of the loss network")
    add("--save-every", type=int, default=TrainOptions.save_every, metavar="STEPS")
    add("--seed", type=int, default=TrainOptions.seed)
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--resume", action="store_true", help="go on from the last checkpoint of the same output")
    chosen = parser.parse_args(arguments)
    options = TrainOptions(
        style_pictures=tuple(chosen.style_image),
        credits=_credits(chosen.name, chosen.style_image, chosen.credit),
        content_dir=chosen.content_dir,
        output=chosen.output or SAVED_MODELS / f"{chosen.name[0]}.safetensors",
        network=chosen.network,
        steps=chosen.steps,
        batch_size=chosen.batch_size,
        crop_px=chosen.crop,
        style_size_px=chosen.style_size,
        learning_rate=chosen.learning_rate,
        weights=LossWeights(content=chosen.content_weight, style=chosen.style_weight),
        loss_network=chosen.loss_network,
        loss_weights_file=chosen.loss_weights,
        save_every=chosen.save_every,
        seed=chosen.seed,
        device=_device(chosen.device),
    )
    return options, chosen.resume


def _credits(names: list[str], pictures: list[Path], texts: list[str]) -> tuple[StyleCredit, ...]:
    if len(names) != len(pictures):
        raise TrainingError(f"{len(pictures)} pictures but {len(names)} names; give each --style-image one --name")
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise TrainingError(f"style name {name!r}: use letters, digits, - and _ only")
    if len(set(names)) != len(names):
        raise TrainingError(f"style names {names}: each must be different")
    if texts and len(texts) != len(names):
        raise TrainingError(f"{len(names)} styles but {len(texts)} credits; give each style one --credit, or none")
    parts = [text.partition(";") for text in texts] or [(p.name, "", "not stated") for p in pictures]
    return tuple(
        StyleCredit(name, source.strip(), licence.strip() or "not stated")
        for name, (source, _, licence) in zip(names, parts, strict=True)
    )


def check_output(options: TrainOptions, resume: bool) -> None:
    """Finds out before training that its result would replace a style or clash with one.

    Raises:
        TrainingError: the file is there already or cannot be written, or the catalogue has a
            style of one of the names.
    """
    if options.output.suffix != ".safetensors":
        raise TrainingError(f"output {options.output}: must end in .safetensors")
    if options.output.exists() and not resume:
        raise TrainingError(f"output {options.output}: exists; go on with --resume, or choose another --output")
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with partial_path(options.output).open("wb"):
            partial_path(options.output).unlink()
    except OSError as error:
        raise TrainingError(
            f"output {options.output}: cannot be written ({error.strerror}); choose another --output"
        ) from error
    if options.output.resolve().parent != SAVED_MODELS:
        return
    if not any(SAVED_MODELS.glob("*.safetensors")):
        return
    for style in load_catalogue().styles:
        elsewhere = style.checkpoint is not None and style.checkpoint.name != options.output.name
        if elsewhere and style.name in [credit.name for credit in options.credits]:
            raise TrainingError(f"style name {style.name!r}: {style.checkpoint} has it; choose another --name")


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device cuda: no CUDA device was found; use --device cpu")
    return name


def train(options: TrainOptions, resume: bool, console: Console) -> None:
    """Trains with a progress bar on a terminal, and a line every hundred steps elsewhere."""
    trainer = Trainer(options, resume)
    console.print(
        f"training {', '.join(trainer.network.style_names)} in one {options.network} network on {options.device}, "
        f"step {trainer.step} of {options.steps}"
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=options.steps, completed=trainer.step)

        def report(progress: TrainProgress) -> None:
            losses = "  ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
            bar.update(task, completed=progress.step, description=losses)
            if not console.is_terminal and progress.step % 100 == 0:
                console.print(f"step {progress.step} of {options.steps}: {losses}")

        trainer.run(report)
    model_file, _ = export_checkpoint(options.output)
    console.print(f"wrote {options.output}, {model_file} and the preview {options.preview_path}")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    logging.basicConfig(format="%(message)s")
    console = Console(highlight=False, soft_wrap=True)
    try:
        options, resume = parse_arguments(arguments)
        check_output(options, resume)
        train(options, resume, console)
    except StylizationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; --resume goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
