"""Owns one of the videos that are made of a source: what is done after the engine, and encoding in pieces."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from realtime.errors import SinkError
from realtime.frame import Image
from realtime.look import Look
from realtime.mailbox import BoundedMailbox, MailboxClosedError
from realtime.media.codecs import Encoder, VideoFormat
from realtime.media.colour import Alpha
from realtime.media.image_colours import on_white
from realtime.media.readers import VideoSource
from realtime.media.video_frame import VideoFrame
from realtime.postprocess import Finisher, Smoothed
from realtime.stats import Stats
from realtime.videos.flicker_meter import FlickerMeter
from realtime.videos.mux import Assembly, assemble
from realtime.videos.resume import WorkFolder
from realtime.videos.segments import SegmentWriter
from realtime.videos.tracks import Note

SEGMENT_FRAMES = 240
"""Frames in one piece of a video that can be resumed."""

WAITING_FRAMES = 3
"""Frames that wait between two stages at most."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class OutputPlan:
    """What the videos that are made of one source have in common.

    Attributes:
        source: the video whose other tracks are copied.
        encoder: codec and its settings.
        video_format: of the frames.
        bounds: first and end time in units of the video's time base where only a part is wanted.
        begin: what becomes time 0, in the same units.
        fingerprint: what decides the frames, when work is to be kept for another run; None keeps none.
        overwrite: whether files that are there are replaced.
    """

    source: VideoSource
    encoder: Encoder
    video_format: VideoFormat
    bounds: tuple[int, int | None] | None = None
    begin: int = 0
    fingerprint: dict[str, Any] | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Finished:
    """A stylized frame on its way to the encoder; at the end of a piece with what smoothing remembers.

    Attributes:
        frame: what it was made of, for its time.
        pixels: uint8 (H, W, 3) RGB.
        alpha: how opaque they are, uint8 (H, W), where that can be written.
        smoothed: for the next run, after the last frame of a piece.
    """

    frame: VideoFrame
    pixels: Image
    alpha: Alpha | None
    smoothed: Smoothed | None


class VideoOutput(ABC):
    """A video that is made; one thread gives frames, another writes them.

    Args:
        target: its file, or the pattern of its files; None is standard output.
        look: how it is stylized.
        keeps_alpha: whether it can say how opaque pixels are; else they are put on white.

    Attributes:
        target: its file.
        look: how it is stylized.
        pieces: how many are finished by an earlier run.
        meter: is shown all frames of this run; None where nobody asks for its figures.
    """

    def __init__(self, target: Path | None, look: Look, keeps_alpha: bool) -> None:
        self.target, self.look = target, look
        self.pieces = 0
        self.meter: FlickerMeter | None = None
        self._keeps_alpha = keeps_alpha
        self._finisher = Finisher()
        self._waiting: BoundedMailbox[Finished] = BoundedMailbox(WAITING_FRAMES)
        self._given, self._aborted = 0, False

    def go_on_after(self, pieces: int) -> int:
        """Goes on after so many finished pieces of an earlier run, and gives the number of their frames."""
        return 0

    def put(self, frame: VideoFrame, stylized: Image, stats: Stats) -> None:
        """Smooths and mixes the next frame with its stylized image, uint8 (H, W, 3) RGB, and leaves it to be written.

        Raises:
            MailboxClosedError: `abort` was called.
        """
        with stats.stage("postprocess"):
            pixels, alpha = self._finisher.finish(stylized, frame.pixels, self.look), frame.alpha
            if self.meter is not None:
                self.meter.add(frame, pixels)
            if alpha is not None and not self._keeps_alpha:
                pixels, alpha = on_white(pixels, alpha), None
        self._given += 1
        ends_piece = self._given % SEGMENT_FRAMES == 0
        self._waiting.put(Finished(frame, pixels, alpha, self._finisher.smoothed if ends_piece else None))

    def close(self) -> None:
        """No frame comes any more."""
        self._waiting.close()

    def abort(self) -> None:
        """Ends `put` and `encode` at once; what was begun does not count."""
        self._aborted = True
        self._waiting.abort()

    @abstractmethod
    def encode(self, stats: Stats, count: Callable[[], None]) -> None:
        """Writes all frames that come, until `close`, and calls `count` after each.

        Raises:
            SinkError: they cannot be written.
        """

    @abstractmethod
    def finish(self, note: Note) -> None:
        """Gives the video its name, when all frames are written; tells people what it could not hold.

        Raises:
            SinkError: it cannot be written.
        """

    @abstractmethod
    def remove(self) -> None:
        """Removes all but the video itself."""

    def leave(self) -> None:
        """Removes all but what another run goes on with."""
        self.remove()


