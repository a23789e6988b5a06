"""One training from its options to its checkpoint, in one process or several, with its progress told."""

from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from neural_style.training.distributed import Member, process_group
from neural_style.training.loss_weights import described
from neural_style.training.options import TrainOptions
from neural_style.training.trainer import Progress as TrainProgress
from neural_style.training.trainer import Trainer


def run_training(options: TrainOptions, resume: bool) -> None:
    """Trains with a progress bar on a terminal, and a line every hundred steps elsewhere.

    Raises:
        TrainingError: it cannot start, or cannot go on.
    """
    with process_group(options.processes, partial(_follow, options, resume)) as member:
        _lead(Trainer(options, resume, member), Console(highlight=False, soft_wrap=True))


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
