"""Owns stylizing a video: decoding, engine and encoding in threads of their own, joined by bounded mailboxes."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from realtime.engines.batch_size import fastest_batch_size
from realtime.engines.protocol import Engine
from realtime.errors import SinkError
from realtime.flow import EngineStage, StageThreads
from realtime.look import Look
from realtime.mailbox import BoundedMailbox
from realtime.media.codecs import Encoder
from realtime.media.video_reader import Cut, VideoFrame, VideoReader
from realtime.stats import Stats, StatsReport
from realtime.videos.mux import Assembly, assemble
from realtime.videos.video_output import SEGMENT_FRAMES, WAITING_FRAMES, VideoOutput, until_closed

_POLL_S = 0.1
_JOIN_S = 1.5
"""How long stages may take to end after a failure or Ctrl-C; one that hangs longer is left behind."""

_LEAST_FREE_BYTES = 64_000_000
_BITS_PER_PIXEL = 0.4
"""Of a stylized video, about; pieces and finished video are on the disk at the same time."""

Note = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class VideoJob:
    """One video to read, and those to make of it.

    Attributes:
        source: the video.
        looks: a look for each video that is made.
        targets: its files, in the same order.
        encoder: codec and its settings.
        cut: the part that is wanted; None is all.
        max_side_px: larger images are shrunk until their longer side is this.
        batch_size: images stylized together; None finds out what is fastest.
        fingerprint: what decides the frames, when work is to be kept for another run; None keeps none.
    """

    source: Path
    looks: tuple[Look, ...]
    targets: tuple[Path, ...]
    encoder: Encoder
    cut: Cut | None = None
    max_side_px: int | None = None
    batch_size: int | None = None
    fingerprint: dict[str, Any] | None = None


@dataclass(frozen=True)
class VideoReport:
    """What came of a video.

    Attributes:
        frames: in each video that was made, those of earlier runs that it went on from included.
        stats: of the stages in this run; `frames_out` counts every video that was made.
        lost: images that could not be decoded and are missing.
        damaged: images that were decoded with errors.
    """

    frames: int
    stats: StatsReport
    lost: int
    damaged: int


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
    reader = VideoReader(job.source, job.max_side_px)
    try:
        video = _Stages(job, reader, engine, note)
    except BaseException:
        reader.close()
        raise
    try:
        report = video.run(progress)
    except BaseException:
        for output in video.outputs:
            output.folder.leave()
        raise
    finally:
        if not video.hangs:
            reader.close()
    for output in video.outputs:
        output.folder.remove()
    return report


class _Stages:
    """The threads of one job, and what they share."""

    def __init__(self, job: VideoJob, reader: VideoReader, engine: Engine, note: Note) -> None:
        self._job, self._reader, self._engine, self._note = job, reader, engine, note
        self._stats = Stats()
        self._threads = StageThreads(self._abort)
        self._format = reader.info
        self._note_padding()
        self._check_disk(0)
        self.outputs = [
            VideoOutput(target, look, job.encoder, self._format, job.fingerprint)
            for target, look in zip(job.targets, job.looks, strict=True)
        ]
        pieces = min(len(output.records) for output in self.outputs)
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
        self._assemble()
        styles = [look.style for look in self._job.looks]
        report = self._stats.report().of(self._engine.info, styles, self._format.size_wh)
        return VideoReport(self._done, report, self._reader.lost, self._reader.damaged)

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
        frames = self._reader.frames(self._job.cut, self._skip)
        while True:
            with self._stats.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                break
            self._stats.frames_in += 1
            self._decoded.put(frame)
        self._decoded.close()

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
                self._check_disk(self._done)

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

    def _assemble(self) -> None:
        job = self._job
        bounds = None if job.cut is None else job.cut.bounds(self._reader.info)
        for output in self.outputs:
            assembly = Assembly(output.folder.path, tuple(output.records), job.source, bounds)
            note = self._note if output is self.outputs[0] else lambda _: None  # the others would repeat its notes
            assemble(assembly, output.target, job.encoder, self._format, note)

    def _total(self) -> int:
        """How many frames there will be, as far as is known."""
        info, cut = self._reader.info, self._job.cut
        if cut is None or not info.frames:
            return info.frames
        end_s = info.frames / float(info.rate) if cut.end_s is None else cut.end_s
        return min(info.frames, round((end_s - cut.start_s) * float(info.rate)))

    def _note_padding(self) -> None:
        coded_wh, size_wh = self._format.coded_size_wh(self._job.encoder), self._format.size_wh
        if coded_wh != size_wh:
            self._note(
                f"size {size_wh[0]}x{size_wh[1]}: the codec needs even sides; "
                f"written as {coded_wh[0]}x{coded_wh[1]}, the last row or column repeated"
            )

    def _check_disk(self, done: int) -> None:
        """Ends the video before the disk is full."""
        folder = self._job.targets[0].parent
        width, height = self._format.size_wh
        values = 0 if done else 2 * len(self._job.targets) * self._total() * width * height
        likely = values * _BITS_PER_PIXEL / 8
        free = shutil.disk_usage(folder).free
        if free < likely + _LEAST_FREE_BYTES:
            raise SinkError(
                f"folder {folder}: {free / 1e9:.1f} GB are free, and about {likely / 1e9 + 0.1:.1f} GB will be needed; "
                "make room, or choose another place"
            )
