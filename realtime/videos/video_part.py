"""Owns a part of a video that is made by itself: which frames it takes, and its encoded piece with its two ends.

Parts that were made apart fit together where the frames at their common end are the same, and what smoothing
remembers there differs by less than a level.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from neural_style.atomic_file import whole_file
from realtime.errors import SinkError, SourceError
from realtime.frame import Image
from realtime.look import Look
from realtime.media.video_frame import VideoFrame
from realtime.postprocess import Smoothed
from realtime.stats import Stats
from realtime.videos.segments import SegmentWriter, segment_paths
from realtime.videos.smoothing_state import load_smoothed, save_smoothed
from realtime.videos.tracks import Note
from realtime.videos.video_output import OutputPlan, VideoOutput, until_closed


class UncuttableError(SourceError):
    """A part does not hold the frames that the whole video has there."""


@dataclass(frozen=True)
class VideoPart:
    """A part of a video; times are in units of the video's time base.

    Attributes:
        number: of the part, from 0.
        entry: time of the key image where decoding begins.
        run_in: time of the first frame that is stylized; those before `begin` only fill what smoothing remembers.
        begin: the part's first moment.
        end: the moment after it; None is the video's end.
        frames: how many it holds.
        times_sha256: of their times, see `hash_of_times`.
    """

    number: int
    entry: int
    run_in: int
    begin: int
    end: int | None
    frames: int
    times_sha256: str


@dataclass(frozen=True)
class PartFiles:
    """Where the result of a part lies.

    Attributes:
        folder: of its pieces; `segment_paths` gives the names in it.
        states: for each look what smoothing remembers before the part, as `state_paths` names it; empty begins anew.
    """

    folder: Path
    states: tuple[Path, ...] = ()


@dataclass(frozen=True)
class PartEnds:
    """The frames beside the two ends of a part, to compare with those of its neighbours.

    Attributes:
        before: hash of the input frame before the part, empty at the video's beginning.
        last: of its last input frame.
    """

    before: str
    last: str


def hash_of_times(times: Iterable[int]) -> str:
    """A hash of the times of frames."""
    return hashlib.sha256(" ".join(map(str, times)).encode()).hexdigest()


def state_paths(folder: Path, number: int) -> tuple[Path, Path]:
    """Where a part leaves what smoothing remembers before and after it; files that need not be there."""
    return folder / f"{number:05d}.begin.npz", folder / f"{number:05d}.end.npz"


def checked_frames(frames: Iterator[VideoFrame], part: VideoPart, goes_on: bool) -> Iterator[VideoFrame]:
    """Gives the frames of a part and of its run-in.

    Args:
        frames: from the run-in on.
        part: which they should be.
        goes_on: what smoothing remembers is known, so that there is no run-in.

    Raises:
        UncuttableError: they are others than the whole video has.
    """
    first = part.begin if goes_on else part.run_in
    times = []
    for number, frame in enumerate(frames):
        if number == 0 and frame.time != first:
            raise UncuttableError(f"part {part.number}: begins at {frame.time} instead of {first}")
        if frame.time >= part.begin:
            times.append(frame.time)
        yield frame
    if len(times) != part.frames or hash_of_times(times) != part.times_sha256:
        raise UncuttableError(f"part {part.number}: holds {len(times)} frames, or other ones than the {part.frames}")


class PartOutput(VideoOutput):
    """The piece of a part, and its two ends.

    Args:
        target: the video that the piece is for.
        look: how it is stylized.
        plan: see there.
        part: which frames are given; those of its run-in are not written.
        files: where the piece goes.
        place: of the look among those of the video.
    """

    def __init__(
        self, target: Path | None, look: Look, plan: OutputPlan, part: VideoPart, files: PartFiles, place: int
    ) -> None:
        super().__init__(target, look, plan.video_format.keeps_alpha(plan.encoder))
        self._plan, self._part = plan, part
        self._folder = files.folder / str(place)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"folder {files.folder}: cannot be written ({error.strerror}); make room") from error
        if files.states:
            self._finisher.go_on(load_smoothed(files.states[place]), look)
        self._begin: Smoothed | None = None
        self._before: Image | None = None
        self._last: Image | None = None

    def put(self, frame: VideoFrame, stylized: Image, stats: Stats) -> None:
        """See `VideoOutput.put`."""
        if frame.time < self._part.begin:
            with stats.stage("run-in"):
                self._finisher.finish(stylized, frame.pixels, self.look)
            self._before = frame.pixels
            return
        if self._last is None:
            self._begin = self._finisher.smoothed
        self._last = frame.pixels
        super().put(frame, stylized, stats)

    def encode(self, stats: Stats, count: Callable[[], None]) -> None:
        """See `VideoOutput.encode`."""
        writer = SegmentWriter(self._folder, self._part.number, self._plan.encoder, self._plan.video_format)
        try:
            for finished in until_closed(self._waiting):
                frame = finished.frame
                with stats.stage("encode"):
                    writer.write(finished.pixels, frame.time, frame.duration, finished.alpha)
                stats.frame_out(frame.capture_time_s)
                count()
        except BaseException:
            writer.abandon()
            raise
        if self._aborted:
            writer.abandon()
        else:
            writer.finish()

    def finish(self, note: Note) -> None:
        """Adds the ends of the part to the record of its piece."""
        states = state_paths(self._folder, self._part.number)
        for path, smoothed in zip(states, (self._begin, self._finisher.smoothed), strict=True):
            if smoothed is not None:
                save_smoothed(path, smoothed)
        _, record = segment_paths(self._folder, self._part.number)
        ends = PartEnds(_hash(self._before), _hash(self._last))
        content = json.loads(record.read_text(encoding="utf-8")) | asdict(ends)
        with whole_file(record) as partial:
            partial.write_text(json.dumps(content), encoding="utf-8")

    def remove(self) -> None:
        """See `VideoOutput.remove`; the folder is its owner's."""


def _hash(pixels: Image | None) -> str:
    return "" if pixels is None else hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
