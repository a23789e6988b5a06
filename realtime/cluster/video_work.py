"""Owns how far each input is: which units of work it still needs, and what came of those that are done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from realtime.cluster.inputs import ClusterInput
from realtime.cluster.manifest import known_segments
from realtime.cluster.scan import Scan
from realtime.cluster.storage import joined, storage_of
from realtime.cluster.units import ImagesUnit, JoinUnit, Outcome, ScanUnit, SegmentUnit, Unit, VideoUnit
from realtime.videos.video_part import VideoPart

_IMAGE_COST = 3e6
"""Of an image, in pixels that are stylized: reading, enlarging and writing count, too."""


@dataclass
class Job:
    """A unit of work that waits or is under way.

    Attributes:
        unit: what to do.
        work: what it is for.
        cost: in pixels that are stylized; 0 is next to nothing, and opens the way for others.
        tries: how often a worker has ended over it.
    """

    unit: Unit
    work: "Work"
    cost: float = 0.0
    tries: int = 0

    @property
    def frames(self) -> int:
        """How many frames of the result it makes."""
        if isinstance(self.unit, SegmentUnit):
            return self.unit.part.frames
        return self.work.frames if isinstance(self.unit, VideoUnit | ImagesUnit) else 0


@dataclass
class Made:
    """What came of one input.

    Attributes:
        one: the input.
        results: where its whole results lie, until they get their names.
        facts: figures.
        error: why it failed; empty where it did not.
    """

    one: ClusterInput
    results: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""


class Work(Protocol):
    """What one or several inputs need."""

    frames: int
    frames_done: int
    folder: str

    def first(self) -> list[Job]:
        """What to begin with."""

    def after(self, unit: Unit, outcome: Outcome) -> list[Job]:
        """What is to be done next, after an outcome that is no fault."""

    def take_made(self) -> list[Made]:
        """What has been made or has failed since the last call."""


class VideoWork:
    """A video: first it is looked through, then made in parts which are joined, or in one.

    Args:
        one: the video.
        folder: for its pieces; some of an earlier run may be there.
        attempts: where workers leave what is unfinished.

    Attributes:
        frames: in all, about.
        frames_done: those of parts that are whole.
        folder: see there.
    """

    def __init__(self, one: ClusterInput, folder: str, attempts: str) -> None:
        self.frames = self.frames_done = 0
        self.folder, self._one, self._attempts = folder, one, attempts
        self._results = tuple(joined(folder, f"finished-{n}{one.suffix}") for n in range(len(one.targets)))
        self._scan: Scan | None = None
        self._whole: set[int] = set()
        self._in_one = self._ended = False
        self._facts: dict[str, Any] = {"frames": 0, "lost": 0, "damaged": 0, "work_seconds": 0.0, "hosts": []}
        self._made: list[Made] = []

    def first(self) -> list[Job]:
        """See `Work.first`."""
        return [Job(ScanUnit(self._one.source, self._one.suffix), self)]

    def after(self, unit: Unit, outcome: Outcome) -> list[Job]:
        """See `Work.after`."""
        jobs: list[Job] = []
        if self._ended or (self._in_one and not isinstance(unit, VideoUnit)):
            pass
        elif outcome.kind == "failed":
            self._end(Made(self._one, error=outcome.text))
        elif outcome.kind == "uncut":
            jobs = self._make_in_one(outcome.text)
        elif outcome.kind == "again":
            jobs = self._again(*outcome.again)
        elif isinstance(unit, ScanUnit):
            assert outcome.scan is not None
            jobs = self._scanned(outcome.scan)
        elif isinstance(unit, SegmentUnit):
            jobs = self._has_part(unit.part, outcome)
        else:
            self._is_made(outcome)
        return jobs

    def _has_part(self, part: VideoPart, outcome: Outcome) -> list[Job]:
        self._whole.add(part.number)
        self.frames_done += part.frames
        self._add(outcome.facts)
        return self._joins() if len(self._whole) == len(self._parts) else []

    def _is_made(self, outcome: Outcome) -> None:
        if self._in_one:
            self._add(outcome.facts)
        facts = self._facts | {"frames": self._facts["frames"] if self._in_one else sum(p.frames for p in self._parts)}
        self.frames = self.frames_done = facts["frames"]
        self._end(Made(self._one, self._results, facts))

    def take_made(self) -> list[Made]:
        """See `Work.take_made`."""
        made, self._made = self._made, []
        return made

    @property
    def _parts(self) -> Sequence[VideoPart]:
        return () if self._scan is None else self._scan.parts

    def _scanned(self, scan: Scan) -> list[Job]:
        self._scan, self.frames = scan, scan.frames
        if not scan.parts:
            return self._make_in_one(scan.uncut)
        self._facts["segments"] = len(scan.parts)
        self._whole = known_segments(self.folder, len(self._one.targets)) & set(range(len(scan.parts)))
        self.frames_done = sum(part.frames for part in scan.parts if part.number in self._whole)
        missing = [self._segment(part.number) for part in scan.parts if part.number not in self._whole]
        return missing or self._joins()

    def _segment(self, number: int, goes_on: bool = False) -> Job:
        assert self._scan is not None
        part = self._scan.parts[number]
        unit = SegmentUnit(self._one.source, self._one.suffix, part, self.folder, self._attempts, goes_on)
        return Job(unit, self, part.frames * self._scan.pixels * len(self._one.targets))

    def _joins(self) -> list[Job]:
        one = self._one
        return [
            Job(JoinUnit(one.source, one.suffix, len(self._parts), self.folder, self._attempts, self._results), self)
        ]

    def _again(self, damaged: tuple[int, ...], differing: tuple[int, ...]) -> list[Job]:
        """Makes parts anew: damaged ones, and those that began otherwise than the part before ended.

        Of neighbours only the first goes on with what smoothing remembers: it may end with what the second began with.
        """
        first = [number for number in differing if number - 1 not in differing]
        again = [self._segment(n) for n in damaged] + [self._segment(n, goes_on=True) for n in first]
        for number in (*damaged, *first):
            self._whole.discard(number)
            self.frames_done -= self._parts[number].frames
        return again

    def _make_in_one(self, reason: str) -> list[Job]:
        self._in_one, self.frames_done = True, 0
        self._facts |= {"frames": 0, "lost": 0, "damaged": 0, "segments": 1, "uncut": reason}
        unit = VideoUnit(self._one.source, self._one.suffix, self._attempts, self._results)
        pixels = 0 if self._scan is None else self._scan.pixels
        return [Job(unit, self, max(1, self.frames * pixels) * len(self._one.targets))]

    def _add(self, facts: dict[str, Any]) -> None:
        own = self._facts
        for name in ("frames", "lost", "damaged"):
            own[name] += facts[name]
        own["work_seconds"] = round(own["work_seconds"] + facts["seconds"], 3)
        own["size"] = facts["size"]
        own["hosts"] = sorted({*own["hosts"], facts["host"]})

    def _end(self, made: Made) -> None:
        self._ended = True
        self._made.append(made)


class ImagesWork:
    """Images that one worker does together.

    Args:
        inputs: the images.
        folder: for their results, until they get their names.
        attempts: where workers leave what is unfinished.

    Attributes:
        frames: how many there are.
        frames_done: those that are done.
        folder, inputs: see there.
    """

    def __init__(self, inputs: Sequence[ClusterInput], folder: str, attempts: str) -> None:
        self.frames, self.frames_done = len(inputs), 0
        self.folder, self.inputs, self._attempts = folder, inputs, attempts
        self._results = [tuple(joined(folder, f"{number}-{place}{one.suffix}") for place in range(len(one.targets)))
                         for number, one in enumerate(inputs)]  # fmt: skip
        self._made: list[Made] = []

    def first(self) -> list[Job]:
        """See `Work.first`."""
        pairs = zip(self.inputs, self._results, strict=True)
        images = tuple((str(one.source), results) for one, results in pairs)
        return [Job(ImagesUnit(images, self._attempts), self, _IMAGE_COST * len(images))]

    def after(self, unit: Unit, outcome: Outcome) -> list[Job]:
        """See `Work.after`."""
        self.frames_done = self.frames
        errors = outcome.errors or (outcome.text,) * len(self.inputs)
        sizes = outcome.facts.get("size", [""] * len(self.inputs))
        for one, results, error, size in zip(self.inputs, self._results, errors, sizes, strict=True):
            facts = {"size": size, "hosts": [outcome.facts.get("host", "")]}
            self._made.append(Made(one, error=error) if error else Made(one, results, facts))
        return []

    def take_made(self) -> list[Made]:
        """See `Work.take_made`."""
        made, self._made = self._made, []
        return made


def remove_work(folder: str) -> None:
    """Removes what was needed to make an input."""
    storage_of(folder).remove(folder)
