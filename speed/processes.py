"""Owns an object in a process of its own, asked over a pipe.

Executors and managers of the standard library do less: their processes outlive a parent that is killed, or an
answer that does not come is waited for without a limit.
"""

import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from neural_style.errors import StylizationError
from realtime.errors import EngineError

_END_S = 5.0
_ANSWER_S = 600.0
"""The slowest answers: TensorRT builds an engine, or the public network stylizes a batch of 4K frames on CPU."""


class RemoteObject:
    """Makes an object in a new process, and asks it there.

    Args:
        name: for messages.
        make: a class or function of a module, called in the process.
        arguments: given to it.

    Raises:
        StylizationError: what `make` raised, or EngineError when the process ended.
    """

    def __init__(self, name: str, make: Callable[..., object], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = name
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, method: str, *arguments: object) -> Any:
        """Calls a method of the object, and returns what it gives.

        Raises:
            StylizationError: what the method raised, or EngineError when the process ended or hangs.
        """
        try:
            self._pipe.send((method, arguments))
        except OSError as error:
            raise self._ended() from error
        return self._answer()

    def close(self) -> None:
        """Ends the process, whatever it does: it has nothing to lose, and after Ctrl-C there is no time to wait."""
        self._pipe.close()
        self._process.kill()
        self._process.join()

    def _answer(self) -> Any:
        try:
            if not self._pipe.poll(_ANSWER_S):
                raise EngineError(f"{self._name}: did not answer within {_ANSWER_S:.0f} s; try another engine or size")
            failed, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if failed:
            raise answer
        return answer

    def _ended(self) -> EngineError:
        self._process.join(_END_S)
        return EngineError(f"{self._name}: its process ended (status {self._process.exitcode}), perhaps for memory")


def _serve(pipe: Connection, make: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """Runs in the process, until the other side goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    made: list[object] = []
    with suppress(EOFError, OSError):
        _answer(pipe, lambda: made.append(make(*arguments)))
        while made:
            method, given = pipe.recv()
            _answer(pipe, partial(getattr(made[0], method), *given))


def _answer(pipe: Connection, call: Callable[[], object]) -> None:
    """Sends whether a call failed, and what it returned or raised."""
    try:
        answer: tuple[bool, object] = False, call()
    except StylizationError as error:
        answer = True, error
    pipe.send(answer)
