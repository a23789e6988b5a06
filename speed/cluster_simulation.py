"""Owns the simulation of a run on many machines: what was measured on one, for 1 to 1000 workers.

A discrete simulation of what `realtime.cluster` does: every video is looked through, its segments are made, the longest
first, and joined. Two things are shared by all workers, each in the order in which it is asked for: the process that
hands out the work, and the storage.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

LIMITS = ("segments", "hand-out", "storage", "start", "joining")
"""What can hold workers up: too few segments, the process that hands out, the storage, their start, and joining."""


@dataclass(frozen=True)
class Costs:
    """What things take, in s and bytes.

    Attributes:
        frame_s: of one worker for a frame, with decoding and encoding.
        run_in: frames that are stylized before a segment, and thrown away.
        unit_s: of the process that hands out, for each unit of work.
        start_s: until a worker has its engine.
        join_frame_s: of joining, for each frame.
        read_bytes: of a frame in the input.
        written_bytes: of a frame in the result.
        state_bytes: of what smoothing remembers, kept twice for each segment.
        storage_bytes_s: that the storage moves for all workers together.
    """

    frame_s: float
    run_in: int
    unit_s: float
    start_s: float
    join_frame_s: float
    read_bytes: float
    written_bytes: float
    state_bytes: float
    storage_bytes_s: float


@dataclass(frozen=True)
class Mix:
    """Videos of a run.

    Attributes:
        name: for people.
        videos: frames of each; a negative number is of one that cannot be cut.
        segment: frames of a segment.
    """

    name: str
    videos: tuple[int, ...]
    segment: int

    @property
    def frames(self) -> int:
        """Of all videos."""
        return sum(map(abs, self.videos))

    def segments_of(self, video: int) -> list[int]:
        """The frames of each segment of a video; a short rest belongs to the last."""
        if video < 0 or video < 1.5 * self.segment:
            return [abs(video)]
        whole, rest = divmod(video, self.segment)
        segments = [self.segment] * whole
        if rest >= self.segment / 2:
            return [*segments, rest]
        segments[-1] += rest
        return segments


@dataclass(frozen=True)
class _Unit:
    video: int
    frames: int
    kind: str
    is_first: bool = False


@dataclass(frozen=True)
class Simulated:
    """What came of a simulation.

    Attributes:
        workers: how many.
        wall_s: from the start to the last result.
        efficiency: the time of all frames by themselves, over that of all workers.
    """

    workers: int
    wall_s: float
    efficiency: float


def simulate(mix: Mix, costs: Costs, workers: int) -> Simulated:
    """Runs a mix on so many workers."""
    wall_s = _Simulation(mix, costs, workers).run()
    return Simulated(workers, wall_s, mix.frames * costs.frame_s / (workers * wall_s))


def limit_of(mix: Mix, costs: Costs, workers: int) -> str:
    """Which of `LIMITS` holds so many workers up most: without it the run would gain most."""
    freed = {
        "hand-out": (mix, replace(costs, unit_s=0.0)),
        "storage": (mix, replace(costs, storage_bytes_s=1e18)),
        "start": (mix, replace(costs, start_s=0.0)),
        "joining": (mix, replace(costs, join_frame_s=0.0)),
        "segments": (
            _in_crumbs(mix),
            replace(costs, run_in=0, state_bytes=costs.state_bytes / 10, unit_s=costs.unit_s / 10),
        ),
    }
    return min(freed, key=lambda name: simulate(*freed[name], workers).wall_s)


def _in_crumbs(mix: Mix) -> Mix:
    """The same frames in a tenth of the segment, and all of them cut."""
    return replace(mix, videos=tuple(map(abs, mix.videos)), segment=max(1, mix.segment // 10))


class _Simulation:
    def __init__(self, mix: Mix, costs: Costs, workers: int) -> None:
        self._mix, self._costs, self._workers = mix, costs, workers
        self._waiting: list[tuple[int, int, int, _Unit]] = []
        self._events: list[tuple[float, int, str, _Unit | None]] = []
        self._numbers = count()
        self._hand_out_s = self._storage_s = 0.0
        self._missing = [len(mix.segments_of(video)) for video in mix.videos]
        self._idle = 0

    def run(self) -> float:
        """Seconds until the last result is there."""
        for video, frames in enumerate(self._mix.videos):
            self._put(_Unit(video, abs(frames), "scan"))
        for _ in range(self._workers):
            self._at(self._costs.start_s, "idle", None)
        now_s = 0.0
        while self._events:
            now_s, _, what, unit = heapq.heappop(self._events)
            self._happen(now_s, what, unit)
        return now_s

    def _happen(self, now_s: float, what: str, unit: _Unit | None) -> None:
        costs = self._costs
        if what == "idle":
            self._idle += 1
        elif unit is not None and what == "given":
            self._at(self._moved(now_s, self._read_bytes(unit)), "read", unit)
        elif unit is not None and what == "read":
            self._at(now_s + self._work_s(unit), "worked", unit)
        elif unit is not None and what == "worked":
            written = costs.written_bytes * unit.frames if unit.kind != "scan" else 0.0
            self._at(
                self._moved(now_s, written + (2 * costs.state_bytes if unit.kind == "part" else 0.0)), "done", unit
            )
        elif unit is not None:
            self._done(unit)
            self._idle += 1
        while self._idle and self._waiting:
            self._idle -= 1
            self._hand_out_s = max(self._hand_out_s, now_s) + costs.unit_s
            self._at(self._hand_out_s, "given", heapq.heappop(self._waiting)[-1])

    def _done(self, unit: _Unit) -> None:
        frames = self._mix.videos[unit.video]
        segments = self._mix.segments_of(frames)
        if unit.kind == "scan":
            for number, segment in enumerate(segments):
                self._put(_Unit(unit.video, segment, "part" if len(segments) > 1 else "whole", number == 0))
        elif unit.kind == "part":
            self._missing[unit.video] -= 1
            if not self._missing[unit.video]:
                self._put(_Unit(unit.video, frames, "join"))

    def _work_s(self, unit: _Unit) -> float:
        costs = self._costs
        if unit.kind == "scan":
            return 0.0
        if unit.kind == "join":
            return costs.join_frame_s * unit.frames
        run_in = costs.run_in if unit.kind == "part" and not unit.is_first else 0
        return costs.frame_s * (unit.frames + run_in)

    def _read_bytes(self, unit: _Unit) -> float:
        costs = self._costs
        if unit.kind == "join":
            segments = len(self._mix.segments_of(self._mix.videos[unit.video]))
            return (costs.read_bytes + costs.written_bytes) * unit.frames + 2 * costs.state_bytes * segments
        return costs.read_bytes * unit.frames

    def _moved(self, now_s: float, amount: float) -> float:
        """When so many bytes have been read or written."""
        self._storage_s = max(self._storage_s, now_s) + amount / self._costs.storage_bytes_s
        return self._storage_s

    def _put(self, unit: _Unit) -> None:
        rank = 0 if unit.kind in ("scan", "join") else 1
        heapq.heappush(self._waiting, (rank, -unit.frames.bit_length() if rank else 0, next(self._numbers), unit))

    def _at(self, time_s: float, what: str, unit: _Unit | None) -> None:
        heapq.heappush(self._events, (time_s, next(self._numbers), what, unit))


def mixes(segment_s: float, rate: float, draw: "Sequence[float]") -> tuple[Mix, ...]:
    """Several mixes of lengths.

    Args:
        segment_s: length of a segment.
        rate: frames per second.
        draw: random numbers 0..1, as many as there are videos at most.
    """
    segment = round(segment_s * rate)

    def frames(minutes: float) -> int:
        return max(1, round(minutes * 60 * rate))

    return (
        Mix("one video of two hours", (frames(120),), segment),
        Mix("100 videos of 5 to 30 minutes", tuple(frames(5 + 25 * part) for part in draw[:100]), segment),
        Mix("2000 videos of 5 to 60 seconds", tuple(frames((5 + 55 * part) / 60) for part in draw[:2000]), segment),
        Mix(
            "300 of all lengths, one of 20 uncut",
            tuple(frames(0.1 * 600**part) * (-1 if number % 20 == 0 else 1) for number, part in enumerate(draw[:300])),
            segment,
        ),
    )
