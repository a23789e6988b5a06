"""Owns stylizing a video: decoding, engine and encoding in threads of their own, joined by bounded mailboxes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from realtime.engines.batch_size import fastest_batch_size
from realtime.engines.protocol import Engine
from realtime.errors import OptionError, SinkError
from realtime.flow import EngineStage, StageThreads
from realtime.look import Look
from realtime.mailbox import BoundedMailbox
from realtime.media.codecs import Encoder
from realtime.media.readers import FrameReader, VideoSource, open_reader
from realtime.media.still_reader import StillReader, is_pattern
from realtime.media.video_frame import Cut, VideoFrame
from realtime.stats import Stats, StatsReport
from realtime.videos.direct_output import DirectOutput
from realtime.videos.disk_room import check_disk
from realtime.videos.flicker_meter import FlickerMeter
from realtime.videos.numbered_output import NumberedOutput
from realtime.videos.task_checks import note_changes
from realtime.videos.tracks import Note
from realtime.videos.video_output import (
    SEGMENT_FRAMES,
    WAITING_FRAMES,
    OutputPlan,
    PiecewiseOutput,
    VideoOutput,
    finish_all,
    until_closed,
)
from realtime.videos.video_part import PartFiles, PartOutput, UncuttableError, VideoPart, checked_frames

_POLL_S = 0.1
_JOIN_S = 1.5
"""How long stages may take to end after a failure or Ctrl-C; one that hangs longer is left behind."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class VideoJob:
    """One video to read, and those to make of it.

    Attributes:
        source: the video.
        looks: a look for each video that is made.
        targets: its files, or patterns of numbered images, in the same order; None is standard output.
        encoder: codec and its settings.
        cut: the part that is wanted; None is all.
        max_side_px: larger images are shrunk until their longer side is this.
        batch_size: images stylized together; None finds out what is fastest.
        fingerprint: what decides the frames, when work is to be kept for another run; None keeps none.
        measures: whether flicker and cuts are measured, which costs time.
        part: only this part is made, of which a piece is left and no video; without `cut`.
        part_files: where that piece goes.
        overwrite: whether files that are there are replaced.
        pipe_format: what standard output holds, a key of `realtime.media.codecs.PIPE_FORMATS`.
    """

    source: VideoSource
    looks: tuple[Look, ...]
    targets: tuple[Path | None, ...]
    encoder: Encoder
    cut: Cut | None = None
    max_side_px: int | None = None
    batch_size: int | None = None
    fingerprint: dict[str, Any] | None = None
    overwrite: bool = False
    pipe_format: str = ""
    measures: bool = False
    part: VideoPart | None = None
    part_files: PartFiles | None = None


@dataclass(frozen=True)
class VideoReport:
    """What came of a video.

    Attributes:
        frames: in each video that was made, those of earlier runs that it went on from included.
        stats: of the stages in this run; `frames_out` counts every video that was made.
        lost: images that could not be decoded and are missing.
        damaged: images that were decoded with errors.
        cuts_s: when scenes begin, in seconds from the video's beginning, where that was measured.
        flicker: of each video that was made, see `FlickerMeter.flicker`, where that was measured.
    """

    frames: int
    stats: StatsReport
    lost: int
    damaged: int
    cuts_s: tuple[float, ...] = ()
    flicker: tuple[float | None, ...] = ()


def make_videos(job: VideoJob, engine: Engine, note: Note, progress: Progress) -> VideoReport:
    """Stylizes a video in every look; each result appears under its name only when it is whole.

    Args:
        job: what to do.
        engine: opened by the caller.
        note: takes lines for people.
        progress: takes the images done and all that there will be; 0 of them is unknown.

    Raises:
        StylizationError: the video cannot be read, stylized or written. Nothing is left, except
            the work of a job that is kept.
        KeyboardInterrupt: as the caller's signal handler raised it; the same is left.
    """
    reader = open_reader(job.source, job.max_side_px)
    try:
        video = _Stages(job, reader, engine, note)
    except BaseException:
        reader.close()
        raise
    try:
        report = video.run(progress)
    except BaseException:
        for output in video.outputs:
            output.leave()
        raise
    finally:
        if not video.hangs:
            reader.close()
    for output in video.outputs:
        output.remove()
    return report


