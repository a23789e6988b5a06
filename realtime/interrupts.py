"""How a process ends when it is told to, within 3 seconds, whatever hangs."""

import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import psutil

from neural_style.atomic_file import remove_partials

INTERRUPTED = 130
"""Exit status after Ctrl-C or a polite kill."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if sys.platform != "win32" else ()))
"""Ctrl-C, a polite kill, and the end of the terminal."""

_LEFT_AFTER_S = 2.4
"""A process is gone 3 s after a signal, and ending takes a moment."""

_WRITTEN_WITHIN_S = 0.1


def handled_signals() -> list[signal.Signals]:
    """Those of `SIGNALS` that end a run: after `nohup` the end of the terminal does not."""
    hangup = getattr(signal, "SIGHUP", None)
    ignored = hangup is not None and signal.getsignal(hangup) == signal.SIG_IGN
    return [number for number in SIGNALS if not (ignored and number == hangup)]


def let_go_of_terminal(number: int) -> None:
    """After the end of the terminal nothing is written there any more: that would be an error."""
    if number != getattr(signal, "SIGHUP", None):
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for file in (1, 2, 2 if sys.stderr is None else sys.stderr.fileno()):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(file).st_mode):
                os.dup2(nowhere, file)
    os.close(nowhere)


@contextmanager
def signals_noted(note: Callable[[], None]) -> Iterator[None]:
    """Inside, signals to end are noted and interrupt nothing: a run ends between two frames, and files are closed.

    Args:
        note: called for each signal. Threads but the main one are left as they are, for Python sends them none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        let_go_of_terminal(number)
        note()

    with _handled_by(handle):
        yield


@contextmanager
def signals_delayed() -> Iterator[None]:
    """Inside, signals to end wait for the end of the block.

    For native libraries that are loaded during a run: an exception in the midst of that may abort the process.
    """
    kept: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python gives signals to the main thread
        yield
        return
    try:
        with _handled_by(lambda number, _: kept.append(number)):
            yield
    finally:
        if kept:
            signal.raise_signal(kept[0])


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, signals to end do so at once.

    For imports of native libraries at the start of a command: one that is interrupted half-way may crash
    the process, and there is nothing yet to close or to remove.
    """
    with _handled_by(signal.SIG_DFL):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> Iterator[None]:
    numbers = handled_signals()
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, former in zip(numbers, before, strict=True):
            signal.signal(number, former)


def watch_signals() -> None:
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
    while receiver.recv(1)[0] not in SIGNALS:
        pass
    time.sleep(_LEFT_AFTER_S)
    names = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    line = f"interrupted; what did not end in time was left: {', '.join(names)}"
    _try_briefly(lambda: print(line, file=sys.stderr))
    leave(INTERRUPTED)


def leave(status: int) -> NoReturn:
    """Ends the process at once, with its children and without half-written files.

    Python's own end would wait for threads that hang, and take down native libraries under threads that run in them.
    """
    remove_partials()
    for child in psutil.Process().children(recursive=True):
        child.kill()
    _try_briefly(_flush)
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # as under pythonw, and where a shell closed it
            stream.flush()


def _try_briefly(write: Callable[[], None]) -> None:
    """Writes to streams that may be closed, or full and read by nobody."""

    def attempt() -> None:
        with suppress(OSError, ValueError):
            write()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(_WRITTEN_WITHIN_S)