class PiecewiseOutput(VideoOutput):
    """A file that is encoded in pieces, which another run can go on with, and joined at the end.

    Args:
        target: its file.
        look: how it is stylized.
        plan: see there.

    Raises:
        OptionError: there is work of an earlier run that was made with other settings.
        SinkError: there is no place for the pieces.
    """

    def __init__(self, target: Path, look: Look, plan: OutputPlan) -> None:
        super().__init__(target, look, plan.video_format.keeps_alpha(plan.encoder))
        self._file, self._plan = target, plan
        self._folder = WorkFolder(target, plan.fingerprint)
        self._records = self._folder.finished()
        self.pieces = len(self._records)

    def go_on_after(self, pieces: int) -> int:
        """See `VideoOutput.go_on_after`."""
        self._records = self._folder.finished(pieces)
        self._finisher.go_on(self._folder.load_state(len(self._records)), self.look)
        self._given = sum(record.frames for record in self._records)
        return self._given

    def encode(self, stats: Stats, count: Callable[[], None]) -> None:
        """See `VideoOutput.encode`."""
        plan, writer = self._plan, None
        try:
            for finished in until_closed(self._waiting):
                frame = finished.frame
                with stats.stage("encode"):
                    if writer is None:
                        number = len(self._records)
                        writer = SegmentWriter(self._folder.path, number, plan.encoder, plan.video_format)
                    writer.write(finished.pixels, frame.time, frame.duration, finished.alpha)
                stats.frame_out(frame.capture_time_s)
                count()
                if plan.fingerprint is not None and writer.frames == SEGMENT_FRAMES:
                    self._folder.save_state(len(self._records) + 1, finished.smoothed)
                    self._records.append(writer.finish())
                    writer = None
            if writer is not None and not self._aborted:
                self._records.append(writer.finish())
                writer = None
        finally:
            if writer is not None:
                writer.abandon()

    def finish(self, note: Note) -> None:
        """See `VideoOutput.finish`."""
        plan = self._plan
        assembly = Assembly(self._folder.path, tuple(self._records), plan.source, plan.bounds, plan.overwrite)
        assemble(assembly, self._file, plan.encoder, plan.video_format, note)

    def remove(self) -> None:
        """See `VideoOutput.remove`."""
        self._folder.remove()

    def leave(self) -> None:
        """See `VideoOutput.leave`."""
        self._folder.leave()


def finish_all(outputs: Sequence[VideoOutput], note_of: Callable[[Path | None], Note]) -> None:
    """Completes all videos of one source; one that cannot have its name does not keep the others from theirs.

    Args:
        outputs: all frames of them are written.
        note_of: gives what takes the notes of a target.

    Raises:
        SinkError: one cannot be written; of several the first.
    """
    failures = []
    for output in outputs:
        try:
            output.finish(note_of(output.target))
        except SinkError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def until_closed(mailbox: BoundedMailbox[Item]) -> Iterator[Item]:
    """All items of a mailbox, until it is closed and empty."""
    while True:
        try:
            item = mailbox.get()
        except MailboxClosedError:
            return
        assert item is not None  # it waits without a limit
        yield item
