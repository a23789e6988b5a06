"""Owns the making of videos: decoding, stylizing and encoding in threads of their own, joined by bounded mailboxes."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.engines.batch_size import fastest_batch_size
from realtime.engines.protocol import Engine
from realtime.errors import SinkError
from realtime.flow import EngineStage, StageThreads
from realtime.frame import Image
from realtime.look import Look
from realtime.mailbox import BoundedMailbox, MailboxClosedError
from realtime.media.codecs import Encoder
from realtime.media.video_reader import Cut, VideoFrame, VideoReader
from realtime.postprocess import Finisher, Smoothed
from realtime.stats import Stats, StatsReport
from realtime.videos.mux import Assembly, assemble
from realtime.videos.resume import WorkFolder
from realtime.videos.segments import SegmentRecord, SegmentWriter

SEGMENT_FRAMES = 240
"""Images in one piece of a video that can be resumed."""

_POLL_S = 0.1
_JOIN_S = 1.5
"""How long what was begun may take to end after a failure or Ctrl-C; what hangs longer is left behind."""

_WAITING_FRAMES = 3
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
        job: what decides the images beside the video itself, when work is to be kept for another run.
    """

    source: Path
    looks: tuple[Look, ...]
    targets: tuple[Path, ...]
    encoder: Encoder
    cut: Cut | None = None
    max_side_px: int | None = None
    batch_size: int | None = None
    job: dict[str, Any] | None = None


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


@dataclass(frozen=True)
class _Stylized:
    """An image on its way to an encoder; the smoothing's memory comes along at the end of a piece."""

    frame: VideoFrame
    pixels: Image
    smoothed: Smoothed | None = None


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
        video = _Video(job, reader, engine, note)
    except BaseException:
        reader.close()
        raise
    try:
        report = video.run(progress)
    except BaseException:
        for folder in video.folders:
            folder.leave()
        raise
    finally:
        if not video.hangs:
            reader.close()
    for folder in video.folders:
        folder.remove()
    return report


