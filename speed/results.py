"""Owns the figures of one measured style, engine, precision, size and batch, and how they are kept.

Must not know how they are measured or shown.
"""

import csv
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from neural_style.atomic_file import whole_file
from realtime.errors import OptionError

PUBLIC_NETWORK = "public TransformerNet"
"""The name of the yardstick's row."""

_Key = tuple[str, str, str, str, str, str, int]


@dataclass(frozen=True)
class Row:
    """What was measured; every time is of the engine alone and for one batch, if nothing else is said.

    Attributes:
        style: its name.
        network: "fast", "fine", or the name of a weights file.
        engine: "torch", "onnx" or "openvino".
        precision: what it computed in.
        device: where it ran.
        size: "WIDTHxHEIGHT" in px.
        batch_size: frames stylized together.
        rounds: how often its turn came.
        runs: timed runs in all rounds together.
        first_frame_ms: from nothing to the first stylized batch.
        median_ms: the median of all runs.
        low_ms: the fastest round's median; with high_ms the spread.
        high_ms: the slowest round's median.
        p95_ms: 95 of 100 runs were faster.
        p99_ms: 99 of 100 runs were faster.
        fps: throughput of the engine alone, batch_size * 1000 / median_ms.
        loop_fps: throughput of the live loop: decoding, engine, smoothing, overlay; the rounds'
            median; None where it was not measured.
        memory_mb: the largest memory of a process with this engine.
        gpu_memory_mb: the same on the GPU; 0 without.
        macs_per_pixel: multiply-accumulate operations by the network's definition; None if unknown.
        bytes_per_pixel: what its convolutions read and write, each number once in this precision.
        products_share: share of the rate of a large matrix product in this precision.
        copy_share: share of the rate of a large copy.
        mean_difference: mean distance, 0..255, from the image in fp32; None if that is this one.
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
    products_share: float | None
    copy_share: float | None
    mean_difference: float | None
    psnr_db: float | None

    @property
    def label(self) -> str:
        """Style and network, for people."""
        return self.style if self.network in ("fast", self.style) else f"{self.style} ({self.network})"

    @property
    def key(self) -> _Key:
        """What makes two rows of two runs the same."""
        return self.style, self.network, self.engine, self.precision, self.device, self.size, self.batch_size


@dataclass(frozen=True)
class Figures:
    """All of one run of the benchmark.

    Attributes:
        machine: what it ran on.
        clip: what was stylized.
        ceilings: what the device can do at best: "fp32 products Gop/s", "copy GB/s" and so on.
        rows: one for everything that was measured.
    """

    machine: dict[str, Any]
    clip: str
    ceilings: dict[str, float] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()

    def write_json(self, path: Path) -> None:
        """Writes them, readable by `read_figures`; raises OSError when that fails."""
        with whole_file(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def write_csv(self, path: Path) -> None:
        """Writes the rows as a table with a line of names; raises OSError when that fails."""
        with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows)


def read_figures(path: Path) -> Figures:
    """Reads what an earlier run wrote.

    Raises:
        OptionError: it cannot be read, or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(Row(**row) for row in content["rows"])
        return Figures(dict(content["machine"]), str(content["clip"]), dict(content["ceilings"]), rows)
    except OSError as error:
        raise OptionError(f"compare {path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(f"compare {path}: is not what this version of benchmark.py --json writes") from error
