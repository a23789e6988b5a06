"""The window of an exhibition: it fills the screen, has no cursor, and visitors can't end it."""

from collections.abc import Callable

from realtime.controls import Action, Command
from realtime.sinks.cursor import hide_cursor
from realtime.sinks.protocol import Display, StylizedFrame
from realtime.sinks.window import WindowSink

_NOT_FOR_VISITORS = {
    Action.QUIT,
    Action.FULL_SCREEN,
    Action.OVERLAY,
    Action.RECORD,
    Action.SNAPSHOT,
    Action.NEXT_CAMERA,
    Action.KEEP_STYLE,
}
"""What would end the show, uncover the desktop, change what is shown of the room, or fill the disk."""


class KioskSink(Display):
    """A window that fills the screen, and opens again when somebody closes it.

    Args:
        report: takes a line for people where the cursor cannot be hidden.
        open_window: tests hand in a fake.

    Raises:
        SinkError: there is no display.
    """

    def __init__(self, report: Callable[[str], None], open_window: Callable[[], WindowSink] = WindowSink) -> None:
        self._report, self._open_window = report, open_window
        self._window, self._fills_screen = open_window(), False

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        self._window.write(stylized)
        if not self._fills_screen:
            self._fills_screen = True
            self._window.toggle_full_screen()
            if fault := hide_cursor():
                self._report(fault)

    def commands(self) -> list[Command]:
        """See `Display.commands`."""
        asked = self._window.commands()
        if self._window.closed_by_user:
            self._window, self._fills_screen = self._open_window(), False
        return [command for command in asked if command not in _NOT_FOR_VISITORS]

    def toggle_full_screen(self) -> None:
        """See `Display.toggle_full_screen`; it stays as it is."""

    def close(self) -> str:
        """See `Sink.close`."""
        return self._window.close()
