"""Owns the QR code on the image: visitors open the page with it, and control what they see."""

from dataclasses import replace

import cv2
import numpy as np

from neural_style.packages import optional_packages
from realtime.controls import Command
from realtime.frame import Image
from realtime.sinks.protocol import Display, StylizedFrame

_QUIET_MODULES = 4
"""The white border that the standard (ISO/IEC 18004) asks for."""

_LARGEST_SHARE = 0.3
"""Of the image's shorter side, that a code takes at most."""

_MODULE_PX, _LEAST_MODULE_PX = 3, 2


class QrSink(Display):
    """A display with a QR code in the upper right corner of what it shows.

    Args:
        display: what shows it.

    Raises:
        MissingPackageError: segno is not installed.
    """

    def __init__(self, display: Display) -> None:
        with optional_packages("qr"):
            import segno
        self._display, self._make = display, segno.make
        self._modules: Image | None = None

    def point_to(self, address: str) -> None:
        """Draws the code of an address from now on."""
        matrix = np.array([list(row) for row in self._make(address, error="l", micro=False).matrix], np.uint8)
        grey = np.pad((1 - matrix) * np.uint8(255), _QUIET_MODULES, constant_values=255)
        self._modules = np.repeat(grey[:, :, None], 3, axis=2)

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        if self._modules is not None:
            stylized = replace(stylized, shown=with_code(stylized.shown, self._modules))
        self._display.write(stylized)

    def commands(self) -> list[Command]:
        """See `Display.commands`."""
        return self._display.commands()

    def toggle_full_screen(self) -> None:
        """See `Display.toggle_full_screen`."""
        self._display.toggle_full_screen()

    def close(self) -> str:
        """See `Sink.close`."""
        return self._display.close()


def with_code(pixels: Image, modules: Image) -> Image:
    """Draws a code in the upper right corner, in whole pixels for each module.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        modules: uint8 (n, n, 3), black and white, a pixel for each module.

    Returns:
        A new uint8 (H, W, 3) RGB; without the code where its modules would be too small to be read.
    """
    shorter_px = min(pixels.shape[:2])
    module_px = max(_MODULE_PX, int(shorter_px * _LARGEST_SHARE / len(modules)))
    if module_px * len(modules) > shorter_px:
        module_px = _LEAST_MODULE_PX
    side = module_px * len(modules)
    if side > shorter_px:
        return pixels
    drawn = pixels.copy()
    drawn[:side, -side:] = cv2.resize(modules, (side, side), interpolation=cv2.INTER_NEAREST)
    return drawn
