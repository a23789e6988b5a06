"""Trains styles from images: `python train_style.py --style-image a.jpg --content-dir photos --name a`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import logging
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import NoReturn

from neural_style.training.inputs import check_inputs, left_by_interruption, output_of
from neural_style.training.options import LOSS_NETWORK_NAMES, NETWORK_KINDS, STEPS, LossWeights, TrainOptions
from neural_style.weights import SAVED_MODELS
from realtime import cli
from realtime.interrupts import ended_by_signals


def make_parser() -> argparse.ArgumentParser:
    """The command line; defaults are those of `TrainOptions`."""
    parser = cli.Parser(description="Train one network for one or more styles.")
    add, defaults, shown = parser.add_argument, TrainOptions, " (default %(default)s)"
    image = "image to learn from (repeatable)"
    add("--style-image", dest="style_images", type=Path, action="append", required=True, metavar="IMAGE", help=image)
    add("--name", action="append", required=True, help="name of the style (one for each image)")
    add("--credit", action="append", default=[], metavar="SOURCE;LICENCE", help="origin and rights of each image")
    add("--content-dir", type=Path, metavar="FOLDER", help="photographs (default: ten that scikit-image ships)")
    add("-o", "--output", type=Path, metavar="FILE", help="file to write (default saved_models/NAME.safetensors)")
    kinds = "style: only a style, for the network that is there, in minutes; fast, fine, transformer: a whole network"
    add("--network", choices=NETWORK_KINDS, default=defaults.network, help=kinds)
    trunk = "network that a new style joins (default saved_models/fast.safetensors)"
    add("--trunk", type=Path, metavar="FILE", help=trunk)
    add("--steps", type=int, metavar="N", help=f"default {STEPS['style']} for a style, {STEPS['fast']} for a network")
    add("--batch-size", type=int, default=defaults.batch_size, metavar="N", help=f"photographs in a step{shown}")
    add("--crop", dest="crop_px", type=int, default=defaults.crop_px, metavar="PX", help=f"side of crops{shown}")
    size = f"shorter side of the style image{shown}"
    add("--style-size", dest="style_size_px", type=int, default=defaults.style_size_px, metavar="PX", help=size)
    add("--learning-rate", type=float, default=defaults.learning_rate, metavar="X", help=f"of most steps{shown}")
    for term in fields(LossWeights):
        add(f"--{term.name}-weight", type=float, metavar="X", help="default: as found for the loss network")
    factor = "on the content weight, for each style (default 1)"
    add("--content-factor", dest="content_weights", type=float, action="append", metavar="X", help=factor)
    share = "how often each style is drawn in a round (default 1)"
    add("--share", dest="style_shares", type=int, action="append", metavar="N", help=share)
    steady = "part of the steps, 0..1 (default %(default)s)"
    add("--steadiness-from", dest="steady_from", type=float, default=defaults.steady_from, metavar="X", help=steady)
    add("--start-from", type=Path, metavar="FILE", help="checkpoint whose weights training starts with")
    add("--processes", type=int, metavar="N", help="that share each batch (default: as the cores and the batch allow)")
    loss = "whose features are compared; auto: that of --loss-weights, a VGG that torchvision has, or efficientnet"
    add("--loss-network", choices=("auto", *LOSS_NETWORK_NAMES), default="auto", help=loss)
    add("--loss-weights", dest="loss_weights_file", type=Path, metavar="FILE", help="weights of the loss network")
    add("--save-every", type=int, default=defaults.save_every, metavar="STEPS", help=f"between checkpoints{shown}")
    add("--seed", type=int, default=defaults.seed, metavar="N", help=f"of what is drawn at random{shown}")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="what trains (default %(default)s)")
    add("--resume", action="store_true", help="go on from the last checkpoint of the same output")
    cli.add_verbose(parser)
    return parser


def read_options(chosen: argparse.Namespace) -> TrainOptions:
    """Turns the command line into checked options.

    Raises:
        TrainingError: the values do not fit together.
    """
    from neural_style.training.checks import read_credits
    from neural_style.training.loss_weights import best_loss_network, default_weights
    from neural_style.training.machine import chosen_device, fitting_processes

    with cli.wrong_command_line():
        style_credits = read_credits(chosen.name, chosen.style_images, chosen.credit)
    trunk = chosen.trunk
    if trunk is None and chosen.network == "style":
        trunk = SAVED_MODELS / "fast.safetensors"
    device, loss_network = chosen_device(chosen.device), chosen.loss_network
    if loss_network == "auto":
        loss_network = best_loss_network(chosen.loss_weights_file)
    weights = {term.name: getattr(chosen, f"{term.name}_weight") for term in fields(LossWeights)}
    given = {name: value for name, value in weights.items() if value is not None}
    return cli.read_options(
        TrainOptions,
        chosen,
        credits=style_credits,
        content_dir=chosen.content_dir,
        output=output_of(chosen),
        trunk=trunk,
        steps=STEPS[chosen.network] if chosen.steps is None else chosen.steps,
        weights=replace(default_weights(loss_network), **given),
        processes=chosen.processes or fitting_processes(chosen.batch_size, device),
        loss_network=loss_network,
        device=device,
    )


def run(chosen: argparse.Namespace) -> int:
    """Does what the command line says, and returns the exit status."""
    check_inputs(chosen)
    with ended_by_signals():
        from export.exporter import export_checkpoint
        from neural_style.training.checks import check_output
        from neural_style.training.run import run_training

    options = read_options(chosen)

    logging.basicConfig(format="%(message)s")
    check_output(options, chosen.resume, _taken_names(options.output.parent))
    if chosen.resume and options.output.exists() and not options.state_path.exists():
        cli.say(f"{options.output} is trained to its end: nothing is left to do")
        return 0
    run_training(options, chosen.resume)
    written = [str(options.output)]
    if options.network != "style":
        written.append(str(export_checkpoint(options.output)[0]))
    options.state_path.unlink(missing_ok=True)  # of the optimizer: a finished training goes on from nothing
    cli.say(f"wrote {', '.join(written)} and the preview {options.preview_path}")
    return 0


def _taken_names(folder: Path) -> dict[str, Path]:
    """The styles that the commands find in a folder, and the file of each."""
    from realtime.style_catalogue import load_catalogue

    if folder.resolve() != SAVED_MODELS or not any(SAVED_MODELS.glob("*.safetensors")):
        return {}
    holders = {style.name: style.file or style.checkpoint for style in load_catalogue().styles}
    return {name: holder for name, holder in holders.items() if holder is not None}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)
    return cli.run_main(lambda: run(chosen), interrupted=lambda: print(left_by_interruption(chosen), file=sys.stderr))


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    cli.run_script(main)


if __name__ == "__main__":
    command()
