"""Owns a live video that pages show: its newest frame for all who watch, its settings and its figures."""

import asyncio
from collections.abc import Callable

from realtime.controls import Command, Controls
from realtime.sinks.protocol import StylizedFrame
from realtime.stats import Stats


class Broadcast:
    """A live video for everybody who watches it; no frame waits: a newer one replaces it.

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
        self._newest: StylizedFrame | None = None
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def publish(self, stylized: StylizedFrame) -> None:
        """Replaces the frame, from any thread."""
        self._newest = stylized
        self._wake()
        self.stats.frame_out(stylized.frame.capture_time_s)

    def close(self) -> None:
        """Ends all waiting, from any thread."""
        self._closed = True
        self._wake()

    async def newer(self, than: StylizedFrame | None) -> StylizedFrame | None:
        """Waits for a frame that replaced another; None when there will be none. All wait in one event loop."""
        self._loop = asyncio.get_running_loop()  # before looking: what is published after the look must wake it
        while not self._closed:
            if self._newest is not than:
                return self._newest
            await self._changed.wait()
        return None

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
