"""Measures styles, engines, precisions, sizes and batches side by side on this machine: `python benchmark.py`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # engines that wait for their turn must not keep a core busy

from rich.console import Console

from realtime.cli import run_main, run_script
from realtime.errors import EngineError
from realtime.options import ENGINE_NAMES, PRECISIONS, parse_size_wh
from realtime.sources.selection import SAMPLE_CLIP
from speed.acceptance import card_table, promise_table, write_acceptance
from speed.comparison import Compared, compare
from speed.machine import describe_machine, use_cores
from speed.options import BenchmarkOptions
from speed.plot import check_plotting, draw
from speed.results import Figures, read_figures
from speed.table import comparison_table, cost_table, speed_table

_ALL = "all"


def make_parser() -> argparse.ArgumentParser:
    """The command line; defaults are those of `BenchmarkOptions`."""
    parser = argparse.ArgumentParser(description="Measure styles and engines on this machine, side by side.")
    add, defaults = parser.add_argument, BenchmarkOptions
    add("--style", default=defaults.styles, help="styles or blends with commas between, a weights file, or all")
    add("--network", default="fast", help="fast, fine, or both with a comma between (default %(default)s)")
    add("--engine", default=_ALL, help=f"{', '.join(ENGINE_NAMES[1:])}, several with commas between, or all")
    add("--precision", default=_ALL, help=f"{', '.join(PRECISIONS[1:])}, several, or all that the engines have")
    add("--device", default=defaults.device, help="auto, cpu, cuda, cuda:N or mps")
    add("--size", default="640x480", metavar="WxH", help="one or several with commas between (default %(default)s)")
    add("--batch-size", default="1", metavar="N", help="one or several with commas between (default %(default)s)")
    add("--rounds", type=int, default=defaults.rounds, help="rounds through everything (default %(default)s)")
    add("--runs", type=int, default=defaults.runs, help="timed runs in a round, a second at most (default %(default)s)")
    add("--threads", type=int, metavar="N", help="use only so many CPU cores (default: all)")
    add("--clip", type=Path, metavar="FILE", help="stylize frames of this video (default: the sample clip)")
    add("--json", type=Path, metavar="FILE.json", help="keep the figures, written as they come")
    add("--csv", type=Path, metavar="FILE.csv", help="keep them as a table")
    add("--plot", type=Path, metavar="FILE.png", help="draw them")
    add(
        "--compare", type=Path, metavar="OLD.json", help="show ratios to an earlier run; status 1 if anything is slower"
    )
    add(
        "--gpu-acceptance",
        action="store_true",
        help="measure what is promised on an NVIDIA GPU, in minutes; status 1 if it does not hold; "
        "of the other options only --clip and --json count",
    )
    return parser


def read_options(chosen: argparse.Namespace) -> BenchmarkOptions:
    """Turns the command line into checked options.

    Raises:
        OptionError: a value is not allowed.
    """
    return BenchmarkOptions(
        styles=chosen.style,
        networks=_parts(chosen.network),  # type: ignore[arg-type]
        engines=() if chosen.engine == _ALL else _parts(chosen.engine),  # type: ignore[arg-type]
        precisions=() if chosen.precision == _ALL else _parts(chosen.precision),  # type: ignore[arg-type]
        device=chosen.device,
        sizes_wh=tuple(parse_size_wh(size) for size in _parts(chosen.size)),
        batch_sizes=tuple(int(size) if size.isdecimal() else 0 for size in _parts(chosen.batch_size)),
        rounds=chosen.rounds,
        runs=chosen.runs,
        threads=chosen.threads,
        clip=chosen.clip,
        json=chosen.json,
        csv=chosen.csv,
        plot=chosen.plot,
        compare=chosen.compare,
    )


def _parts(text: str) -> tuple[str, ...]:
    """What stands between commas, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def run(options: BenchmarkOptions) -> int:
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
    console = Console(stderr=True)
    from speed.measurement import (
        Measurement,
    )  # not above: every measured process imports this file, and it needs PyTorch

    with console.status("starting") as status:

        def keep(figures: Figures) -> None:
            if options.json is not None:
                figures.write_json(options.json)

        def say(line: str) -> None:
            console.print(line, soft_wrap=True, markup=False, highlight=False)

        measurement = Measurement(options, say, status.update, keep)
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
        print("interrupted: these are the figures so far", file=sys.stderr)
        return 130
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
    print(", ".join(f"{name}: {value}" for name, value in machine.items()))
    if json is not None:
        write_acceptance(json, machine, card.ceilings, figures, promises)
    return 0 if all(promise.kept for promise in promises) else 1


def _show(figures: Figures) -> None:
    console = Console()
    if console.is_terminal is False:
        console.width = 160  # a log has no edge
    console.print(speed_table(figures))
    console.print(cost_table(figures))
    print(", ".join(f"{name}: {value}" for name, value in {"clip": figures.clip, **figures.machine}.items()))


def _has_become_slower(compared: list[Compared], earlier: Figures, figures: Figures) -> bool:
    """Shows the comparison; whether a row is slower beyond the spread of both runs."""
    Console().print(comparison_table(compared))
    for name in sorted(earlier.machine.keys() | figures.machine.keys()):
        old, new = earlier.machine.get(name, "none"), figures.machine.get(name, "none")
        if old != new:
            print(f"other than in the earlier run: {name} was {old}, is {new}")
    if len(compared) < len(figures.rows):
        print(f"{len(figures.rows) - len(compared)} rows are not in the earlier run")
    slower = [pair for pair in compared if pair.verdict == "slower"]
    print(f"slower: {len(slower)} of {len(compared)}" if compared else "the two runs have no row in common")
    return bool(slower)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)
    return run_main(lambda: accept(chosen.clip, chosen.json) if chosen.gpu_acceptance else run(read_options(chosen)))


if __name__ == "__main__":
    run_script(main)
