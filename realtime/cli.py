"""What all scripts share: how signals and errors become an exit status."""

import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from realtime.errors import StylizationError
from realtime.interrupts import INTERRUPTED, SIGNALS, leave, watch_signals


def run_script(main: Callable[[], int]) -> NoReturn:
    """Runs a script's main function and ends the process with the status that it returns.

    After SIGINT or SIGTERM the process ends within 3 s, also when a native library or a driver hangs: files
    that are not whole by then are removed. Nor does a thread that hangs keep the process after `main`.
    """
    watch_signals()
    leave(main())


def run_main(
    work: Callable[[], int], failed: Callable[[str], None] | None = None, interrupted: Callable[[], None] | None = None
) -> int:
    """Runs the work of a main function; an error becomes one line and a status.

    Args:
        work: returns the exit status.
        failed: takes the line; without it, it is printed to standard error.
        interrupted: says that Ctrl-C or a polite kill came, alike.

    Returns:
        What `work` returned; 1 after an error that a user can understand; 130 when interrupted.
    """
    asked = threading.Event()

    def interrupt(_: int, __: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    for number in SIGNALS:  # SIGINT, too: a shell's background jobs start with it ignored
        signal.signal(number, interrupt)
    try:
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
            return 1
        if isinstance(error, OSError):
            (failed or _print_error)(f"{error.filename or 'output'}: {error.strerror or error}; choose another place")
            return 1
        raise


def _print_error(line: str) -> None:
    print(f"error: {line}", file=sys.stderr)


def _print_interrupted() -> None:
    print("interrupted", file=sys.stderr)
