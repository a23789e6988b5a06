"""Owns a live video that pages show: its newest image for all who watch, its settings and its figures."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from realtime.controls import Command, Controls
from realtime.frame import Frame, Image
from realtime.stats import Stats


@dataclass(frozen=True)
class StylizedImage:
    """A stylized image and what it was made from.

    Attributes:
        number: grows by one with each image of a broadcast.
        original: uint8 (H, W, 3) RGB.
        pixels: uint8 (H, W, 3) RGB, the stylized image.
    """

    number: int
    original: Image
    pixels: Image


class Broadcast:
    """A live video for everybody who watches it; no image waits: a newer one replaces it.

    Args:
        source: its name, for people.
        controls: its settings.
        send: takes commands of those who watch; returns words to show them, if any.

    Attributes:
        stats: its figures.
    """

    def __init__(self, source: str, controls: Controls, send: Callable[[Command], str | None]) -> None:
        self.source, self.controls, self.send = source, controls, send
        self.stats = Stats()
        self._newest: StylizedImage | None = None
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def publish(self, frame: Frame, pixels: Image) -> None:
        """Replaces the image, from any thread.

        Args:
            frame: what was stylized.
            pixels: uint8 (H, W, 3) RGB, the stylized image.
        """
        number = self._newest.number + 1 if self._newest else 1
        self._newest = StylizedImage(number, frame.pixels, pixels)
        self._wake()
        self.stats.frame_out(frame.capture_time_s)

    def close(self) -> None:
        """Ends all waiting, from any thread."""
        self._closed = True
        self._wake()

    async def newer(self, than: int) -> StylizedImage | None:
        """Waits for an image with a larger number; None when there will be none. All wait in one event loop."""
        self._loop = asyncio.get_running_loop()  # before looking: what is published after the look must wake it
        while not self._closed:
            if self._newest is not None and self._newest.number > than:
                return self._newest
            await self._changed.wait()
        return None

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
