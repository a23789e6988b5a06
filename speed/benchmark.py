"""One run of the benchmark, and of the acceptance on a GPU: measures, shows and keeps what was asked for."""

import sys
from pathlib import Path

from rich.console import Console

from realtime.cli import say
from realtime.errors import EngineError
from realtime.interrupts import INTERRUPTED
from realtime.sources.selection import SAMPLE_CLIP
from speed.acceptance import card_table, promise_table, write_acceptance
from speed.comparison import Compared, compare
from speed.machine import describe_machine, use_cores
from speed.options import BenchmarkOptions
from speed.plot import check_plotting, draw
from speed.results import Figures, read_figures
from speed.table import comparison_table, cost_table, speed_table


def run_benchmark(options: BenchmarkOptions) -> int:
    """Measures, shows and keeps what was asked for, and returns the exit status.

    Raises:
        StylizationError: something that was asked for cannot be had.
        OSError: an output cannot be written.
    """
    earlier = read_figures(options.compare) if options.compare is not None else None
    if options.plot is not None:
        check_plotting()
    if options.threads is not None:
        use_cores(options.threads)
    from speed.measurement import Measurement  # after the cores were chosen, because it imports PyTorch

    console = Console(stderr=True)
    with console.status("starting") as status:

        def keep(figures: Figures) -> None:
            if options.json is not None:
                figures.write_json(options.json)

        def note(line: str) -> None:
            console.print(line, soft_wrap=True, markup=False, highlight=False)

        measurement = Measurement(options, note, status.update, keep)
        try:
            figures, interrupted = measurement.run(), False
        except KeyboardInterrupt:
            figures, interrupted = measurement.figures(), True
    _show(figures)
    if figures.rows and options.csv is not None:
        figures.write_csv(options.csv)
    if figures.rows and options.plot is not None:
        draw(figures, options.plot)
    if interrupted:
        console.print("interrupted: these are the figures so far")
        return INTERRUPTED
    return 1 if earlier is not None and _has_become_slower(compare(earlier, figures), earlier, figures) else 0


def accept(clip: Path | None, json: Path | None) -> int:
    """Measures what is promised on an NVIDIA GPU, shows the verdicts, and returns the exit status.

    Raises:
        StylizationError: there is no such GPU, or the clip cannot be read.
        OSError: the figures cannot be written.
    """
    import torch

    if not torch.cuda.is_available():
        raise EngineError(
            "gpu-acceptance: PyTorch finds no NVIDIA GPU; install a driver and a CUDA build of PyTorch, "
            "or run it elsewhere"
        )
    from speed.gpu import Card, promises_of_speed

    console = Console(stderr=True)
    card = Card("cuda:0", clip or SAMPLE_CLIP, lambda line: console.print(line, markup=False, highlight=False))
    figures = list(card.figures())
    promises = [*promises_of_speed(figures), *card.exactness(), *card.providers(), card.training()]
    machine = describe_machine()
    shown = Console(width=None if sys.stdout.isatty() else 200)
    shown.print(card_table(figures, card.ceilings))
    shown.print(promise_table(promises))
    say(", ".join(f"{name}: {value}" for name, value in machine.items()))
    if json is not None:
        write_acceptance(json, machine, card.ceilings, figures, promises)
    return 0 if all(promise.kept for promise in promises) else 1


def _show(figures: Figures) -> None:
    console = Console()
    if console.is_terminal is False:
        console.width = 160  # a log has no edge
    console.print(speed_table(figures))
    console.print(cost_table(figures))
    say(", ".join(f"{name}: {value}" for name, value in {"clip": figures.clip, **figures.machine}.items()))


def _has_become_slower(compared: list[Compared], earlier: Figures, figures: Figures) -> bool:
    """Shows the comparison; whether a row is slower beyond the spread of both runs."""
    Console().print(comparison_table(compared))
    for name in sorted(earlier.machine.keys() | figures.machine.keys()):
        old, new = earlier.machine.get(name, "none"), figures.machine.get(name, "none")
        if old != new:
            say(f"other than in the earlier run: {name} was {old}, is {new}")
    if len(compared) < len(figures.rows):
        say(f"{len(figures.rows) - len(compared)} rows are not in the earlier run")
    slower = [pair for pair in compared if pair.verdict == "slower"]
    say(f"slower: {len(slower)} of {len(compared)}" if compared else "the two runs have no row in common")
    return bool(slower)
