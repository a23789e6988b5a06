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
        self._free: OrderedDict[Key, SimpleQueue[Worker]] = OrderedDict()
        self._times_s: dict[Key, float] = {}
        self._changing = threading.Lock()
        self._preparing = threading.Lock()

    def prepare(self, key: Key) -> float:
        """Makes the workers of a key and runs each once, unless they are ready; what either raises is raised here.

        Returns:
            Seconds that the slowest of those runs took, however long ago it was.
        """
        self._queue(key)
        return self._times_s.get(key, 0.0)

    @contextmanager
    def taken(self, key: Key) -> Iterator[Worker]:
        """Lends a worker, waiting for one that is free; prepares the key first, as `prepare`."""
        free = self._queue(key)
        worker = free.get()
        try:
            yield worker
        finally:
            free.put(worker)

    def clear(self) -> None:
        """Forgets all workers."""
        with self._changing:
            self._free.clear()
            self._times_s.clear()

    def _queue(self, key: Key) -> "SimpleQueue[Worker]":
        ready = self._ready(key)
        if ready is not None:
            return ready
        with self._preparing:
            ready = self._ready(key)  # another thread may have prepared it while this one waited
            return self._prepared(key) if ready is None else ready

    def _ready(self, key: Key) -> "SimpleQueue[Worker] | None":
        with self._changing:
            if key in self._free:
                self._free.move_to_end(key)
            return self._free.get(key)

    def _prepared(self, key: Key) -> "SimpleQueue[Worker]":
        queue: SimpleQueue[Worker] = SimpleQueue()
        slowest_s = 0.0
        for worker in self._make(key):
            start_s = time.perf_counter()
            self._warm_up(key, worker)
            slowest_s = max(slowest_s, time.perf_counter() - start_s)
            queue.put(worker)
        with self._changing:
            self._free[key], self._times_s[key] = queue, slowest_s
            if len(self._free) > _KEPT_KEYS:
                oldest, _ = self._free.popitem(last=False)
                self._times_s.pop(oldest, None)
        return queue
