"""Owns handing the newest image from threads to any number of waiting tasks: nothing queues, newest wins.

Must not know networks or what images show.
"""

import asyncio
from dataclasses import dataclass

from realtime.frame import Image


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
    """The newest image of one source, for everybody who shows it.

    Args:
        loop: where those who wait run.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._newest: StylizedImage | None = None
        self._changed = asyncio.Event()
        self._closed = False

    def publish(self, original: Image, pixels: Image) -> None:
        """Replaces the image, from any thread."""
        number = self._newest.number + 1 if self._newest else 1
        self._newest = StylizedImage(number, original, pixels)
        self._wake()

    def close(self) -> None:
        """Ends all waiting, from any thread."""
        self._closed = True
        self._wake()

    async def newer(self, than: int) -> StylizedImage | None:
        """Waits for an image with a larger number; None when there will be none."""
        while not self._closed:
            if self._newest is not None and self._newest.number > than:
                return self._newest
            await self._changed.wait()
        return None

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
