"""Measures throughput and latency of styles and engines side by side: `python benchmark.py`."""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from neural_style.atomic import whole_file
from neural_style.transformer_net import TransformerNet
from realtime.controls import Controls
from realtime.engines import Engine, open_engine
from realtime.engines.torch_engine import run_in_torch_thread
from realtime.errors import EngineError, OptionError, StyleError, StylizationError
from realtime.options import ENGINE_NAMES, EngineOptions, LookOptions, RunOptions, parse_size_wh
from realtime.pipeline import Pipeline, Stages
from realtime.sinks.null import NullSink
from realtime.sources.pattern import PatternSource
from realtime.styles import Catalogue, open_style_list

WARM_UP_RUNS = 3
PUBLIC_NETWORK = "public TransformerNet, eager"
_VARIANTS = (("torch", "fp32"), ("torch", "bf16"), ("torch", "fp16"), ("onnx", "fp32"))


@dataclass(frozen=True)
class Row:
    """What was measured of one style on one engine.

    Attributes:
        style: its name.
        engine: "torch" or "onnx".
        precision: of weights and features.
        device: where it ran.
        median_ms: time of the engine alone for one frame.
        p5_ms: 5th percentile of the same.
        p95_ms: 95th percentile.
        engine_fps: 1000 / median_ms.
        loop_fps: frames per second of the whole live loop, from the test pattern to the null
            sink, the median of the rounds; 0 where it was not measured.
    """

    style: str
    engine: str
    precision: str
    device: str
    median_ms: float
    p5_ms: float
    p95_ms: float
    engine_fps: float
    loop_fps: float


@dataclass
class _Candidate:
    style: str
    engine: str
    precision: str
    device: str
    run_once: Callable[[], object]
    run_loop: Callable[[], float] | None
    times_ms: list[float]
    loops_fps: list[float]


def measure(candidates: list[_Candidate], rounds: int, runs: int) -> list[Row]:
    """Runs all candidates in turn, round after round, so that noise of the machine hits all alike."""
    for candidate in candidates:
        for _ in range(WARM_UP_RUNS):
            candidate.run_once()
    for _ in range(rounds):
        for candidate in candidates:
            candidate.run_once()
            for _ in range(runs):
                start_s = time.perf_counter()
                candidate.run_once()
                candidate.times_ms.append((time.perf_counter() - start_s) * 1000)
            if candidate.run_loop is not None:
                candidate.loops_fps.append(candidate.run_loop())
    return [_row(candidate) for candidate in candidates]


def _row(candidate: _Candidate) -> Row:
    p5, median, p95 = (float(value) for value in np.percentile(candidate.times_ms, (5, 50, 95)))
    loop_fps = statistics.median(candidate.loops_fps) if candidate.loops_fps else 0.0
    return Row(
        candidate.style,
        candidate.engine,
        candidate.precision,
        candidate.device,
        median,
        p5,
        p95,
        1000 / median,
        loop_fps,
    )


def _catalogue_candidates(
    catalogue: Catalogue, places: list[int], wished: EngineOptions, size_wh: tuple[int, int], loop_frames: int
) -> list[_Candidate]:
    pictures = _pictures(size_wh)
    loop = RunOptions(size_wh=size_wh, unpaced=True, max_frames=loop_frames)
    candidates = []
    for engine_name, precision in _VARIANTS:
        if wished.engine not in ("auto", engine_name):
            continue
        chosen = EngineOptions(engine_name, wished.device, precision)  # type: ignore[arg-type]
        try:
            engine = open_engine(catalogue, chosen)
        except EngineError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        for place in places:
            try:
                catalogue.runnable_by(engine_name, catalogue.names[place])
            except StyleError as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            candidates.append(_candidate(engine, catalogue, place, pictures, loop))
    return candidates


