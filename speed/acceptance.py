"""Owns what the project promises on an NVIDIA GPU, and the verdict: `python benchmark.py --gpu-acceptance`.

Must not know how it is measured.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from neural_style.atomic_file import whole_file


@dataclass(frozen=True)
class CardFigures:
    """One network, size and batch on the card, in fp16.

    Attributes:
        network: "TransformerNet", the public example's, or "FastNet", ours.
        size_wh: width and height in px.
        batch_size: frames stylized together.
        resident_ms: for a batch, from frames on the card to stylized images on the card, median; with the 5th and 95th
            of 100 runs as low_ms and high_ms.
        low_ms: see resident_ms.
        high_ms: see resident_ms.
        host_fps: frames per second from and to the computer's memory, two batches under way.
        arithmetic_ms: what its products would take at the rate of a large matrix product.
        memory_ms: what its convolutions' inputs and outputs would take at the rate of a large copy.
    """

    network: str
    size_wh: tuple[int, int]
    batch_size: int
    resident_ms: float
    low_ms: float
    high_ms: float
    host_fps: float
    arithmetic_ms: float
    memory_ms: float

    @property
    def resident_fps(self) -> float:
        """Throughput on the card."""
        return self.batch_size * 1000 / self.resident_ms


@dataclass(frozen=True)
class Promise:
    """One line that must hold.

    Attributes:
        words: what was measured.
        unit: of the values.
        limit: what must be reached.
        goal: what is hoped for; None is the limit.
        value: what was measured; None could not be.
        at_most: whether the limit is the largest allowed value, and not the smallest.
        why: it could not be measured.
    """

    words: str
    unit: str
    limit: float
    goal: float | None
    value: float | None
    at_most: bool = False
    why: str = ""

    @property
    def kept(self) -> bool:
        """Whether the limit is reached."""
        return self.value is not None and self._reaches(self.limit)

    @property
    def verdict(self) -> str:
        """For people."""
        if self.value is None:
            return f"NOT MEASURED: {self.why}"
        if not self.kept:
            return "MISSED"
        return "holds" if self.goal is None or self._reaches(self.goal) else "holds, the goal is missed"

    def _reaches(self, mark: float) -> bool:
        assert self.value is not None
        return self.value <= mark if self.at_most else self.value >= mark


def card_table(figures: list[CardFigures], ceilings: dict[str, float]) -> Table:
    """How fast the networks are on the card, beside the floors."""
    best = ", ".join(f"{name} {value:.0f}" for name, value in ceilings.items())
    table = Table(
        title="fp16 on the card",
        caption="on the card: uint8 frames to stylized ones in its memory, for one batch, median (5th-95th of 100);\n"
        f"from host: from and to the computer's memory; floors at what the card can do at best ({best})",
    )
    for name in ("network", "size", "batch"):
        table.add_column(name)
    for name in ("on the card, ms", "fps", "from host, fps", "arithmetic floor, ms", "memory floor, ms"):
        table.add_column(name, justify="right")
    for row in figures:
        table.add_row(
            row.network,
            "{}x{}".format(*row.size_wh),
            str(row.batch_size),
            f"{row.resident_ms:.3f} ({row.low_ms:.3f}-{row.high_ms:.3f})",
            f"{row.resident_fps:.0f}",
            f"{row.host_fps:.0f}",
            f"{row.arithmetic_ms:.3f}",
            f"{row.memory_ms:.3f}",
        )
    return table


def promise_table(promises: list[Promise]) -> Table:
    """What must hold, and whether it does."""
    table = Table(title="must hold")
    for name in ("what", "measured", "must be", "goal", "verdict"):
        table.add_column(name)
    for promise in promises:
        sign = "at most" if promise.at_most else "at least"
        measured = "-" if promise.value is None else f"{promise.value:.4g} {promise.unit}"
        goal = "-" if promise.goal is None else f"{promise.goal:g}"
        table.add_row(promise.words, measured, f"{sign} {promise.limit:g}", goal, promise.verdict)
    return table


def write_acceptance(
    path: Path,
    machine: dict[str, Any],
    ceilings: dict[str, float],
    figures: list[CardFigures],
    promises: list[Promise],
) -> None:
    """Keeps all figures as JSON; raises OSError when that fails."""
    content = {
        "machine": machine,
        "ceilings": ceilings,
        "figures": [asdict(row) for row in figures],
        "promises": [asdict(promise) | {"kept": promise.kept} for promise in promises],
    }
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
