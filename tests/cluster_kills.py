"""Kills workers and drivers of a run on a Ray cluster at random, and checks that nothing is lost or done twice.

`python -m tests.cluster_kills` does it with 20 videos, 20 kills of workers and 5 of the driver. It prints what was
found, and ends with status 1 if anything is wrong. `--clips FOLDER` adds the videos of a folder to the made ones.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes import noise  # noqa: E402
from video_corpus import VideoKind, make_video, take_apart  # noqa: E402

_WORKER = "ray::Worker"
_LIMIT_S = 900.0
_X264 = {"preset": "veryfast", "crf": "20"}
KINDS = (
    VideoKind(options={**_X264, "g": "25"}, count=150, sound_s=6.0),
    VideoKind(options={**_X264, "g": "25", "bf": "3"}, count=100, sound_s=4.0, sound_offset_s=0.2),
    VideoKind(options={**_X264, "x264-params": "open-gop=1:keyint=25:bframes=3"}, count=120),
    VideoKind(".ts", options={**_X264, "g": "25", "bf": "2"}, count=110, sound_s=4.4),
    VideoKind(".mkv", options={**_X264, "g": "25"}, count=75, time_base=Fraction(1, 1000), sound_s=3.0),
    VideoKind(options={**_X264, "g": "9999", "sc_threshold": "0"}, count=60),
    VideoKind(".webm", "libvpx-vp9", options={"g": "25", "deadline": "realtime", "cpu-used": "8"}, count=80,
              time_base=Fraction(1, 1000)),
    VideoKind(options={**_X264, "g": "25"}, count=70, times=tuple(n * 512 + n * 37 % 400 for n in range(70))),
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        folder: with `in/`; `out/` is written.
        worker_kills: how many workers are killed.
        driver_kills: how often the driver is.
        size_px: longest side at which is stylized.
        segment_s: least length of segments.
    """

    folder: Path
    worker_kills: int
    driver_kills: int
    size_px: int = 160
    segment_s: float = 2.0


@dataclass
class Found:
    """What came of a trial.

    Attributes:
        status: exit status of the last driver.
        killed: how many workers and drivers were killed.
        partial: files under an asked name that could not be played at some moment.
        twice: units that were done again although they had been done.
        units: that were done.
        wall_s: from the first start to the end.
        work_s: from when the first unit was begun to when the last was done.
        levels: how many videos differ by so many levels at most from those of one machine, in Y, Cb and Cr.
        differing: videos whose frames, times or sound are not those of a run on one machine.
    """

    status: int = 0
    killed: tuple[int, int] = (0, 0)
    partial: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    units: int = 0
    wall_s: float = 0.0
    work_s: float = 0.0
    levels: Counter[int] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return self.status == 0 and not (self.partial or self.twice or self.differing)


def make_inputs(folder: Path, count: int, clips: Path | None = None, longer: int = 1) -> None:
    """Writes so many small videos of many kinds, of which those of another folder are some; others may be longer."""
    folder.mkdir(parents=True)
    given = sorted(clips.glob("*.mp4")) if clips is not None else []
    for number, clip in enumerate(given[:count]):
        (folder / f"{number:02d}.mkv").write_bytes(clip.read_bytes())
    for number in range(len(given), count):
        kind = _longer(KINDS[number % len(KINDS)], longer)
        scene = noise((160 + kind.count, 120), number)
        images = [np.ascontiguousarray(scene[:, place : place + 160]) for place in range(kind.count)]
        # Results keep the names of inputs, and Matroska alone holds FFV1, which loses nothing; FFmpeg reads contents.
        make_video(folder / f"{number:02d}", kind, images).rename(folder / f"{number:02d}.mkv")


def _longer(kind: VideoKind, factor: int) -> VideoKind:
    count = kind.count * factor
    times = None if kind.times is None else tuple(n * 512 + n * 37 % 400 for n in range(count))
    return replace(kind, size_wh=(160, 120), count=count, sound_s=kind.sound_s * factor, times=times)


