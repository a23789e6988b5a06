"""Measures styles, engines, precisions, sizes and batches side by side on this machine: `python benchmark.py`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
from pathlib import Path
from typing import NoReturn

from realtime import cli
from realtime.errors import OptionError
from realtime.interrupts import ended_by_signals
from realtime.options import ENGINE_NAMES, PRECISIONS
from speed.options import BenchmarkOptions

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # engines that wait for their turn must not keep a core busy

_ALL = "all"


def make_parser() -> argparse.ArgumentParser:
    """The command line; defaults are those of `BenchmarkOptions`."""
    parser = cli.Parser(description="Measure styles and engines on this machine, side by side.")
    add, defaults = parser.add_argument, BenchmarkOptions
    add(
        "--style",
        dest="styles",
        default=defaults.styles,
        help="styles or blends with commas between, a weights file, or all",
    )
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
    add("--overwrite", action="store_true", help="replace files that are there")
    add(
        "--compare", type=Path, metavar="OLD.json", help="show ratios to an earlier run; status 1 if anything is slower"
    )
    add(
        "--gpu-acceptance",
        action="store_true",
        help="measure what is promised on an NVIDIA GPU, in minutes; status 1 if it does not hold; "
        "of the other options only --clip and --json count",
    )
    cli.add_verbose(parser)
    return parser


def read_options(chosen: argparse.Namespace) -> BenchmarkOptions:
    """Turns the command line into checked options.

    Raises:
        OptionError: a value is not allowed.
    """
    return cli.read_options(
        BenchmarkOptions,
        chosen,
        networks=_parts(chosen.network),
        engines=() if chosen.engine == _ALL else _parts(chosen.engine),
        precisions=() if chosen.precision == _ALL else _parts(chosen.precision),
        sizes_wh=tuple(cli.parse_size_wh(size) for size in _parts(chosen.size)),
        batch_sizes=tuple(_batch_size(size) for size in _parts(chosen.batch_size)),
    )


@cli.wrong_command_line()
def _batch_size(text: str) -> int:
    if not text.isdecimal():
        raise OptionError(f"batch-size {text!r}: write a number of frames, or several with commas between")
    return int(text)


def _parts(text: str) -> tuple[str, ...]:
    """What stands between commas, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def run(chosen: argparse.Namespace) -> int:
    """Does what the command line says, and returns the exit status."""
    options = None if chosen.gpu_acceptance else read_options(chosen)
    with ended_by_signals():
        from speed.benchmark import accept, run_benchmark  # not above: every measured process imports this file

    return accept(chosen.clip, chosen.json, chosen.overwrite) if options is None else run_benchmark(options)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)
    return cli.run_main(lambda: run(chosen))


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    cli.run_script(main)


if __name__ == "__main__":
    command()
