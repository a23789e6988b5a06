"""Owns the comparison of two runs of the benchmark.

Must not know how they were measured.
"""

from dataclasses import dataclass
from typing import Literal

from speed.results import Figures, Row

Verdict = Literal["same", "faster", "slower"]


@dataclass(frozen=True)
class Compared:
    """One row in both runs.

    Attributes:
        old: of the earlier run.
        new: of this run.
        ratio: new time through old time.
        verdict: "same" unless each median lies outside the other's spread.
    """

    old: Row
    new: Row
    ratio: float
    verdict: Verdict


def compare(old: Figures, new: Figures) -> list[Compared]:
    """All rows that both runs have, in the order of the new one."""
    before = {row.key: row for row in old.rows}
    return [_compared(before[row.key], row) for row in new.rows if row.key in before]


def _compared(old: Row, new: Row) -> Compared:
    verdict: Verdict = "same"
    if new.median_ms > old.high_ms and old.median_ms < new.low_ms:
        verdict = "slower"
    if new.median_ms < old.low_ms and old.median_ms > new.high_ms:
        verdict = "faster"
    return Compared(old, new, new.median_ms / old.median_ms, verdict)
