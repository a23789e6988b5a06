"""Owns hiding the mouse's cursor, which OpenCV's windows cannot do themselves."""

import ctypes
import ctypes.util
import sys
from typing import Any

_kept: list[Any] = []
"""The connection to the X server: it shows the cursor again when who hid it has gone."""


def hide_cursor() -> str:
    """Hides the cursor as long as this process runs; call it from the thread of the window, once it is open.

    Returns:
        "", or a line for people that says why it stays.
    """
    try:
        if sys.platform == "win32":
            while ctypes.windll.user32.ShowCursor(False) >= 0:
                pass
        elif sys.platform == "darwin":
            graphics = ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
            graphics.CGDisplayHideCursor(graphics.CGMainDisplayID())
        elif not _kept:
            _kept.append(_hidden_by_x())
    except (OSError, AttributeError) as error:
        return f"kiosk: the cursor cannot be hidden ({error}); move it to a corner of the screen"
    return ""


def _hidden_by_x() -> Any:
    """Hides the cursor on the whole screen, and returns the connection that keeps it hidden."""
    x11 = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
    xfixes = ctypes.CDLL(ctypes.util.find_library("Xfixes") or "libXfixes.so.3")
    x11.XOpenDisplay.restype = x11.XDefaultRootWindow.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes, x11.XDefaultRootWindow.argtypes = [ctypes.c_char_p], [ctypes.c_void_p]
    x11.XFlush.argtypes, xfixes.XFixesHideCursor.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_ulong]
    display = x11.XOpenDisplay(None)
    if not display:
        raise OSError("there is no X display")
    xfixes.XFixesHideCursor(display, x11.XDefaultRootWindow(display))
    x11.XFlush(display)
    return display
