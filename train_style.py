"""Trains styles from images: `python train_style.py --style-image a.jpg --content-dir photos --name a`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import logging
import os
import re
import sys
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from export.exporter import export_checkpoint
from neural_style.atomic_file import partial_path
from neural_style.errors import TrainingError
from neural_style.training.distributed import Member, process_group
from neural_style.training.loss_weights import LOSS_NETWORK_NAMES, best_loss_network, default_weights, described
from neural_style.training.losses import LossWeights
from neural_style.training.options import NETWORK_KINDS, TrainOptions
from neural_style.training.trainer import Progress as TrainProgress
from neural_style.training.trainer import Trainer
from neural_style.weights.checkpoint import StyleCredit
from realtime.cli import run_main, run_script
from realtime.style_catalogue import SAVED_MODELS, load_catalogue

STEPS = {"style": TrainOptions.steps, "fast": 4500, "fine": 4500, "transformer": 4500}
"""How long each kind is trained when nothing else is asked for."""


def parse_arguments(arguments: list[str] | None = None) -> tuple[TrainOptions, bool]:
    """Reads the command line.

    Returns:
        The options, and whether to resume.

    Raises:
        TrainingError: the values do not fit together.
    """
    chosen = _parser().parse_args(arguments)
    return _options(chosen), chosen.resume


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train one network for one or more styles.")
    add = parser.add_argument
    add("--style-image", type=Path, action="append", required=True, help="image to learn from (repeatable)")
    add("--name", action="append", required=True, help="name of the style (one for each image)")
    add("--credit", action="append", default=[], metavar="SOURCE;LICENCE", help="origin and rights of each image")
    add("--content-dir", type=Path, help="folder of photographs (default: ten that scikit-image ships)")
    add("-o", "--output", type=Path, help="file to write (default saved_models/NAME.safetensors)")
    add(
        "--network",
        choices=NETWORK_KINDS,
        default=TrainOptions.network,
        help="style: only a style, for the network that is there, in minutes; fast, fine, transformer: a whole network",
    )
    add(
        "--trunk",
        type=Path,
        metavar="FILE",
        help="network that a new style joins (default saved_models/fast.safetensors)",
    )
    add("--steps", type=int, help=f"default {STEPS['style']} for a style, {STEPS['fast']} for a network")
    add("--batch-size", type=int, default=TrainOptions.batch_size)
    add("--crop", type=int, default=TrainOptions.crop_px, help="side of the training crops in px")
    add("--style-size", type=int, default=TrainOptions.style_size_px, help="shorter side of the style image in px")
    add("--learning-rate", type=float, default=TrainOptions.learning_rate)
    for term in fields(LossWeights):
        add(f"--{term.name}-weight", type=float, help="default: as found for the loss network")
    add("--content-factor", type=float, action="append", default=[], help="on the content weight, for each style")
    add("--share", type=int, action="append", default=[], help="how often each style is drawn in a round")
    add("--steadiness-from", type=float, default=TrainOptions.steady_from, help="part of the steps, 0..1")
    add("--start-from", type=Path, metavar="FILE", help="checkpoint whose weights training starts with")
    add("--processes", type=int, metavar="N", help="that share each batch (default: as the cores and the batch allow)")
    add(
        "--loss-network",
        choices=("auto", *LOSS_NETWORK_NAMES),
        default="auto",
        help="whose features are compared; auto: the one that --loss-weights holds, a VGG that torchvision has "
        "downloaded before, or efficientnet",
    )
    add("--loss-weights", type=Path, metavar="FILE", help="weights of the loss network")
    add("--save-every", type=int, default=TrainOptions.save_every, metavar="STEPS")
    add("--seed", type=int, default=TrainOptions.seed)
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--resume", action="store_true", help="go on from the last checkpoint of the same output")
    return parser


def _options(chosen: argparse.Namespace) -> TrainOptions:
    trunk = chosen.trunk
    if trunk is None and chosen.network == "style":
        trunk = SAVED_MODELS / "fast.safetensors"
    folder = SAVED_MODELS if trunk is None else trunk.parent
    loss_network = chosen.loss_network
    if loss_network == "auto":
        loss_network = best_loss_network(chosen.loss_weights)
    weights = {term.name: getattr(chosen, f"{term.name}_weight") for term in fields(LossWeights)}
    given = {name: value for name, value in weights.items() if value is not None}
    return TrainOptions(
        style_images=tuple(chosen.style_image),
        credits=_credits(chosen.name, chosen.style_image, chosen.credit),
        content_dir=chosen.content_dir,
        output=chosen.output or folder / f"{chosen.name[0]}.safetensors",
        network=chosen.network,
        trunk=trunk,
        steps=chosen.steps if chosen.steps is not None else STEPS[chosen.network],
        batch_size=chosen.batch_size,
        crop_px=chosen.crop,
        style_size_px=chosen.style_size,
        learning_rate=chosen.learning_rate,
        weights=replace(default_weights(loss_network), **given),
        content_weights=tuple(chosen.content_factor),
        style_shares=tuple(chosen.share),
        start_from=chosen.start_from,
        processes=chosen.processes or _fitting_processes(chosen.batch_size, _device(chosen.device)),
        steady_from=chosen.steadiness_from,
        loss_network=loss_network,
        loss_weights_file=chosen.loss_weights,
        save_every=chosen.save_every,
        seed=chosen.seed,
        device=_device(chosen.device),
    )


def _fitting_processes(batch_size: int, device: str) -> int:
    """The largest number of processes that divides the batch and has a core for each; 1 on a GPU."""
    if device != "cpu":
        return 1
    return max(n for n in range(1, usable_cores() + 1) if batch_size % n == 0)


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _credits(names: list[str], images: list[Path], texts: list[str]) -> tuple[StyleCredit, ...]:
    if len(names) != len(images):
        raise TrainingError(f"{len(images)} images but {len(names)} names; give each --style-image one --name")
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise TrainingError(f"style name {name!r}: use letters, digits, - and _ only")
    if len(set(names)) != len(names):
        raise TrainingError(f"style names {names}: each must be different")
    if texts and len(texts) != len(names):
        raise TrainingError(f"{len(names)} styles but {len(texts)} credits; give each style one --credit, or none")
    parts = [text.partition(";") for text in texts] or [(p.name, "", "not stated") for p in images]
    return tuple(
        StyleCredit(name, source.strip(), licence.strip() or "not stated")
        for name, (source, _, licence) in zip(names, parts, strict=True)
    )


def check_output(options: TrainOptions, resume: bool) -> None:
    """Finds out before training that its result would replace a style or clash with one.

    Raises:
        TrainingError: the file is there already or cannot be written, a style would not lie beside
            its network, or the catalogue has a style of one of the names.
    """
    if options.output.suffix != ".safetensors":
        raise TrainingError(f"output {options.output}: must end in .safetensors")
    if options.output.exists() and not resume:
        raise TrainingError(f"output {options.output}: exists; go on with --resume, or choose another --output")
    folder = options.output.parent.resolve()
    if options.trunk is not None and folder != options.trunk.parent.resolve():
        raise TrainingError(
            f"output {options.output}: a style must lie beside its network {options.trunk}; choose another --output"
        )
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with partial_path(options.output).open("wb"):
            partial_path(options.output).unlink()
    except OSError as error:
        raise TrainingError(
            f"output {options.output}: cannot be written ({error.strerror}); choose another --output"
        ) from error
    if folder != SAVED_MODELS or not any(SAVED_MODELS.glob("*.safetensors")):
        return
    for style in load_catalogue().styles:
        holder = style.file or style.checkpoint
        elsewhere = holder is not None and holder.name != options.output.name
        if elsewhere and style.name in [credit.name for credit in options.credits]:
            raise TrainingError(f"style name {style.name!r}: {holder} has it; choose another --name")


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device cuda: no CUDA device was found; use --device cpu")
    return name


def train(options: TrainOptions, resume: bool, console: Console) -> None:
    """Trains with a progress bar on a terminal, and a line every hundred steps elsewhere."""
    with process_group(options.processes, partial(_follow, options, resume)) as member:
        _lead(Trainer(options, resume, member), console)
    written = [str(options.output)]
    if options.network != "style":
        written.append(str(export_checkpoint(options.output)[0]))
    console.print(f"wrote {', '.join(written)} and the preview {options.preview_path}")


def _follow(options: TrainOptions, resume: bool, member: Member) -> None:
    """What the other processes do: the same training on their share of each batch, silently."""
    Trainer(options, resume, member).run(lambda progress: None)


def _lead(trainer: Trainer, console: Console) -> None:
    options = trainer.options
    names = ", ".join(trainer.network.style_names)
    what = f"{names} for {options.trunk}" if options.network == "style" else f"{names} in one {options.network} network"
    console.print(f"training {what} on {options.device}, step {trainer.step} of {options.steps}")
    console.print(described(options.loss_network, options.loss_weights_file))
    if options.content_dir is None:
        console.print(
            "no --content-dir given: training on ten photographs that scikit-image ships; your own are better"
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


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    logging.basicConfig(format="%(message)s")
    console = Console(highlight=False, soft_wrap=True)

    def work() -> int:
        options, resume = parse_arguments(arguments)
        check_output(options, resume)
        train(options, resume, console)
        return 0

    def interrupted() -> None:
        print("interrupted; --resume goes on from the last checkpoint", file=sys.stderr)

    return run_main(work, interrupted=interrupted)


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    run_script(main)


if __name__ == "__main__":
    command()