class _Video:
    """The threads of one job, and what they share."""

    def __init__(self, job: VideoJob, reader: VideoReader, engine: Engine, note: Note) -> None:
        self._job, self._reader, self._engine, self._note = job, reader, engine, note
        self._stats = Stats()
        self._threads = StageThreads(self._abort)
        self._format = reader.info
        self._told_sizes()
        self._check_room(0)
        self.folders = [WorkFolder(target, job.job) for target in job.targets]
        finished = [len(folder.finished()) for folder in self.folders]
        self._records = [folder.finished(min(finished)) for folder in self.folders]
        self._skip = sum(record.frames for record in self._records[0])
        self._done = self._skip
        self._batch_size = job.batch_size
        self._decoded: BoundedMailbox[VideoFrame] = BoundedMailbox(_WAITING_FRAMES)
        self._stylized: list[BoundedMailbox[_Stylized]] = [BoundedMailbox(_WAITING_FRAMES) for _ in job.looks]
        self._finishers = [Finisher() for _ in job.looks]
        self._finished = self._skip
        # While one batch is finished, the engine goes on with the next.
        self._engine_stage: EngineStage[list[VideoFrame]] = EngineStage(engine, self._stats, note, ahead=1)

    def run(self, progress: Progress) -> VideoReport:
        if self._skip:
            self._note(f"going on after {self._skip} images")
        for look, finisher, folder, records in zip(
            self._job.looks, self._finishers, self.folders, self._records, strict=True
        ):
            finisher.go_on(folder.load_state(len(records)), look)
        self._threads.start((self._decode, self._feed, self._collect, *self._encoders()))
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
        for number in range(len(self._job.targets)):
            self._assemble(number)
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
        for stylized in self._stylized:
            stylized.abort()

    def _encoders(self) -> list[Callable[[], None]]:
        return [partial(self._encode, number) for number in range(len(self._job.looks))]

    def _decode(self) -> None:
        """Thread: the video to its images."""
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
        """Thread: images to the engine, to be stylized in each look."""
        jobs = [(look.style, look.strength) for look in self._job.looks]
        for frames in self._batches():
            self._engine_stage.put(frames, np.stack([frame.pixels for frame in frames]), jobs)
        self._engine_stage.close()

    def _collect(self) -> None:
        """Thread: stylized images to the encoders, in the order of the video."""
        for frames, future in self._engine_stage.results():
            self._hand_over(frames, future.result())
        for stylized in self._stylized:
            stylized.close()

    def _hand_over(self, frames: list[VideoFrame], stylized_images: list[NDArray[np.uint8]]) -> None:
        """Finishes stylized images in the order of the video, and gives them to the encoders."""
        for look, finisher, stylized, batch in zip(
            self._job.looks, self._finishers, self._stylized, stylized_images, strict=True
        ):
            for place, (frame, pixels) in enumerate(zip(frames, batch, strict=True)):
                with self._stats.stage("postprocess"):
                    finished = finisher.finish(pixels, frame.pixels, look)
                ends_piece = (self._finished + place + 1) % SEGMENT_FRAMES == 0
                stylized.put(_Stylized(frame, finished, finisher.smoothed if ends_piece else None))
        self._finished += len(frames)

    def _batches(self) -> Iterator[list[VideoFrame]]:
        """Images of one size, as many together as is fastest; the last batch may be smaller."""
        held: list[VideoFrame] = []
        while True:
            try:
                frame = self._decoded.get()
            except MailboxClosedError:
                break
            assert frame is not None
            if self._batch_size is None:
                self._batch_size = fastest_batch_size(self._engine, self._job.looks[0], frame.pixels, self._note)
            if held and frame.pixels.shape != held[0].pixels.shape:
                yield held
                held = []
            held.append(frame)
            if len(held) == self._batch_size:
                yield held
                held = []
        if held:
            yield held

    def _encode(self, number: int) -> None:
        """Thread: stylized images of one look to the pieces of its video."""
        folder, stylized, records = self.folders[number], self._stylized[number], self._records[number]
        writer: SegmentWriter | None = None
        try:
            while True:
                try:
                    image = stylized.get()
                except MailboxClosedError:
                    break
                assert image is not None
                with self._stats.stage("encode"):
                    if writer is None:
                        writer = SegmentWriter(folder.path, len(records), self._job.encoder, self._format)
                    writer.write(image.pixels, image.frame.time, image.frame.duration)
                self._count_out(number, image.frame.capture_time_s)
                if self._job.job is not None and writer.frames == SEGMENT_FRAMES:
                    folder.save_state(len(records) + 1, image.smoothed)
                    records.append(writer.finish())
                    writer = None
            if writer is not None and self._threads.failure is None:
                records.append(writer.finish())
                writer = None
        finally:
            if writer is not None:
                writer.abandon()

    def _count_out(self, number: int, capture_time_s: float) -> None:
        self._stats.frame_out(capture_time_s)
        if number == 0:
            self._done += 1
            if self._done % SEGMENT_FRAMES == 0:
                self._check_room(self._done)

    def _assemble(self, number: int) -> None:
        job = self._job
        bounds = None if job.cut is None else job.cut.bounds(self._reader.info)
        records: list[SegmentRecord] = self._records[number]
        assembly = Assembly(self.folders[number].path, tuple(records), job.source, bounds)
        assemble(assembly, job.targets[number], job.encoder, self._format, self._note if number == 0 else _silent)

    def _total(self) -> int:
        """How many images there will be, as far as is known."""
        info, cut = self._reader.info, self._job.cut
        if cut is None or not info.frames:
            return info.frames
        end_s = info.frames / float(info.rate) if cut.end_s is None else cut.end_s
        return min(info.frames, round((end_s - cut.start_s) * float(info.rate)))

    def _told_sizes(self) -> None:
        coded_wh, size_wh = self._format.coded_size_wh(self._job.encoder), self._format.size_wh
        if coded_wh != size_wh:
            self._note(
                f"size {size_wh[0]}x{size_wh[1]}: the codec needs even sides; "
                f"written as {coded_wh[0]}x{coded_wh[1]}, the last row or column repeated"
            )

    def _check_room(self, done: int) -> None:
        """Ends the video before the disk is full."""
        folder = self._job.targets[0].parent
        left = max(0, self._total() - done)
        width, height = self._format.size_wh
        likely = 2 * len(self._job.targets) * left * width * height * _BITS_PER_PIXEL / 8 if not done else 0
        free = shutil.disk_usage(folder).free
        if free < likely + _LEAST_FREE_BYTES:
            raise SinkError(
                f"folder {folder}: {free / 1e9:.1f} GB are free, and about {likely / 1e9 + 0.1:.1f} GB will be needed; "
                "make room, or choose another place"
            )


def _silent(_: str) -> None:
    """Other videos of the same source repeat the same notes."""
