"""Owns a stylized video that is encoded straight into its file or to standard output, frame by frame."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from realtime.errors import SinkError
from realtime.look import Look
from realtime.mailbox import MailboxClosedError
from realtime.media.codecs import GIF_INTERVAL_S, PIPE_FORMATS, Encoder
from realtime.media.standard_streams import write_standard_output
from realtime.media.video_writer import add_video_stream, from_rgb, sink_errors, written_container
from realtime.media.whole_output import whole_output
from realtime.stats import Stats
from realtime.videos.mux import add_other_tracks, open_tracks, window_of
from realtime.videos.tracks import AnyPacket, Note, Timed
from realtime.videos.video_output import OutputPlan, VideoOutput, until_closed

_REORDERING = ("libx264", "libx265", "h264_nvenc", "hevc_nvenc")


class DirectOutput(VideoOutput):
    """A video that cannot be joined of pieces: on standard output, as GIF, or with transparency in VP9.

    A frame's other tracks are read and written as far as it is in the video, so that whoever reads standard
    output gets all of a moment at that moment.

    Args:
        target: its file; None is standard output.
        look: how it is stylized.
        plan: see there.
        pipe_format: a key of `PIPE_FORMATS`, what standard output holds; "" for a file.
        note: takes lines for people: what it cannot hold.
    """

    def __init__(self, target: Path | None, look: Look, plan: OutputPlan, pipe_format: str, note: Note) -> None:
        super().__init__(target, look, plan.video_format.keeps_alpha(plan.encoder))
        self._plan = replace(plan, encoder=_in_order(plan.encoder))
        self._note = note
        self._suffix = f".{pipe_format}" if target is None else target.suffix.lower()

    def encode(self, stats: Stats, count: Callable[[], None]) -> None:
        """See `VideoOutput.encode`; a file has its name afterwards."""
        advice = "choose another place, or make room"
        with sink_errors(f"video {self.target or 'standard output'}", advice), ExitStack() as opened:
            source = open_tracks(self._plan.source, opened)
            file = opened.enter_context(self._destination())
            try:
                self._write(file, source, stats, count)
            except (FFmpegError, OSError) as error:
                if isinstance(file, Path) or file.failure is None:
                    raise
                raise file.failure from error

    def _write(
        self, file: "Path | _StandardOutput", source: InputContainer | None, stats: Stats, count: Callable[[], None]
    ) -> None:
        """Writes the frames and what else the source holds."""
        plan = self._plan
        with self._container(file) as out:
            stream = add_video_stream(out, plan.encoder, plan.video_format)
            window = window_of(plan.begin, None if plan.bounds is None else plan.bounds[1], plan.video_format)
            others = _from_zero(add_other_tracks(out, source, self._suffix, self._note, window))
            images = self._images(stream, stats, count)
            for _, _, packet in heapq.merge(images, others, key=lambda timed: timed[:2]):
                out.mux_one(packet)

    def finish(self, note: Note) -> None:
        """See `VideoOutput.finish`; `encode` has done it."""

    def remove(self) -> None:
        """See `VideoOutput.remove`; nothing is left."""

    def _destination(self) -> "AbstractContextManager[Path | _StandardOutput]":
        if self.target is None:
            return nullcontext(_StandardOutput())
        return whole_output(self.target, self._plan.overwrite)

    def _container(self, file: "Path | _StandardOutput") -> AbstractContextManager[OutputContainer]:
        if isinstance(file, Path):
            return written_container(file, {})
        kind = PIPE_FORMATS[self._suffix[1:]]
        return written_container(file, kind.options, kind.ffmpeg_name)

    def _images(self, stream: VideoStream, stats: Stats, count: Callable[[], None]) -> Iterator[Timed]:
        """The encoded frames as they come."""
        plan, convert = self._plan, from_rgb(self._plan.encoder, self._plan.video_format)
        unit_s, last_s = plan.video_format.time_base, None
        for finished in until_closed(self._waiting):
            time = finished.frame.time - plan.begin
            with stats.stage("encode"):
                if self._suffix != ".gif" or last_s is None or time * unit_s - last_s >= GIF_INTERVAL_S:
                    last_s = time * unit_s
                    image = convert(finished.pixels, finished.alpha)
                    image.pts, image.time_base, image.duration = time, unit_s, finished.frame.duration
                    packets = stream.encode(image)
                else:
                    packets = []
            yield from _timed(packets)
            stats.frame_out(finished.frame.capture_time_s)
            count()
        if self._aborted:
            raise MailboxClosedError
        yield from _timed(stream.encode(None))


def _in_order(encoder: Encoder) -> Encoder:
    """The same encoder without frames that are decoded ahead: a container that is not searched begins at 0 then."""
    return replace(encoder, options={**encoder.options, "bf": "0"}) if encoder.ffmpeg_name in _REORDERING else encoder


def _from_zero(packets: Iterator[Timed]) -> Iterator[Timed]:
    """Leaves out what begins before 0, as the priming of AAC does: it is not heard, and would delay all tracks."""
    return (timed for timed in packets if timed[2].pts is None or timed[2].pts >= 0)


def _timed(packets: Sequence[AnyPacket]) -> Iterator[Timed]:
    for packet in packets:
        time = packet.dts if packet.dts is not None else packet.pts
        yield float((time or 0) * packet.time_base), -1, packet


class _StandardOutput:
    """What FFmpeg needs of a file; without `seek`, which a pipe has not.

    Attributes:
        failure: why it could not be written, of which FFmpeg tells nothing.
    """

    def __init__(self) -> None:
        self.failure: OSError | SinkError | None = None

    def write(self, content: bytes) -> int:
        try:
            write_standard_output(content)
        except OSError as error:
            self.failure = error
            raise
        except SinkError as error:
            self.failure = error
            raise OSError(str(error)) from error  # as FFmpeg's own
        return len(content)
