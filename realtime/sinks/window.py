"""The window: shows frames, and turns its keys into commands."""

import os
import socket
import sys

import cv2

from realtime.controls import Action, Command
from realtime.errors import SinkError
from realtime.frame import to_bgr
from realtime.keyboard import Keyboard
from realtime.sinks.protocol import Display, StylizedFrame

TITLE = "Neural style"

_KEY_CODES = {
    "backspace": (8, 127, 65288),
    "enter": (10, 13, 65293, 65421),
    "escape": (27,),
    "space": (32,),
    "left": (65361, 2424832, 63234),
    "right": (65363, 2555904, 63235),
}
"""Codes of the keys that are no characters: of all systems, then of X11, Windows and macOS."""

_KEY_NAMES = {code: name for name, codes in _KEY_CODES.items() for code in codes}


def display_is_available() -> bool:
    """Whether a window can be opened; asked first, because the window library ends the process if not."""
    if sys.platform in ("win32", "darwin"):
        return True
    host, _, number = os.environ.get("DISPLAY", "").rpartition(":")
    number = number.partition(".")[0]
    if not number.isdigit():
        return False
    if host not in ("", "unix"):
        return True
    for name in (f"\0/tmp/.X11-unix/X{number}", f"/tmp/.X11-unix/X{number}"):
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(name) == 0:
                return True
    return False


class WindowSink(Display):
    """A resizable window. Use it from the main thread only.

    Attributes:
        closed_by_user: whether it was closed by the mouse, and not by `close`.

    Raises:
        SinkError: there is no display.
    """

    def __init__(self) -> None:
        if not display_is_available():
            raise SinkError("window: there is no display here; use --sink null with --record FILE")
        self._keyboard = Keyboard()
        self._opened = self._full_screen = self.closed_by_user = False

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        if self.closed_by_user:
            return
        if not self._opened:
            self._open(stylized)
        cv2.imshow(TITLE, to_bgr(stylized.shown))

    def commands(self) -> list[Command]:
        """See `Display.commands`; a closed window means quit."""
        if not self._opened:
            return []
        pressed = []
        while (code := cv2.waitKeyEx(1)) != -1:
            command = self._keyboard.press(_key_name(code))
            if command is not None:
                pressed.append(command)
        if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            self._opened, self.closed_by_user = False, True
            pressed.append(Action.QUIT)
        return pressed

    def toggle_full_screen(self) -> None:
        """See `Display.toggle_full_screen`."""
        if self._opened:
            self._full_screen = not self._full_screen
            mode = cv2.WINDOW_FULLSCREEN if self._full_screen else cv2.WINDOW_NORMAL
            cv2.setWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN, mode)

    def close(self) -> str:
        """See `Sink.close`."""
        if self._opened:
            cv2.destroyWindow(TITLE)
            self._opened = False
        return ""

    def _open(self, stylized: StylizedFrame) -> None:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        height, width = stylized.shown.shape[:2]
        cv2.resizeWindow(TITLE, width, height)
        self._opened = True


def _key_name(code: int) -> str:
    key = code if code in _KEY_NAMES else code & 0xFFFF  # above are bits for Shift, NumLock and the like
    return _KEY_NAMES.get(key) or (chr(key) if 32 < key < 127 else "")
