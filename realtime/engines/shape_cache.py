"""Owns what an engine makes once for each shape of batch: made and run once on one thread, then lent to several."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Worker = TypeVar("Worker")

_KEPT_KEYS = 4


class _Ready(Generic[Worker]):
    """The workers of one key.

    Attributes:
        free: those that no thread works with.
        slowest_s: what the slowest of their first runs took.
    """

    def __init__(self) -> None:
        self.free: SimpleQueue[Worker] = SimpleQueue()
        self.slowest_s = 0.0


class ShapeCache(Generic[Key, Worker]):
    """Lends workers; those of the last four keys are kept.

    One key is prepared at a time, whoever asks for it: two threads that first enter a native
    library at once can wait for each other for ever. Keys that are ready do not wait meanwhile.

    Args:
        make: gives all workers of a key, as many as batches come at once.
        warm_up: runs a worker once.
    """

    def __init__(self, make: Callable[[Key], Sequence[Worker]], warm_up: Callable[[Key, Worker], object]) -> None:
        self._make, self._warm_up = make, warm_up
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
        free = self._prepared(key).free
        worker = free.get()
        try:
            yield worker
        finally:
            free.put(worker)

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
        for worker in self._make(key):
            start_s = time.perf_counter()
            self._warm_up(key, worker)
            ready.slowest_s = max(ready.slowest_s, time.perf_counter() - start_s)
            ready.free.put(worker)
        with self._changing:
            self._ready[key] = ready
            if len(self._ready) > _KEPT_KEYS:
                self._announced.discard(self._ready.popitem(last=False)[0])
        return ready