def run_with_kills(trial: Trial, seed: int = 1) -> Found:
    """Runs the driver, kills it and its workers at random moments, and starts it again until it ends by itself."""
    draw, found, began_s = random.Random(seed), Found(), time.monotonic()
    workers, drivers = 0, 0
    log = trial.folder / "units.jsonl"
    while time.monotonic() - began_s < _LIMIT_S:
        known = _lines(log)
        driver = _start(trial, log)
        kills_here = (trial.worker_kills - workers) // (1 + trial.driver_kills - drivers)
        for _ in range(kills_here):
            if not _works(driver, log, known, draw.uniform(0.2, 2.5)):
                break
            workers += _kill_a_worker(driver, draw)
        if drivers < trial.driver_kills and _works(driver, log, known, draw.uniform(0.5, 2.0)):
            driver.kill()
            driver.wait()
            drivers += 1
            found.partial += _unplayable(trial)
            continue
        found.status = driver.wait(_LIMIT_S)
        break
    found.wall_s = time.monotonic() - began_s
    found.killed = workers, drivers
    found.partial += _unplayable(trial)
    found.units, found.twice, found.work_s = _read_log(log)
    return found


def compare_with_one_machine(trial: Trial, found: Found) -> float:
    """Does the same on one machine, adds what differs, and gives the seconds it took."""
    took_s = [0.0]
    command = _command(trial, "alone", "alone")
    with subprocess.Popen(command, cwd=trial.folder, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "begin":
                took_s.append(time.monotonic())
    if process.returncode:
        raise RuntimeError(f"one machine alone: ended with status {process.returncode}")
    took_s.append(time.monotonic())
    for alone in sorted((trial.folder / "alone").iterdir()):
        apart = trial.folder / "out" / alone.name
        one, other = take_apart(apart), take_apart(alone)
        levels = [int(np.abs(a - b).max()) for a, b in zip(_planes(apart), _planes(alone), strict=True)]
        found.levels[max(levels)] += 1
        if one.times != other.times or one.sounds != other.sounds or max(levels) > 1:
            found.differing.append(f"{alone.name}: {max(levels)} levels")
    return took_s[-1] - took_s[1]


def _planes(path: Path) -> Iterator[NDArray[np.int16]]:
    """Y, Cb and Cr of all frames: int16 (3, H, W)."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray().astype(np.int16)


def _start(trial: Trial, log: Path) -> "subprocess.Popen[bytes]":
    command = _command(trial, "cluster", "out", str(log))
    with (trial.folder / "driver.log").open("ab") as said:
        return subprocess.Popen(command, cwd=trial.folder, env=_environment(), stdout=said, stderr=said)


def _command(trial: Trial, how: str, output: str, log: str = "") -> list[str]:
    values = [how, str(trial.folder), output, log, str(trial.size_px), str(trial.segment_s)]
    return [sys.executable, str(Path(__file__)), "--child", *values]


def _environment() -> dict[str, str]:
    """Without a cluster that somebody else may have started."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ADDRESS": "", "RAY_TMPDIR": str(ROOT / "no such folder")}


def _works(driver: "subprocess.Popen[bytes]", log: Path, known: int, after_s: float) -> bool:
    """Waits until a driver has handed out work, and a while longer; whether it still runs.

    Args:
        driver: the process.
        log: of units.
        known: lines in it before that driver.
        after_s: how much longer.
    """
    while driver.poll() is None and _lines(log) <= known:
        time.sleep(0.05)
    end_s = time.monotonic() + after_s
    while driver.poll() is None and time.monotonic() < end_s:
        time.sleep(0.05)
    return driver.poll() is None


def _lines(log: Path) -> int:
    return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0


