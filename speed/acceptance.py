"""Owns what the project promises on an NVIDIA GPU, and the verdict: `python benchmark.py --gpu-acceptance`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from speed.results import write_json
from speed.table import Columns, describe_ceilings, make_table


@dataclass(frozen=True)
class GpuResult:
    """One network, size and batch on the GPU, in fp16.

    Attributes:
        network: "TransformerNet", the public example's, or "FastNet", ours.
        size_wh: width and height in px.
        batch_size: frames stylized together.
        resident_ms: for a batch, from frames to stylized images in the GPU's memory, median; low_ms and high_ms
            are the 5th and the 95th percentile of 100 runs.
        low_ms: see resident_ms.
        high_ms: see resident_ms.
        host_fps: frames per second from and to the computer's memory, two batches at once.
        compute_ms: what its multiplications would take at the rate of a large matrix product.
        memory_ms: what its convolutions' inputs and outputs would take at the rate of a large copy.
    """

    network: str
    size_wh: tuple[int, int]
    batch_size: int
    resident_ms: float
    low_ms: float
    high_ms: float
    host_fps: float
    compute_ms: float
    memory_ms: float

    @property
    def resident_fps(self) -> float:
        """Throughput in the GPU's memory."""
        return self.batch_size * 1000 / self.resident_ms

    @property
    def share_of_peak(self) -> float:
        """0..1, of what the GPU's own peak rates allow."""
        return max(self.compute_ms, self.memory_ms) / self.resident_ms


@dataclass(frozen=True)
class Requirement:
    """A limit that a measured value must reach.

    Attributes:
        name: what was measured.
        unit: of the values.
        limit: what must be reached.
        goal: what is hoped for; None is the limit.
        value: what was measured; None if it could not be.
        at_most: whether the limit is the largest allowed value, and not the smallest.
        why: it could not be measured.
    """

    name: str
    unit: str
    limit: float
    goal: float | None
    value: float | None
    at_most: bool = False
    why: str = ""

    @property
    def met(self) -> bool:
        """Whether the limit is reached."""
        return self._reaches(self.limit)

    @property
    def verdict(self) -> str:
        """For people."""
        if self.value is None:
            return f"NOT MEASURED: {self.why}"
        if not self.met:
            return "MISSED"
        return "holds" if self.goal is None or self._reaches(self.goal) else "holds, the goal is missed"

    def _reaches(self, limit: float) -> bool:
        if self.value is None:
            return False
        return self.value <= limit if self.at_most else self.value >= limit


@dataclass(frozen=True)
class GpuReport:
    """All of one acceptance run.

    Attributes:
        machine: what it ran on.
        ceilings: peak rates of the GPU.
        results: how fast the networks are.
        requirements: what must hold.
    """

    machine: dict[str, Any]
    ceilings: dict[str, float]
    results: list[GpuResult]
    requirements: list[Requirement]

    def add(self, figure: "Figure") -> None:
        """Takes a result, a requirement, or the name of a ceiling with its value."""
        if isinstance(figure, GpuResult):
            self.results.append(figure)
        elif isinstance(figure, Requirement):
            self.requirements.append(figure)
        else:
            self.ceilings[figure[0]] = figure[1]

    @property
    def passed(self) -> bool:
        """Whether all requirements are met."""
        return all(requirement.met for requirement in self.requirements)

    def write_json(self, path: Path) -> None:
        """Writes all of it; raises OSError when that fails."""
        requirements = [asdict(each) | {"met": each.met} for each in self.requirements]
        write_json(path, asdict(self) | {"requirements": requirements})


Figure = GpuResult | Requirement | tuple[str, float]


def describe_figure(figure: Figure) -> str:
    """A line for people."""
    if isinstance(figure, GpuResult):
        return (
            f"{figure.network}, {figure.size_wh[0]}x{figure.size_wh[1]}, batch {figure.batch_size}: "
            f"{figure.resident_ms:.3f} ms, {figure.resident_fps:.0f} fps, {figure.share_of_peak:.0%} of peak, "
            f"from host {figure.host_fps:.0f} fps"
        )
    if isinstance(figure, Requirement):
        measured = "" if figure.value is None else f"{figure.value:.4g} {figure.unit}, "
        return f"{figure.name}: {measured}{figure.verdict}"
    return f"{figure[0]} {figure[1]:.0f}"


def gpu_table(report: GpuReport) -> Table:
    """How fast the networks are on the GPU, beside the least time that its peak rates allow."""
    caption = (
        "resident: uint8 frames to stylized ones in the GPU's memory, for one batch, median (5th-95th percentile);\n"
        "from host: from and to the computer's memory; compute, memory: the least that a batch can take at the GPU's\n"
        f"peak rates ({describe_ceilings(report.ceilings)})"
    )
    columns: Columns[GpuResult] = {
        "network": lambda result: result.network,
        "size": lambda result: "{}x{}".format(*result.size_wh),
        "batch": lambda result: str(result.batch_size),
        "resident, ms": lambda result: f"{result.resident_ms:.3f} ({result.low_ms:.3f}-{result.high_ms:.3f})",
        "fps": lambda result: f"{result.resident_fps:.0f}",
        "from host, fps": lambda result: f"{result.host_fps:.0f}",
        "compute, ms": lambda result: f"{result.compute_ms:.3f}",
        "memory, ms": lambda result: f"{result.memory_ms:.3f}",
        "of peak": lambda result: f"{result.share_of_peak:.0%}",
    }
    return make_table("fp16 on the GPU", caption, report.results, columns, words=3)


def requirement_table(report: GpuReport) -> Table:
    """What must hold, and whether it does."""
    columns: Columns[Requirement] = {
        "what": lambda each: each.name,
        "measured": lambda each: "-" if each.value is None else f"{each.value:.4g} {each.unit}",
        "must be": lambda each: f"{'at most' if each.at_most else 'at least'} {each.limit:g}",
        "goal": lambda each: "-" if each.goal is None else f"{each.goal:g}",
        "verdict": lambda each: each.verdict,
    }
    return make_table("must hold", "", report.requirements, columns, len(columns))
