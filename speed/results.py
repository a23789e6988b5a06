"""Owns the result of one measured style, engine, precision, size and batch, and how results are kept and compared."""

import csv
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from neural_style.atomic_file import whole_file
from realtime.errors import OptionError

BASELINE = "public TransformerNet"
"""The style and network of the baseline's result."""

_OLD_NAMES = {"products_share": "compute_share", "copy_share": "bandwidth_share"}
"""Names in files of earlier versions, which also have "rows" for "results"."""


@dataclass(frozen=True)
class Result:
    """What was measured; every time is of the engine alone and for one batch, if nothing else is said.

    Attributes:
        style: its name.
        network: "fast", "fine", or the name of a weights file.
        engine: "torch", "torchscript", "onnx" or "openvino".
        precision: what it computed in.
        device: where it ran.
        size: "WIDTHxHEIGHT" in px.
        batch_size: frames stylized together.
        rounds: how many rounds it was measured in.
        runs: timed runs in all rounds together.
        first_frame_ms: from nothing to the first stylized batch.
        median_ms: the median of all runs.
        low_ms: the fastest round's median; with high_ms the spread.
        high_ms: the slowest round's median.
        p95_ms: 95th percentile of all runs.
        p99_ms: 99th percentile of all runs.
        fps: throughput of the engine alone, batch_size * 1000 / median_ms.
        loop_fps: throughput of the live loop: decoding, engine, smoothing, overlay; the rounds'
            median; None where it was not measured.
        memory_mb: peak memory of a process with this engine.
        gpu_memory_mb: the same on the GPU; 0 without.
        macs_per_pixel: multiply-accumulate operations by the network's definition; None if unknown.
        bytes_per_pixel: what its convolutions read and write, each number once in this precision.
        compute_share: of the rate of a large matrix product in this precision, what was reached.
        bandwidth_share: of the rate of a large copy, what was reached.
        mean_difference: mean absolute difference, 0..255, from the image in fp32; None if that is this one.
        psnr_db: peak signal-to-noise ratio to the image in fp32.
    """

    style: str
    network: str
    engine: str
    precision: str
    device: str
    size: str
    batch_size: int
    rounds: int
    runs: int
    first_frame_ms: float
    median_ms: float
    low_ms: float
    high_ms: float
    p95_ms: float
    p99_ms: float
    fps: float
    loop_fps: float | None
    memory_mb: float
    gpu_memory_mb: float
    macs_per_pixel: float | None
    bytes_per_pixel: float | None
    compute_share: float | None
    bandwidth_share: float | None
    mean_difference: float | None
    psnr_db: float | None

    @property
    def label(self) -> str:
        """Style and network, for people."""
        return self.style if self.network in ("fast", self.style) else f"{self.style} ({self.network})"

    @property
    def key(self) -> tuple[str, str, str, str, str, str, int]:
        """Equal for results of two runs that can be compared."""
        return self.style, self.network, self.engine, self.precision, self.device, self.size, self.batch_size


@dataclass(frozen=True)
class Report:
    """All results of one run of the benchmark.

    Attributes:
        machine: what it ran on.
        clip: what was stylized.
        ceilings: peak rates of the device: "fp32 matmul Gop/s", "copy GB/s" and so on.
        results: what was measured.
    """

    machine: dict[str, Any]
    clip: str
    ceilings: dict[str, float] = field(default_factory=dict)
    results: tuple[Result, ...] = ()

    def write_json(self, path: Path) -> None:
        """Writes it, readable by `read_report`; raises OSError when that fails."""
        write_json(path, asdict(self))

    def write_csv(self, path: Path) -> None:
        """Writes the results as a table with a line of names; raises OSError when that fails."""
        with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Result)])
            writer.writeheader()
            writer.writerows(asdict(result) for result in self.results)


@dataclass(frozen=True)
class Comparison:
    """One result of an earlier run and the same of this one."""

    old: Result
    new: Result

    @property
    def ratio(self) -> float:
        """New time divided by old time."""
        return self.new.median_ms / self.old.median_ms

    @property
    def verdict(self) -> Literal["same", "faster", "slower"]:
        """The same unless each median lies outside the other's spread."""
        if self.new.median_ms > self.old.high_ms and self.old.median_ms < self.new.low_ms:
            return "slower"
        if self.new.median_ms < self.old.low_ms and self.old.median_ms > self.new.high_ms:
            return "faster"
        return "same"


def compare(old: Report, new: Report) -> list[Comparison]:
    """All results that both runs have, in the order of the new one."""
    earlier = {result.key: result for result in old.results}
    return [Comparison(earlier[result.key], result) for result in new.results if result.key in earlier]


def read_report(path: Path) -> Report:
    """Reads what an earlier run wrote.

    Raises:
        OptionError: it cannot be read, or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        results = content["results"] if "results" in content else content["rows"]
        renamed = [{_OLD_NAMES.get(name, name): value for name, value in result.items()} for result in results]
        return Report(
            dict(content["machine"]),
            str(content["clip"]),
            dict(content["ceilings"]),
            tuple(Result(**values) for values in renamed),
        )
    except OSError as error:
        raise OptionError(f"compare {path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"compare {path}: is not what this version of benchmark.py --json writes") from error


def write_json(path: Path, content: object) -> None:
    """Writes a whole JSON file or none; raises OSError when that fails."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