def _workers_of(driver: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    try:
        children = psutil.Process(driver.pid).children(recursive=True)
        return [child for child in children if any(_WORKER in part for part in child.cmdline())]
    except psutil.Error:
        return []


def _kill_a_worker(driver: "subprocess.Popen[bytes]", draw: random.Random) -> bool:
    workers = _workers_of(driver)
    if not workers:
        return False
    try:
        draw.choice(workers).kill()
    except psutil.Error:
        return False
    return True


def _unplayable(trial: Trial) -> list[str]:
    """Files under an asked name that do not hold all their frames."""
    wrong = []
    for path in (trial.folder / "out").glob("[!.]*.mkv"):
        try:
            taken = take_apart(path)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it
            wrong.append(f"{path.name}: {error}")
            continue
        if not taken.images:
            wrong.append(f"{path.name}: is empty")
    return wrong


def _read_log(log: Path) -> tuple[int, list[str], float]:
    """How many segments and videos were done, those that were begun after they had been done, and all seconds."""
    done: set[str] = set()
    twice, moments = [], []
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        moments.append(event["at"])
        if event["what"] == "begun" and event["unit"] in done:
            twice.append(event["unit"])
        elif event["what"] == "done":
            done.add(event["unit"])
    return len(done), twice, moments[-1] - moments[0]


def _name_of(unit: Any) -> str:
    part = getattr(unit, "part", None)
    return f"{type(unit).__name__} {getattr(unit, 'source', '')} {'' if part is None else part.number}".strip()


def _child(how: str, folder: str, output: str, log: str, size_px: str, segment_s: str) -> int:
    """Runs in a process of its own: the same inputs on a cluster, or on one machine."""
    from realtime.cluster import driver
    from realtime.cluster.options import ClusterOptions
    from realtime.cluster.ray_pool import RayPool
    from realtime.cluster.units import ImagesUnit, Outcome, SegmentUnit, Unit, VideoUnit
    from realtime.options import EngineOptions, FileOptions
    from realtime.videos.job import run_files
    from realtime.videos.reporting import JsonReporter

    options = FileOptions(
        (str(Path(folder) / "in"),), f"{folder}/{output}/", codec="ffv1", max_side_px=int(size_px), network="fast",
        engine=EngineOptions("onnx", precision="int8"),
    )  # fmt: skip
    os.chdir(ROOT)
    reporter = JsonReporter(to_stderr=False)
    if how == "alone":
        return run_files(replace(options, engine=replace(options.engine, batch_size=1)), reporter).failed

    class LoggingPool(RayPool):
        def submit(self, worker: int, unit: Unit) -> None:
            self._note("begun", unit)
            self._given = getattr(self, "_given", {}) | {worker: unit}
            super().submit(worker, unit)

        def wait(self, limit_s: float) -> list[tuple[int, Outcome]]:
            outcomes = super().wait(limit_s)
            for worker, outcome in outcomes:
                if outcome.kind == "done":
                    self._note("done", self._given[worker])
            return outcomes

        def _note(self, what: str, unit: Unit) -> None:
            if isinstance(unit, SegmentUnit | VideoUnit | ImagesUnit):
                with Path(log).open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"what": what, "unit": _name_of(unit), "at": time.time()}) + "\n")

    cluster = ClusterOptions("auto", workers=2, cpus_per_worker=1, segment_s=float(segment_s))
    return driver.run_cluster(options, cluster, reporter, lambda *_: LoggingPool(cluster, "cpu")).failed


def main() -> int:
    """Makes the inputs, runs the trial, and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--videos", type=int, default=20)
    add("--worker-kills", type=int, default=20)
    add("--driver-kills", type=int, default=5)
    add("--clips", type=Path, help="a folder with further videos")
    add("--size", type=int, default=160, help="longest side in px")
    add("--longer", type=int, default=1, help="how many times as long made videos are")
    add("--segment", type=float, default=2.0, help="seconds")
    add("--seed", type=int, default=1)
    add("--child", nargs=6, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        return _child(*chosen.child)
    with tempfile.TemporaryDirectory(prefix="cluster-kills-") as folder:
        trial = Trial(Path(folder), chosen.worker_kills, chosen.driver_kills, chosen.size, chosen.segment)
        make_inputs(trial.folder / "in", chosen.videos, chosen.clips, chosen.longer)
        found = run_with_kills(trial, chosen.seed)
        alone_s = compare_with_one_machine(trial, found) if found.status == 0 else 0.0
        say = sys.stdout.write
        say(f"{found}\none machine alone: {alone_s:.1f} s\n")
        if not found.is_good:
            say((trial.folder / "driver.log").read_text(encoding="utf-8")[-4000:])
        return 0 if found.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
