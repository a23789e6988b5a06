"""Owns workers that are costly to make: kept for each shape of batch, and lent to one thread at a time.

Must not know what a worker does.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Worker = TypeVar("Worker")

_KEPT_KEYS = 4


class Pool(Generic[Key, Worker]):
    """Lends workers; those of the last four keys are kept.

    Args:
        make: gives all workers of a key, as many as batches come at once.
    """

    def __init__(self, make: Callable[[Key], Sequence[Worker]]) -> None:
        self._make = make
        self._free: OrderedDict[Key, SimpleQueue[Worker]] = OrderedDict()
        self._making = threading.Lock()

    @contextmanager
    def taken(self, key: Key) -> Iterator[Worker]:
        """Lends a worker, waiting for one that is free; what `make` raises is raised here."""
        free = self._queue(key)
        worker = free.get()
        try:
            yield worker
        finally:
            free.put(worker)

    def clear(self) -> None:
        """Forgets all workers."""
        with self._making:
            self._free.clear()

    def _queue(self, key: Key) -> "SimpleQueue[Worker]":
        with self._making:
            if key not in self._free:
                queue: SimpleQueue[Worker] = SimpleQueue()
                for worker in self._make(key):
                    queue.put(worker)
                self._free[key] = queue
                if len(self._free) > _KEPT_KEYS:
                    self._free.popitem(last=False)
            self._free.move_to_end(key)
            return self._free[key]
