"""What handing work out costs, and how far it goes: `python -m speed.cluster [--plot FILE.png] [--json FILE.json]`.

Measured on this machine: a run on one machine beside runs on a local Ray cluster, in turn, each in fresh processes.
What was measured is then fed into a simulation for 1 to 1000 workers; it is no measurement of a real cluster.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from neural_style.atomic_file import whole_file
from neural_style.machine import cpu_name, usable_cores
from realtime import cli
from realtime.cluster.options import SEGMENT_S, ClusterOptions
from realtime.media.codecs import ENCODERS
from realtime.media.video_reader import VideoReader
from realtime.media.video_writer import VideoWriter
from realtime.postprocess import frames_remembered
from realtime.sources.selection import SAMPLE_CLIP
from speed.clips import fill
from speed.cluster_plot import draw_scaling
from speed.cluster_simulation import Costs, Simulated, limit_of, mixes, simulate
from speed.plot import check_plotting

ROOT = Path(__file__).resolve().parents[1]
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
_CALLS = 300
_STATE_BYTES = 12 + 3 + 3 + 0.75
"""What smoothing remembers of a pixel: the exact stylized one, both images, and a sixteenth of the reference."""

_KEY_S = 2
"""From one key image of the video to the next, as in many."""

_ENOUGH = 0.9


@dataclass(frozen=True)
class Run:
    """One run over the same video.

    Attributes:
        wall_s: of the whole command.
        work_s: from when an engine was there to when the result was.
        files: bytes of the result.
    """

    wall_s: float
    work_s: float
    files: int


def write_long_clip(target: Path, size_wh: tuple[int, int], seconds: float) -> float:
    """Writes the sample clip again and again, and gives its frames per second."""
    reader = VideoReader(SAMPLE_CLIP)
    frames = [fill(frame.pixels, size_wh) for frame in reader.frames()]
    rate, step = reader.info.rate, round(1 / (reader.info.rate * reader.info.time_base))
    encoder = replace(ENCODERS["h264"], options={**ENCODERS["h264"].options, "g": str(round(_KEY_S * rate))})
    writer = VideoWriter(target, encoder, replace(reader.info, size_wh=size_wh), f"video {target}")
    for number, pixels in enumerate(islice(cycle(frames), round(seconds * rate))):
        writer.write(pixels, number * step, step)
    writer.close()
    reader.close()
    return float(rate)


def run_once(clip: Path, target: Path, options: Sequence[str]) -> Run:
    """Runs `stylize.py` in a fresh process."""
    command = [sys.executable, str(ROOT / "stylize.py"), str(clip), "-o", str(target), "--json", "--batch-size", "1"]
    began_s = time.perf_counter()
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready_s = done_s = began_s
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "begin" or event.get("source") == "cluster":
                ready_s = time.perf_counter()
            elif event["event"] == "done":
                done_s = time.perf_counter()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} {' '.join(options)}: ended with status {process.returncode}")
    return Run(time.perf_counter() - began_s, done_s - ready_s, target.stat().st_size)


def hand_out_s() -> float:
    """Seconds of the driver's own time for a unit of work, of which it can do one after the other."""
    from realtime.cluster.ray_pool import RayPool

    with RayPool(ClusterOptions("auto", workers=1, cpus_per_worker=1), "cpu") as pool:
        began_s = time.process_time()
        for _ in range(_CALLS):
            pool.ask_all("host")
        return (time.process_time() - began_s) / _CALLS


