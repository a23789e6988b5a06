"""Owns images that visitors uploaded: each kept under a handle for a while, within limits, and stylized in turn."""

import asyncio
import secrets
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect

from realtime.web.uploads import Upload

MAX_OF_ADDRESS, MAX_KEPT_BYTES = 4, 128 * 2**20
"""Of too many the one used longest ago is dropped; in all, of who has kept the most."""

UNUSED_S = 600.0
MAX_WAITING = 4
"""Requests for one image that wait."""

_MAX_WAITING_IN_ALL = 32


class UnknownImageError(Exception):
    """There is no image of this handle, or no longer."""


class ReplacedError(Exception):
    """A newer request for the same took the place of this one."""


class BusyError(Exception):
    """Too many requests wait."""


@dataclass(eq=False)
class _Asked:
    """A request that waits or is worked on.

    Attributes:
        left: nobody waits for it any more; looked at between the steps of the work.
    """

    left: threading.Event = field(default_factory=threading.Event)
    task: "asyncio.Task[bytes] | None" = None
    replaced: bool = False

    def cancel(self) -> None:
        self.left.set()
        if self.task is not None:
            self.task.cancel()


@dataclass(eq=False)
class KeptImage:
    """An upload under its handle.

    Attributes:
        handle: known to who uploaded it alone; "" is one that is not kept.
        address: whose it is, as far as limits go.
        upload: the image.
        asked: what is asked of it now, by kind.
    """

    handle: str
    address: str
    upload: Upload
    used_s: float = field(default_factory=time.monotonic)
    asked: dict[str, _Asked] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeptImages:
    """All images that are kept; from one event loop."""

    def __init__(self) -> None:
        self._kept: dict[str, KeptImage] = {}
        self._dropping: asyncio.TimerHandle | None = None

    def keep(self, upload: Upload, address: str) -> KeptImage:
        """Keeps an image, and drops others where there are too many."""
        self._drop_unused()
        kept = KeptImage(secrets.token_urlsafe(16), address, upload)
        self._kept[kept.handle] = kept
        while sum(each.address == address for each in self._kept.values()) > MAX_OF_ADDRESS:
            self._drop_oldest(address)
        while sum(each.upload.size_bytes for each in self._kept.values()) > MAX_KEPT_BYTES:
            held: Counter[str] = Counter()
            for each in self._kept.values():
                held[each.address] += each.upload.size_bytes
            self._drop_oldest(held.most_common(1)[0][0])
        return kept

    def find(self, handle: str) -> KeptImage:
        """The image of a handle; raises UnknownImageError."""
        self._drop_unused()
        if handle not in self._kept:
            raise UnknownImageError("this image is not kept any more; upload it again")
        kept = self._kept[handle]
        kept.used_s = time.monotonic()
        return kept

    def drop(self, handle: str) -> None:
        """Forgets an image, and ends what is asked of it; raises UnknownImageError."""
        kept = self.find(handle)
        del self._kept[handle]
        for asked in kept.asked.values():
            asked.cancel()

    def _drop_unused(self) -> None:
        """Forgets the images that nobody asked for in a while, now and after another while."""
        now_s = time.monotonic()
        for kept in list(self._kept.values()):
            if now_s - kept.used_s > UNUSED_S and not kept.asked:
                del self._kept[kept.handle]
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None
        if self._kept:
            self._dropping = asyncio.get_running_loop().call_later(UNUSED_S / 2, self._drop_unused)

    async def in_turn(
        self,
        kept: KeptImage,
        kind: str,
        work: Callable[[threading.Event], Awaitable[bytes]],
        left: Callable[[], Awaitable[None]],
    ) -> bytes:
        """Does work for an image: one at a time for each image, and of one kind only the newest.

        Args:
            kept: the image.
            kind: a newer request of the same kind replaces an older one.
            work: is given an event that is set when nobody waits for it any more.
            left: ends when who asked has left.

        Raises:
            ReplacedError: a newer one has come.
            BusyError: too many wait.
            UnknownImageError: the image was dropped meanwhile.
            ClientDisconnect: who asked has left.
        """
        if kind in kept.asked:
            kept.asked[kind].replaced = True
            kept.asked.pop(kind).cancel()
        if len(kept.asked) >= MAX_WAITING or sum(len(k.asked) for k in self._kept.values()) >= _MAX_WAITING_IN_ALL:
            raise BusyError("other images are being stylized; try again in a moment")
        asked = kept.asked[kind] = _Asked()
        asked.task = asyncio.ensure_future(_one_at_a_time(kept, work, asked.left))
        leaving = asyncio.ensure_future(left())
        try:
            await asyncio.wait((asked.task, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not asked.task.done():
                asked.cancel()
            return await asked.task
        except asyncio.CancelledError:
            asked.cancel()
            if asked.replaced:
                raise ReplacedError("a newer request took the place of this one") from None
            if leaving.done():
                raise ClientDisconnect from None
            if kept.handle and kept.handle not in self._kept:
                raise UnknownImageError("this image was dropped") from None
            raise
        finally:
            leaving.cancel()
            if kept.asked.get(kind) is asked:
                del kept.asked[kind]

    def _drop_oldest(self, address: str) -> None:
        own = [each for each in self._kept.values() if each.address == address]
        self.drop(min(own, key=lambda each: each.used_s).handle)


async def _one_at_a_time(
    kept: KeptImage, work: Callable[[threading.Event], Awaitable[bytes]], left: threading.Event
) -> bytes:
    async with kept.turn:
        return await work(left)
