"""Stands in for a cluster, and makes what is stylized on one.

Must not know any test.
"""

from collections.abc import Callable
from typing import Any

from realtime.cluster.units import Outcome, Setup, Unit
from realtime.cluster.worker import Worker


class LocalPool:
    """Workers in this process, one unit after the other.

    Args:
        count: how many workers.
        before: is told each unit before it is done; what it gives instead of None is the outcome.

    Attributes:
        units: all that were done, in order.
    """

    def __init__(self, count: int = 2, before: Callable[[Unit], Outcome | None] | None = None) -> None:
        self._workers = [Worker() for _ in range(count)]
        self._before = before or (lambda _: None)
        self._setup: Setup | None = None
        self._given: list[tuple[int, Unit]] = []
        self.units: list[Unit] = []
        self.restarts, self.cores = 0, 1

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def free(self) -> list[int]:
        busy = {worker for worker, _ in self._given}
        return [worker for worker in range(len(self)) if worker not in busy]

    @property
    def alive(self) -> int:
        return len(self)

    def ask_all(self, method: str, *arguments: Any) -> list[Any]:
        return [getattr(worker, method)(*arguments) for worker in self._workers]

    def open(self, setup: Setup, worker: int) -> Any:
        return self._workers[worker].open(setup, 99)

    def tell(self, setup: Setup) -> None:
        self._setup = setup

    def submit(self, worker: int, unit: Unit) -> None:
        self._given.append((worker, unit))

    def wait(self, limit_s: float) -> list[tuple[int, Outcome]]:
        if not self._given:
            return []
        assert self._setup is not None
        worker, unit = self._given.pop()  # not in the order in which they came
        self.units.append(unit)
        return [(worker, self._before(unit) or self._workers[worker].run(self._setup, 99, unit))]

    def progress(self) -> dict[int, int]:
        return {}


class Told:
    """Keeps what a run reports.

    Attributes:
        events: kind, source and facts, but for progress.
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def report(self, event: str, source: str = "", **facts: Any) -> None:
        if event != "progress":
            self.events.append((event, source, facts))

    def close(self) -> None:
        pass

    def lines(self, event: str = "note") -> list[str]:
        return [facts["text"] for kind, _, facts in self.events if kind == event]