def _candidate(
    engine: Engine, catalogue: Catalogue, index: int, pictures: NDArray[np.uint8], options: RunOptions
) -> _Candidate:
    style, info = catalogue.styles[index], engine.info

    def run_loop() -> float:
        source = PatternSource((pictures.shape[2], pictures.shape[1]), paced=False)
        stages = Stages(source, engine, Controls(catalogue, index, LookOptions()), [NullSink()])
        return Pipeline(stages, options, lambda line: None).run().fps

    return _Candidate(
        style.name, info.engine, info.precision, info.device, lambda: engine.stylize(pictures, style), run_loop, [], []
    )


def _yardstick(size_wh: tuple[int, int], device: str) -> _Candidate:
    """The network of the public example, as its users run it: eager PyTorch in fp32."""
    network = TransformerNet(PUBLIC_NETWORK).eval().to(device)
    pictures = torch.from_numpy(_pictures(size_wh)).permute(0, 3, 1, 2).float()

    @torch.inference_mode()
    def stylize() -> object:
        return network(pictures.to(device)).cpu()

    return _Candidate(PUBLIC_NETWORK, "torch", "fp32", device, lambda: run_in_torch_thread(stylize), None, [], [])


def _pictures(size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    frame = PatternSource(size_wh, paced=False).read()
    assert frame is not None
    return frame.pixels[None]


def machine() -> dict[str, str | int]:
    """Names what the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        names = [line.partition(":")[2].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "cpu": model,
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _table(rows: list[Row], size: str) -> Table:
    table = Table(title=f"{size}, batch 1")
    for name in ("style", "engine", "precision", "device"):
        table.add_column(name)
    for name in ("engine ms (p5-p95)", "engine fps", "loop fps"):
        table.add_column(name, justify="right")
    for row in rows:
        loop = f"{row.loop_fps:.1f}" if row.loop_fps else "-"
        spread = f"{row.median_ms:.1f} ({row.p5_ms:.1f}-{row.p95_ms:.1f})"
        table.add_row(row.style, row.engine, row.precision, row.device, spread, f"{row.engine_fps:.1f}", loop)
    return table


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(description="Measure styles and engines on this machine, side by side.")
    add = parser.add_argument
    add(
        "--style",
        default="candy",
        help="styles or blends with commas between, a weights file, or all (default %(default)s)",
    )
    add("--engine", choices=("all", *ENGINE_NAMES[1:]), default="all")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default %(default)s)")
    add("--size", default="640x480", metavar="WxH")
    add("--rounds", type=int, default=5, help="rounds through all candidates (default %(default)s)")
    add("--runs", type=int, default=10, help="timed runs of each in a round (default %(default)s)")
    add("--threads", type=int, help="CPU threads of PyTorch (default: all)")
    add("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    try:
        if min(chosen.rounds, chosen.runs) < 1 or (chosen.threads is not None and chosen.threads < 1):
            raise OptionError("rounds, runs and threads must be at least 1")
        if chosen.threads:
            torch.set_num_threads(chosen.threads)
        rows = _run(chosen)
        Console().print(_table(rows, chosen.size))
        print(", ".join(f"{name}: {value}" for name, value in machine().items()))
        if chosen.json:
            _write_json(chosen.json, rows, chosen.size)
    except StylizationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}; choose another place", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _run(chosen: argparse.Namespace) -> list[Row]:
    size_wh = parse_size_wh(chosen.size)
    wished = EngineOptions("auto" if chosen.engine == "all" else chosen.engine, chosen.device)
    RunOptions(size_wh=size_wh)  # refuses a size that cannot be
    catalogue, places = open_style_list(chosen.style)
    candidates = _catalogue_candidates(catalogue, places, wished, size_wh, loop_frames=3 * chosen.runs)
    candidates.append(_yardstick(size_wh, "cuda" if chosen.device != "cpu" and torch.cuda.is_available() else "cpu"))
    return measure(candidates, chosen.rounds, chosen.runs)


def _write_json(path: Path, rows: list[Row], size: str) -> None:
    content = {"machine": machine(), "size": size, "batch_size": 1, "rows": [asdict(row) for row in rows]}
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