class _Stages:
    """The threads of one job, and what they share."""

    def __init__(self, job: VideoJob, reader: FrameReader, engine: Engine, note: Note) -> None:
        self._job, self._reader, self._engine, self._note = job, reader, engine, note
        self._stats = Stats()
        self._threads = StageThreads(self._abort)
        self._format = reader.info
        note_changes(self._format, job.encoder, job.targets[0], note)
        self._check_disk(2 * len(job.targets) * self._total())
        bounds = None if job.cut is None else job.cut.bounds(reader.info)
        begin = min(0, reader.info.start) if bounds is None else bounds[0]
        plan = OutputPlan(job.source, job.encoder, reader.info, bounds, begin, job.fingerprint, job.overwrite)
        targets = zip(job.targets, job.looks, strict=True)
        self.outputs = [self._output(place, target, look, plan) for place, (target, look) in enumerate(targets)]
        for output in self.outputs if job.measures else ():
            output.meter = FlickerMeter()
        pieces = min(output.pieces for output in self.outputs)
        self._skip = max(output.go_on_after(pieces) for output in self.outputs)
        self._done = self._skip
        self._batch_size = job.batch_size
        self._decoded: BoundedMailbox[VideoFrame] = BoundedMailbox(WAITING_FRAMES)
        # While one batch is postprocessed, the engine goes on with the next.
        self._engine_stage: EngineStage[list[VideoFrame]] = EngineStage(engine, self._stats, note, ahead=1)

    def run(self, progress: Progress) -> VideoReport:
        if self._skip:
            self._note(f"going on after {self._skip} frames")
        encoders = [partial(output.encode, self._stats, partial(self._count, output)) for output in self.outputs]
        self._threads.start((self._decode, self._feed, self._collect, *encoders))
        total = self._total()
        try:
            while not self._threads.join(_POLL_S):
                progress(self._done, total)
                if self._threads.failure is not None and not self._threads.join(_JOIN_S):
                    break
        except BaseException as error:  # noqa: BLE001
            self._threads.fail(error)
            self._threads.join(_JOIN_S)
        self._threads.raise_failure()
        progress(self._done, total)
        if not self._done:
            raise SinkError(f"video {self._job.source}: holds no image in the part that was asked for")
        for remark in self._reader.remarks:
            self._note(remark)
        finish_all(self.outputs, self._note_of)
        styles = [look.style for look in self._job.looks]
        report = self._stats.report().of(self._engine.info, styles, self._format.size_wh)
        return VideoReport(self._done, report, self._reader.lost, self._reader.damaged, *self._measured())

    def _measured(self) -> tuple[tuple[float, ...], tuple[float | None, ...]]:
        """When scenes begin, and how much each video flickers."""
        meters = [output.meter for output in self.outputs if output.meter is not None]
        info = self._reader.info
        cuts = meters[0].cuts if meters else []
        cuts_s = tuple(round(float((time - info.start) * info.time_base), 3) for time in cuts)
        return cuts_s, tuple(meter.flicker for meter in meters)

    @property
    def hangs(self) -> bool:
        """Whether a stage still runs after the end, and may hold the reader."""
        return self._threads.alive()

    def _abort(self) -> None:
        """Wakes every stage, and throws away what is under way."""
        self._decoded.abort()
        self._engine_stage.abort()
        for output in self.outputs:
            output.abort()

    def _decode(self) -> None:
        """Thread: the video to its frames."""
        frames = self._frames()
        while True:
            with self._stats.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                break
            self._stats.frames_in += 1
            self._decoded.put(frame)
        self._decoded.close()

    def _frames(self) -> Iterator[VideoFrame]:
        """The frames that are stylized."""
        part, files, reader = self._job.part, self._job.part_files, self._reader
        if part is None or files is None:
            return reader.frames(self._job.cut, self._skip)
        if isinstance(reader, StillReader):
            raise UncuttableError(f"video {self._job.source}: is not made in parts")
        goes_on = bool(files.states)
        frames = reader.frames_between(part.entry, part.begin if goes_on else part.run_in, part.end)
        return checked_frames(frames, part, goes_on)

    def _feed(self) -> None:
        """Thread: frames to the engine, to be stylized in each look."""
        jobs = [(look.style, look.strength) for look in self._job.looks]
        for frames in self._batches():
            self._engine_stage.put(frames, np.stack([frame.pixels for frame in frames]), jobs)
        self._engine_stage.close()

    def _collect(self) -> None:
        """Thread: stylized frames to the outputs, in the order of the video."""
        for frames, future in self._engine_stage.results():
            for output, batch in zip(self.outputs, future.result(), strict=True):
                for frame, stylized in zip(frames, batch, strict=True):
                    output.put(frame, stylized, self._stats)
        for output in self.outputs:
            output.close()

    def _count(self, output: VideoOutput) -> None:
        """Called by the encoders' threads for each frame."""
        if output is self.outputs[0]:
            self._done += 1
            if self._done % SEGMENT_FRAMES == 0:
                self._check_disk()

    def _batches(self) -> Iterator[list[VideoFrame]]:
        """Frames of one size, as many together as is fastest; the last batch may be smaller."""
        batch: list[VideoFrame] = []
        for frame in until_closed(self._decoded):
            if self._batch_size is None:
                self._batch_size = fastest_batch_size(self._engine, self._job.looks[0], frame.pixels, self._note)
            if batch and frame.pixels.shape != batch[0].pixels.shape:
                yield batch
                batch = []
            batch.append(frame)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _output(self, place: int, target: Path | None, look: Look, plan: OutputPlan) -> VideoOutput:
        if self._job.part is not None and self._job.part_files is not None:
            return PartOutput(target, look, plan, self._job.part, self._job.part_files, place)
        if target is not None and is_pattern(target.name):
            return NumberedOutput(target, look, plan.overwrite)
        if target is not None and plan.video_format.in_pieces(plan.encoder):
            return PiecewiseOutput(target, look, plan)
        if plan.fingerprint is not None:
            raise OptionError(f"resume: {target} cannot be written in pieces; leave --resume out")
        return DirectOutput(target, look, plan, self._job.pipe_format, self._note_of(target))

    def _note_of(self, target: Path | None) -> Note:
        """Takes the notes of one of several videos; those of the others would be the same."""
        return self._note if target == self._job.targets[0] else lambda _: None

    def _check_disk(self, frames: int = 0) -> None:
        """Ends the video before the disk is full; so many frames are still to be written."""
        if self._job.targets[0] is not None:
            check_disk(self._job.targets[0], frames, self._format.size_wh)

    def _total(self) -> int:
        """How many frames there will be, as far as is known."""
        if self._job.part is not None:
            return self._job.part.frames
        info, cut = self._reader.info, self._job.cut
        if cut is None or not info.frames:
            return info.frames
        end_s = info.frames / float(info.rate) if cut.end_s is None else cut.end_s
        return min(info.frames, round((end_s - cut.start_s) * float(info.rate)))
