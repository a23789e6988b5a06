"""Owns what all scripts share: how signals, errors and hanging parts become an end and an exit status."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import psutil

from neural_style.atomic import remove_partials
from realtime.errors import StylizationError

INTERRUPTED = 130
"""Exit status after Ctrl-C or a polite kill."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LEFT_AFTER_S = 2.3
"""A process is gone 3 s after a signal, and ending takes a moment."""


def run_script(main: Callable[[], int]) -> NoReturn:
    """Runs a script's main function and ends the process with the status that it returns.

    After SIGINT or SIGTERM the process ends within 3 s, also when a native library or a driver hangs: files
    that are not whole by then are removed. Nor does a thread that hangs keep the process after `main`.
    """
    _watch_signals()
    _leave(main())


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
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        return work()
    except StylizationError as error:
        (failed or _print_error)(str(error))
        return 1
    except OSError as error:
        (failed or _print_error)(f"{error.filename or 'output'}: {error.strerror or error}; choose another place")
        return 1
    except KeyboardInterrupt:
        (interrupted or _print_interrupted)()
        return INTERRUPTED


def _print_error(line: str) -> None:
    print(f"error: {line}", file=sys.stderr)


def _print_interrupted() -> None:
    print("interrupted", file=sys.stderr)


@contextmanager
def signals_noted(note: Callable[[], None]) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM are noted and interrupt nothing: a run ends between two frames, and files are closed.

    Args:
        note: called for each signal. Threads but the main one are left as they are, for Python sends them none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, lambda *_: note()) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _interrupt(_: int, __: object) -> None:
    """A polite kill ends a run as Ctrl-C does; set for SIGINT, too, which background jobs of a shell ignore."""
    raise KeyboardInterrupt


def _watch_signals() -> None:
    """Starts the thread that ends the process when a signal has not done so in time.

    Python runs signal handlers in the main thread only, and never while that waits in a native library.
    The number of a signal is written to a socket at once, in whichever thread it comes.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    # The sender lives as long as the process: the thread never returns.
    threading.Thread(target=_end_in_time, args=(receiver, sender), name="signal watch", daemon=True).start()


def _end_in_time(receiver: socket.socket, _: socket.socket) -> None:
    while receiver.recv(1)[0] not in _SIGNALS:
        pass
    time.sleep(_LEFT_AFTER_S)
    names = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    print(f"interrupted; what did not end in time was left: {', '.join(names)}", file=sys.stderr)
    _leave(INTERRUPTED)


def _leave(status: int) -> NoReturn:
    """Ends the process at once, with its children and without half-written files.

    Python's own end would wait for threads that hang, and take down native libraries under threads that run in them.
    """
    remove_partials()
    for child in psutil.Process().children(recursive=True):
        child.kill()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads any more
            stream.flush()
    os._exit(status)
