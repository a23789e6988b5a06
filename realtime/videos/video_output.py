"""Owns one of the videos that are made of a source: what is done after the engine, and encoding in pieces."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from realtime.frame import Image
from realtime.look import Look
from realtime.mailbox import BoundedMailbox, MailboxClosedError
from realtime.media.codecs import Encoder, VideoFormat
from realtime.media.video_reader import VideoFrame
from realtime.postprocess import Finisher, Smoothed
from realtime.stats import Stats
from realtime.videos.resume import WorkFolder
from realtime.videos.segments import SegmentWriter

SEGMENT_FRAMES = 240
"""Frames in one piece of a video that can be resumed."""

WAITING_FRAMES = 3
"""Frames that wait between two stages at most."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class _Finished:
    """A stylized frame on its way to the encoder; at the end of a piece with what smoothing remembers."""

    frame: VideoFrame
    pixels: Image
    smoothed: Smoothed | None


class VideoOutput:
    """A video that is made; one thread gives frames, another encodes them.

    Args:
        target: its file.
        look: how it is stylized.
        encoder: codec and its settings.
        video_format: of its frames.
        fingerprint: what decides its frames, when work is to be kept for another run; None keeps none.

    Attributes:
        target: its file.
        look: how it is stylized.
        folder: where its pieces are.
        records: of its finished pieces, those of an earlier run included.

    Raises:
        OptionError: there is work of an earlier run that was made with other settings.
        SinkError: there is no place for the pieces.
    """

    def __init__(
        self, target: Path, look: Look, encoder: Encoder, video_format: VideoFormat, fingerprint: dict[str, Any] | None
    ) -> None:
        self.target, self.look = target, look
        self._encoder, self._format, self._is_kept = encoder, video_format, fingerprint is not None
        self.folder = WorkFolder(target, fingerprint)
        self.records = self.folder.finished()
        self._finisher = Finisher()
        self._waiting: BoundedMailbox[_Finished] = BoundedMailbox(WAITING_FRAMES)
        self._given, self._aborted = 0, False

    def go_on_after(self, pieces: int) -> int:
        """Goes on after so many finished pieces of an earlier run, and gives the number of their frames."""
        self.records = self.folder.finished(pieces)
        self._finisher.go_on(self.folder.load_state(len(self.records)), self.look)
        self._given = sum(record.frames for record in self.records)
        return self._given

    def put(self, frame: VideoFrame, stylized: Image, stats: Stats) -> None:
        """Smooths and mixes the next frame with its stylized image, uint8 (H, W, 3) RGB, and leaves it to the encoder.

        Raises:
            MailboxClosedError: `abort` was called.
        """
        with stats.stage("postprocess"):
            pixels = self._finisher.finish(stylized, frame.pixels, self.look)
        self._given += 1
        ends_piece = self._given % SEGMENT_FRAMES == 0
        self._waiting.put(_Finished(frame, pixels, self._finisher.smoothed if ends_piece else None))

    def close(self) -> None:
        """No frame comes any more."""
        self._waiting.close()

    def abort(self) -> None:
        """Ends `put` and `encode` at once; the piece that was begun does not count."""
        self._aborted = True
        self._waiting.abort()

    def encode(self, stats: Stats, count: Callable[[], None]) -> None:
        """Encodes all frames that come, until `close`, and calls `count` after each.

        Raises:
            SinkError: they cannot be written.
        """
        writer: SegmentWriter | None = None
        try:
            for finished in until_closed(self._waiting):
                with stats.stage("encode"):
                    if writer is None:
                        writer = SegmentWriter(self.folder.path, len(self.records), self._encoder, self._format)
                    writer.write(finished.pixels, finished.frame.time, finished.frame.duration)
                stats.frame_out(finished.frame.capture_time_s)
                count()
                if self._is_kept and writer.frames == SEGMENT_FRAMES:
                    self.folder.save_state(len(self.records) + 1, finished.smoothed)
                    self.records.append(writer.finish())
                    writer = None
            if writer is not None and not self._aborted:
                self.records.append(writer.finish())
                writer = None
        finally:
            if writer is not None:
                writer.abandon()


def until_closed(mailbox: BoundedMailbox[Item]) -> Iterator[Item]:
    """All items of a mailbox, until it is closed and empty."""
    while True:
        try:
            item = mailbox.get()
        except MailboxClosedError:
            return
        assert item is not None  # it waits without a limit
        yield item
