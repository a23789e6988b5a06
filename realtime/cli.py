"""What all scripts share: arguments, and how signals and errors become an exit status."""

import argparse
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from fractions import Fraction
from typing import Any, NoReturn, TypeVar

from neural_style.errors import StylizationError
from neural_style.packages import optional_packages
from realtime.errors import OptionError
from realtime.interrupts import INTERRUPTED, handled_signals, leave, let_go_of_terminal, watch_signals
from realtime.options import ENGINE_NAMES, NETWORKS, PRECISIONS, PROVIDERS, EngineOptions, LookOptions

WRONG_COMMAND_LINE = 2
"""Exit status, as argparse's own."""

Options = TypeVar("Options")


class Parser(argparse.ArgumentParser):
    """One that says in a line what is wrong with a command line, and not its whole usage above it."""

    def error(self, message: str) -> NoReturn:
        """Ends the process, with the status that argparse has for it."""
        self.exit(WRONG_COMMAND_LINE, f"error: {message}; see {self.prog} --help\n")


def add_look_arguments(parser: argparse.ArgumentParser, style: str, smoothing: str) -> None:
    """Adds what decides how images look; the texts say what `--style` takes, and what smoothing is by default."""
    add = parser.add_argument
    add("--style", help=style)
    add("--strength", type=float, help=f"0 to 1 (default {LookOptions.strength})")
    add("--keep-colors", action="store_true", help="keep the colours of the original")
    add("--smoothing", type=float, help=f"0 to 1, against flicker (default {smoothing})")


def look_is_given(chosen: argparse.Namespace) -> bool:
    """Whether the command line says anything of how images look, be it the default."""
    return chosen.keep_colors or any(each is not None for each in (chosen.style, chosen.strength, chosen.smoothing))


def add_engine_arguments(parser: argparse.ArgumentParser, network: str, batch: str) -> None:
    """Adds what decides which network runs on what; the texts say what "auto" is for the two."""
    add, defaults = parser.add_argument, EngineOptions
    add("--network", choices=NETWORKS, default="auto", help=f"size of the network (default auto: {network})")
    add("--engine", choices=ENGINE_NAMES, default=defaults.engine, help="what runs it (default %(default)s)")
    add("--refresh", action="store_true", help="with --engine auto, measure again what is fastest here")
    add("--device", default=defaults.device, help="auto, cpu, cuda, cuda:N or mps (default %(default)s)")
    add("--provider", choices=PROVIDERS, default=defaults.provider, help="of ONNX Runtime on a GPU")
    add("--trust", action="store_true", help="run a TorchScript file of others: it is code, which may do any harm")
    add("--precision", default=defaults.precision, help=f"{', '.join(PRECISIONS)} (default %(default)s)")
    add("--batch-size", type=_batch_size, metavar="N", help=f"frames stylized together (default auto: {batch})")
    add_verbose(parser)


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Adds what `run_script` looks for."""
    parser.add_argument("--verbose", action="store_true", help="also show what libraries say")


def _batch_size(text: str) -> int | None:
    if text != "auto" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of frames, or auto")
    return None if text == "auto" else int(text)


def read_options(kind: type[Options], chosen: argparse.Namespace, **others: Any) -> Options:
    """Makes an options dataclass of the arguments that are named like its fields.

    Args:
        kind: the dataclass. Fields without an argument, and those whose argument was left out, keep their defaults.
        chosen: the parsed command line.
        others: fields that are read in another way.

    Raises:
        OptionError: a value is not allowed.
    """
    with wrong_command_line():
        return _made(kind, chosen, others)


def _made(kind: type[Options], chosen: argparse.Namespace, others: dict[str, Any]) -> Options:
    same = {field.name: getattr(chosen, field.name, None) for field in fields(kind)}  # type: ignore[arg-type]
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in same.items()}
    return kind(**{name: value for name, value in given.items() if value is not None} | others)


@contextmanager
def wrong_command_line() -> Iterator[None]:
    """Inside, an error means that the command line is wrong: its exit status is 2."""
    try:
        yield
    except StylizationError as error:
        error.exit_status = WRONG_COMMAND_LINE
        raise


@wrong_command_line()
def parse_size_wh(text: str) -> tuple[int, int]:
    """Reads "640x480" as (width, height) in px.

    Raises:
        OptionError: it is written differently.
    """
    width, separator, height = text.lower().partition("x")
    if not (separator and width.isdecimal() and height.isdecimal()):
        raise OptionError(f"size {text!r}: write WIDTHxHEIGHT in px, for example 640x480")
    return int(width), int(height)


@wrong_command_line()
def parse_time_s(text: str) -> float:
    """Reads "90", "1:30" or "0:01:30.5" as seconds.

    Raises:
        OptionError: it is written differently.
    """
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(0 <= part < float("inf") for part in parts):
        raise OptionError(f"time {text!r}: write seconds, MM:SS or HH:MM:SS, for example 90 or 1:30.5")
    return float(sum(part * 60**place for place, part in enumerate(reversed(parts))))


def parse_rate(text: str) -> Fraction:
    """Reads "25", "23.976" or "30000/1001" as frames per second; for an argument's `type`."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write frames per second, for example 25 or 30000/1001") from error


