"""Owns what an engine makes once for each shape of batch: made and run once on one thread, then lent to several."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from realtime.engines.gpu_memory import is_out_of_memory, with_room

Key = TypeVar("Key", bound=Hashable)
Worker = TypeVar("Worker")

_KEPT_KEYS = 4
_COMES_BACK_S = 10.0
"""How long a worker that is to be dropped may still be at work."""


@dataclass(frozen=True)
class CacheMemory(Generic[Worker]):
    """The memory that workers hold.

    Attributes:
        bytes_of: what one of them holds.
        limit_bytes: gives what all of them may hold; those of one key may hold more.
        freed: called after workers were dropped.
    """

    bytes_of: Callable[[Worker], int]
    limit_bytes: Callable[[], float] = lambda: math.inf
    freed: Callable[[], object] = lambda: None


class _Ready(Generic[Worker]):
    """The workers of one key.

    Attributes:
        free: those that no thread works with; a None says that the key was dropped.
        count: of all workers.
        bytes: what they hold together.
        slowest_s: what the slowest of their first runs took.
    """

    def __init__(self) -> None:
        self.free: SimpleQueue[Worker | None] = SimpleQueue()
        self.count, self.bytes, self.slowest_s = 0, 0, 0.0

    def drop(self) -> None:
        """Lets go of the workers; one that is at work is waited for, because its memory is wanted."""
        end_s = time.monotonic() + _COMES_BACK_S
        for _ in range(self.count):
            with suppress(Empty):
                self.free.get(timeout=max(0.0, end_s - time.monotonic()))
        self.free.put(None)


class ShapeCache(Generic[Key, Worker]):
    """Lends workers; those of the last four keys are kept, or of fewer where memory is short.

    One key is prepared at a time, whoever asks for it: two threads that first enter a native
    library at once can wait for each other for ever. Keys that are ready do not wait meanwhile.
    Where memory is too small for a worker, other keys are dropped first, the one that was used least lately
    before the others. Where it is too small for all workers of a key, the key has fewer.

    Args:
        makers: gives what makes each worker of a key, as many as batches come at once.
        warm_up: runs a worker once.
        memory: what workers hold; None where it does not matter.
    """

    def __init__(
        self,
        makers: Callable[[Key], Sequence[Callable[[], Worker]]],
        warm_up: Callable[[Key, Worker], object],
        memory: CacheMemory[Worker] | None = None,
    ) -> None:
        self._makers, self._warm_up = makers, warm_up
        self._memory: CacheMemory[Worker] = memory or CacheMemory(lambda _: 0)
        self._ready: OrderedDict[Key, _Ready[Worker]] = OrderedDict()
        self._announced: set[Key] = set()
        self._changing = threading.Lock()
        self._preparing = threading.Lock()

    def prepare(self, key: Key) -> float:
        """Makes the workers of a key and runs each once, unless they are ready; what either raises is raised here.

        Returns:
            Seconds that the slowest of those runs took, however long ago it was.
        """
        self._announced.add(key)
        return self._prepared(key).slowest_s

    def was_prepared(self, key: Key) -> bool:
        """Whether somebody has prepared a key, as for what will come often."""
        return key in self._announced

    def drop_unprepared(self) -> None:
        """Forgets the keys that were lent without being prepared, as for what came once."""
        with self._changing:
            for key in [key for key in self._ready if key not in self._announced]:
                del self._ready[key]

    @contextmanager
    def taken(self, key: Key) -> Iterator[Worker]:
        """Lends a worker, waiting for one that is free; prepares the key first, as `prepare`."""
        while True:
            free = self._prepared(key).free
            worker = free.get()
            if worker is not None:
                break
            free.put(None)  # the key was dropped meanwhile, which others who wait have to see, too
        try:
            yield worker
        finally:
            free.put(worker)

    def is_ready(self, key: Key) -> bool:
        """Whether the workers of a key are there."""
        return self._find(key) is not None

    def drop_oldest(self) -> bool:
        """Drops the workers of the key that was used least lately; False where there is none."""
        with self._changing:
            if not self._ready:
                return False
            key, oldest = self._ready.popitem(last=False)
            self._announced.discard(key)
        oldest.drop()
        self._memory.freed()
        return True

    def clear(self) -> None:
        """Forgets all workers."""
        with self._changing:
            self._ready.clear()

    def _prepared(self, key: Key) -> _Ready[Worker]:
        ready = self._find(key)
        if ready is not None:
            return ready
        with self._preparing:
            return self._find(key) or self._prepare(key)  # another thread may have prepared it while this one waited

    def _find(self, key: Key) -> _Ready[Worker] | None:
        with self._changing:
            if key in self._ready:
                self._ready.move_to_end(key)
            return self._ready.get(key)

    def _prepare(self, key: Key) -> _Ready[Worker]:
        ready: _Ready[Worker] = _Ready()
        for make in self._makers(key):
            try:
                with_room(partial(self._add, ready, key, make), self.drop_oldest)
            except Exception as error:
                if ready.count and is_out_of_memory(error):
                    break
                raise
        with self._changing:
            self._ready[key] = ready
        while self._is_too_large():
            self.drop_oldest()
        return ready

    def _add(self, ready: _Ready[Worker], key: Key, make: Callable[[], Worker]) -> None:
        worker = make()
        start_s = time.perf_counter()
        self._warm_up(key, worker)
        ready.slowest_s = max(ready.slowest_s, time.perf_counter() - start_s)
        ready.count += 1
        ready.bytes += self._memory.bytes_of(worker)
        ready.free.put(worker)

    def _is_too_large(self) -> bool:
        with self._changing:
            held_bytes = sum(ready.bytes for ready in self._ready.values())
            over = len(self._ready) > _KEPT_KEYS or held_bytes > self._memory.limit_bytes()
            return over and len(self._ready) > 1
