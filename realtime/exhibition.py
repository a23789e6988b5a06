"""Owns what an exhibition does by itself: it goes through styles, and back to the start when visitors have left."""

import time
from collections.abc import Callable, Sequence

from realtime.controls import ChangeLook, Command, Controls, SetCycle, StartAgain


class Exhibition:
    """Asks for the next style in turn, and for the start after a while without a command.

    A style that a person chose stays as long as any other, and the next in turn follows it.

    Args:
        controls: the settings of the run.
        styles: gives the names and blends to go through, in order; more may come.
        cycle_s: seconds for each; 0 stays.
        idle_s: without a person's command for so long it goes back to the start; 0 never.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        controls: Controls,
        styles: Callable[[], Sequence[str]],
        cycle_s: float = 0.0,
        idle_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._controls, self._styles = controls, styles
        self._cycle_s, self._idle_s, self._clock = cycle_s, idle_s, clock
        self._since_s = self._touched_s = clock()
        self._touched, self._place = False, -1

    def commands(self) -> list[Command]:
        """See `Controller.commands`."""
        now_s = self._clock()
        if self._touched and self._idle_s and now_s - self._touched_s >= self._idle_s:
            self._touched, self._since_s = False, now_s
            return [StartAgain()]
        if self._cycle_s and now_s - self._since_s >= self._cycle_s:
            self._since_s = now_s
            return [ChangeLook(style=self._next_style())]
        return []

    def hear(self, command: Command) -> str:
        """See `Controller.hear`."""
        now_s = self._clock()
        self._touched, self._touched_s, self._since_s = True, now_s, now_s
        if not isinstance(command, SetCycle):
            return ""
        self._cycle_s = command.seconds
        return f"a style in {command.seconds:g} s" if command.seconds else "styles stay"

    def _next_style(self) -> str:
        """The one after that which is shown, or after the last one in turn where a person chose another."""
        shown, styles = self._controls.look.style.name, self._styles()
        self._place = styles.index(shown) if shown in styles else self._place
        self._place = (self._place + 1) % len(styles)
        return styles[self._place]
