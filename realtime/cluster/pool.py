"""Owns what is asked of workers, whoever runs them."""

from typing import Any, Protocol

from realtime.cluster.units import Outcome, Setup, Unit
from realtime.engines.protocol import EngineInfo


class Pool(Protocol):
    """Workers, numbered from 0; to be used in a `with` block.

    Attributes:
        restarts: how often one ended and was started again.
        cores: of each.
    """

    restarts: int
    cores: int

    def __enter__(self) -> "Pool": ...
    def __exit__(self, *_: object) -> None: ...
    def __len__(self) -> int: ...
    @property
    def free(self) -> list[int]:
        """The workers that wait for work."""

    @property
    def alive(self) -> int:
        """How many workers are there."""

    def ask_all(self, method: str, *arguments: Any) -> list[Any]:
        """Asks all workers for the same."""

    def open(self, setup: Setup, worker: int) -> tuple[EngineInfo, tuple[str, ...]]:
        """Opens one worker's engine; see `Worker.open`."""

    def tell(self, setup: Setup) -> None:
        """Gives the setup of all units to come."""

    def submit(self, worker: int, unit: Unit) -> None:
        """Gives a free worker a unit."""

    def wait(self, limit_s: float) -> list[tuple[int, Outcome]]:
        """Waits for outcomes."""

    def progress(self) -> dict[int, int]:
        """Frames that busy workers have done."""
