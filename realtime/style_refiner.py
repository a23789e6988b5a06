"""Owns bettering the style of an image while it is shown: when a process does it, and what becomes of its vectors."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from realtime.controls import AddStyle, Command, Controls
from realtime.sinks.protocol import Sink, StylizedFrame
from realtime.spare_time import SpareTime
from realtime.style import Style, Vector
from realtime.style_prediction import is_of_image

BEFORE_S = 2.0
"""A style must be shown so long before it is bettered: who goes through the styles starts no processes."""

_LOOKED_EVERY_S = 1.0


class Refining(Protocol):
    """What betters a style beside the loop."""

    def let_run(self, runs: bool) -> None:
        """Lets it run, or suspends it."""

    def newer_vector(self) -> Vector | None:
        """The vector so far, float32 (vector_size,); None where there is none since the last that was asked for."""

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""

    @property
    def fault(self) -> str:
        """A line that says why it failed; "" where it did not."""

    def end(self) -> None:
        """Ends it, and removes its files."""


class StyleRefiner(Sink):
    """Asks for better vectors of the current style, if it is one of an image; a `Controller`.

    As a sink it counts the loop's frames. A style that is left goes on from its last vector when it is shown again.

    Args:
        controls: the settings of the run.
        start: starts a process for a style; may raise OSError.
        say: takes a line for people when a style is refined, or why it cannot be.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        controls: Controls,
        start: Callable[[Style], Refining],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._controls, self._start, self._say, self._clock = controls, start, say, clock
        self._style = controls.look.style
        self._process: Refining | None = None
        self._done: dict[Path, Vector | None] = {}
        self._frames, self._spare = 0, SpareTime()
        self._since_s = self._looked_s = clock()

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        self._frames += 1

    def fields(self) -> list[str]:
        """What the overlay says."""
        if self._process is not None:
            return [f"style refining {self._clock() - self._since_s:.0f} s"]
        return ["style refined"] if self._is_done() else []

    def commands(self) -> list[Command]:
        """See `Controller.commands`."""
        now_s, style = self._clock(), self._controls.look.style
        if style != self._style or style.vector is not self._style.vector:
            self._turn_to(style, now_s)
        if self._process is None:
            self._begin(now_s)
            return []
        self._process.let_run(self._spare.may_run(now_s, self._frames))
        if now_s - self._looked_s < _LOOKED_EVERY_S:
            return []
        self._looked_s = now_s
        return self._look(self._process)

    def hear(self, _: Command) -> str:
        """See `Controller.hear`; what it needs to know is in the settings."""
        return ""

    def close(self) -> str:
        """See `Sink.close`."""
        if self._process is not None:
            self._process.end()
            self._process = None
        return ""

    def _turn_to(self, style: Style, now_s: float) -> None:
        if self._process is not None:  # it takes a moment to end, and the loop does not wait
            threading.Thread(target=self._process.end, name="refining end", daemon=True).start()
        self._style, self._process, self._since_s = style, None, now_s

    def _begin(self, now_s: float) -> None:
        """Starts a process, if the current style can be bettered and has been shown for a while."""
        style = self._style
        if not is_of_image(style) or style.checkpoint is None or self._is_done() or now_s - self._since_s < BEFORE_S:
            return
        try:
            self._process = self._start(style)
        except OSError as error:
            self._finish(f"style {style.name} cannot be refined: {error.strerror or error}")
            return
        self._since_s = self._looked_s = now_s
        self._spare = SpareTime()

    def _look(self, process: Refining) -> list[Command]:
        """Reads what the process has written, and ends with it."""
        ended, vector = process.ended, process.newer_vector()  # in this order: its last vector is read, too
        if vector is not None and self._style.vector is not None and vector.shape == self._style.vector.shape:
            self._style = replace(self._style, vector=vector)
        else:
            vector = None
        if ended:
            self._process, fault = None, process.fault
            process.end()
            self._finish(f"style {self._style.name} cannot be refined: {fault}" if fault else "")
        return [AddStyle(self._style, is_refined=True)] if vector is not None else []

    def _finish(self, fault: str) -> None:
        """Leaves the style as it is from now on."""
        if self._style.file is not None:
            self._done[self._style.file] = self._style.vector
        self._say(fault or f"style {self._style.name} is refined")

    def _is_done(self) -> bool:
        file = self._style.file
        return file is not None and file in self._done and self._done[file] is self._style.vector