def disk_bytes_s(folder: Path, amount: int = 64_000_000) -> float:
    """How fast this machine writes a file and reads it again, both counted."""
    content, file = os.urandom(amount), folder / "transfer"
    began_s = time.perf_counter()
    with file.open("wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    file.read_bytes()
    file.unlink()
    return 2 * amount / (time.perf_counter() - began_s)


def measure(chosen: argparse.Namespace, say: Any) -> tuple[dict[str, Any], Costs]:
    """Measures this machine, and gives the figures and what the simulation needs of them."""
    size_wh, cores = cli.parse_size_wh(chosen.size), usable_cores()
    engine = ["--network", chosen.network, "--engine", chosen.engine]
    one = [*engine, "--ray", "auto", "--workers", "1", "--cpus-per-worker", str(cores)]
    each = [*engine, "--ray", "auto", "--workers", str(cores), "--cpus-per-worker", "1"]
    ways = {"one machine": engine, "one worker of all cores": one, "a worker for each core": each}
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory(prefix="speed-cluster-") as text:
        folder = Path(text)
        rate = write_long_clip(folder / "clip.mp4", size_wh, chosen.seconds)
        frames, clip_bytes = round(chosen.seconds * rate), (folder / "clip.mp4").stat().st_size
        for number in range(chosen.rounds):
            for name, options in ways.items():
                runs[name].append(
                    run_once(folder / "clip.mp4", folder / f"{len(runs[name])}-{list(ways).index(name)}.mp4", options)
                )
                say(f"round {number + 1}, {name}: {runs[name][-1].work_s:.1f} s, {runs[name][-1].wall_s:.1f} s in all")
        disk = disk_bytes_s(folder)
    unit_s = hand_out_s()
    work_s = {name: median(run.work_s for run in some) for name, some in runs.items()}
    start_s = median(run.wall_s - run.work_s for run in runs["a worker for each core"])
    segments = max(1.0, chosen.seconds / SEGMENT_S)
    run_in = frames_remembered(0.5)
    figures = {
        "cpu": cpu_name(),
        "cores": cores,
        "size": chosen.size,
        "frames": frames,
        "work_s": work_s,
        "overhead": work_s["one worker of all cores"] / work_s["one machine"] - 1,
        "start_s": start_s,
        "unit_ms": unit_s * 1000,
        "disk_mb_s": disk / 1e6,
        "rounds": {name: [asdict(run) for run in some] for name, some in runs.items()},
    }
    written = runs["one machine"][0].files / frames
    frame_s = cores * work_s["a worker for each core"] / (frames + (segments - 1) * run_in)
    pixels = size_wh[0] * size_wh[1]
    costs = Costs(frame_s, run_in, unit_s, start_s, 2 * (written + clip_bytes / frames) / disk, clip_bytes / frames,
                  written, _STATE_BYTES * pixels, chosen.storage_mb_s * 1e6)  # fmt: skip
    return figures, costs


def scale(costs: Costs, rate: float, say: Any) -> dict[str, list[Simulated]]:
    """Simulates all mixes on all numbers of workers, and says what holds each up first."""
    draw = random.Random(1)
    results = {}
    for mix in mixes(SEGMENT_S, rate, [draw.random() for _ in range(2000)]):
        simulated = [simulate(mix, costs, workers) for workers in WORKERS]
        results[mix.name] = simulated
        told = ", ".join(f"{one.workers}: {100 * one.efficiency:.0f}%" for one in simulated)
        first = next((one.workers for one in simulated if one.efficiency < _ENOUGH * simulated[0].efficiency), None)
        why = (
            f"from {first} workers on below 90% of one: {limit_of(mix, costs, first)}"
            if first
            else "above 90% throughout"
        )
        say(f"{mix.name} ({mix.frames} frames): {told}; {why}")
    return results


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seconds", type=float, default=120.0, help="of video (default %(default)s)")
    add("--size", default="320x240", metavar="WxH", help="of the video (default %(default)s)")
    add("--network", default="fast", help="fast or fine (default %(default)s)")
    add("--engine", default="openvino", help="what runs it (default %(default)s)")
    add("--rounds", type=int, default=3, help="of all runs in turn (default %(default)s)")
    add("--storage-mb-s", type=float, default=1000.0, help="simulated storage, of all workers (default %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write what was measured and simulated")
    add("--plot", type=Path, metavar="FILE.png", help="draw what was simulated")
    chosen = parser.parse_args()
    return cli.run_main(lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    if chosen.plot is not None:
        check_plotting()
    figures, costs = measure(chosen, cli.say)
    cli.say(json.dumps({key: value for key, value in figures.items() if key != "rounds"}, indent=1))
    results = scale(costs, 25.0, cli.say)
    if chosen.plot is not None:
        title = (
            f"simulated: {1000 * costs.frame_s:.0f} ms a frame ({chosen.size}), {chosen.storage_mb_s:.0f} MB/s storage"
        )
        draw_scaling(results, title, chosen.plot)
    if chosen.json is not None:
        told = {name: [asdict(one) for one in some] for name, some in results.items()}
        with whole_file(chosen.json) as partial:
            partial.write_text(json.dumps({"measured": figures, "costs": asdict(costs), "simulated": told}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