def say(line: str) -> None:
    """Prints a line for people at once."""
    print(line, flush=True)


def run_script(main: Callable[[], int]) -> NoReturn:
    """Runs a script's main function and ends the process with the status that it returns.

    After SIGINT, SIGTERM or SIGHUP the process ends within 3 s, also when a native library or a driver hangs: files
    that are not whole by then are removed. Nor does a thread that hangs keep the process after `main`.
    """
    if "--verbose" not in sys.argv:
        hush_libraries()
    watch_signals()
    leave(main())


def hush_libraries() -> None:
    """Keeps off the terminal what libraries say, in Python or by themselves; our own lines still come there."""
    warnings.simplefilter("ignore")
    logging.lastResort = logging.NullHandler()
    if sys.stderr is None:  # as under pythonw
        return
    with suppress(OSError, ValueError):  # a shell closed it
        sys.stderr.flush()
        own = os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        sys.stderr = own


def run_main(
    work: Callable[[], int], failed: Callable[[str], None] | None = None, interrupted: Callable[[], None] | None = None
) -> int:
    """Runs the work of a main function; an error becomes one line and a status.

    Args:
        work: returns the exit status.
        failed: takes the line; without it, it is printed to standard error.
        interrupted: says that Ctrl-C or a polite kill came, alike.

    Returns:
        What `work` returned; 1 after an error that a user can understand, 2 where the command line is wrong; 130
        when interrupted.
    """
    asked = threading.Event()

    def interrupt(number: int, _: object) -> None:
        if asked.is_set() and number not in (signal.SIGINT, signal.SIGTERM):
            return  # both the system and the shell tell that the terminal has ended
        asked.set()
        let_go_of_terminal(number)
        raise KeyboardInterrupt

    for number in handled_signals():  # SIGINT, too: a shell's background jobs start with it ignored
        signal.signal(number, interrupt)
    try:
        with optional_packages():
            return work()
    except BaseException as error:
        # After a signal any error is the signal's: a native library that is interrupted while it is
        # imported says that its import failed.
        if asked.is_set() or isinstance(error, KeyboardInterrupt):
            (interrupted or _print_interrupted)()
            return INTERRUPTED
        if isinstance(error, BrokenPipeError):  # who read the output has gone, and would read no line about it
            return 1
        if isinstance(error, StylizationError):
            (failed or _print_error)(str(error))
            return error.exit_status
        if isinstance(error, OSError):
            (failed or _print_error)(f"{error.filename or 'output'}: {error.strerror or error}; choose another place")
            return 1
        raise


def _print_error(line: str) -> None:
    print(f"error: {line}", file=sys.stderr)


def _print_interrupted() -> None:
    print("interrupted", file=sys.stderr)
