"""Measures styles, engines, precisions, sizes and batches side by side on this machine: `python benchmark.py`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # engines that wait for their turn must not keep a core busy

from rich.console import Console

from realtime.cli import run_main, run_script
from realtime.errors import EngineError
from realtime.options import ENGINE_NAMES, PRECISIONS, parse_size_wh
from realtime.sources.selection import SAMPLE_CLIP
from speed.acceptance import gpu_table, requirement_table
from speed.machine import use_cores
from speed.options import BenchmarkOptions
from speed.plot import check_plotting, draw
from speed.results import Comparison, Report, compare, read_report
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
    earlier = read_report(options.compare) if options.compare is not None else None
    if options.plot is not None:
        check_plotting()
    if options.threads is not None:
        use_cores(options.threads)
    console = Console(stderr=True)
    from speed.measurement import (
        Measurement,
    )  # not above: every measured process imports this file, and it needs PyTorch

    with console.status("starting") as status:

        def keep(report: Report) -> None:
            if options.json is not None:
                report.write_json(options.json)

        def say(line: str) -> None:
            console.print(line, soft_wrap=True, markup=False, highlight=False)

        measurement = Measurement(options, say, status.update, keep)
        try:
            report, interrupted = measurement.run(), False
        except KeyboardInterrupt:
            report, interrupted = measurement.report(), True
    _show(report)
    if report.results and options.csv is not None:
        report.write_csv(options.csv)
    if report.results and options.plot is not None:
        draw(report, options.plot)
    if interrupted:
        print("interrupted: these are the results so far", file=sys.stderr)
        return 130
    return 1 if earlier is not None and _has_become_slower(compare(earlier, report), earlier, report) else 0


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
    from speed.gpu import GpuAcceptance

    console = Console(stderr=True)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    report = GpuAcceptance("cuda:0", clip or SAMPLE_CLIP, say).run()
    shown = Console(width=None if sys.stdout.isatty() else 200)
    shown.print(gpu_table(report))
    shown.print(requirement_table(report))
    print(", ".join(f"{name}: {value}" for name, value in report.machine.items()))
    if json is not None:
        report.write_json(json)
    return 0 if report.passed else 1


def _show(report: Report) -> None:
    console = Console()
    if console.is_terminal is False:
        console.width = 160  # a log has no edge
    console.print(speed_table(report))
    console.print(cost_table(report))
    print(", ".join(f"{name}: {value}" for name, value in {"clip": report.clip, **report.machine}.items()))


def _has_become_slower(compared: list[Comparison], earlier: Report, report: Report) -> bool:
    """Shows the comparison; whether a result is slower beyond the spread of both runs."""
    Console().print(comparison_table(compared))
    for name in sorted(earlier.machine.keys() | report.machine.keys()):
        old, new = earlier.machine.get(name, "none"), report.machine.get(name, "none")
        if old != new:
            print(f"other than in the earlier run: {name} was {old}, is {new}")
    if len(compared) < len(report.results):
        print(f"{len(report.results) - len(compared)} results are not in the earlier run")
    slower = [pair for pair in compared if pair.verdict == "slower"]
    print(f"slower: {len(slower)} of {len(compared)}" if compared else "the two runs have no result in common")
    return bool(slower)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)
    return run_main(lambda: accept(chosen.clip, chosen.json) if chosen.gpu_acceptance else run(read_options(chosen)))


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    run_script(main)


if __name__ == "__main__":
    command()
