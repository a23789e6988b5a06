"""Owns the pieces in which a video is encoded, so that an interrupted one can go on.

A piece is two files in a folder: `00000.nut` with the encoded images, which keeps times
exactly, and `00000.json` with what the file does not hold. A piece counts when both are there.

Must not know styles, threads or the video that comes out in the end.
"""

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from neural_style.atomic_file import whole_file
from realtime.errors import SinkError
from realtime.frame import Image
from realtime.media.codecs import Encoder, ordinary_priority
from realtime.media.colour import ColourTags, FromRgb


@dataclass(frozen=True)
class VideoFormat:
    """What every image of a video has in common when it is encoded.

    Attributes:
        size_wh: width and height in px of the images that come.
        time_base: seconds of one unit of time.
        rate: frames per second, nominal.
        tags: of its colours.
        deep: more than 8 bits, where the codec is commonly played so.
    """

    size_wh: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    tags: ColourTags
    deep: bool

    def coded_size_wh(self, encoder: Encoder) -> tuple[int, int]:
        """The size with the row and column that an encoder of even sides needs."""
        width, height = self.size_wh
        return (width + width % 2, height + height % 2) if encoder.even_sides else self.size_wh

    def pixel_format(self, encoder: Encoder) -> str:
        """FFmpeg's name of the format that an encoder is given."""
        return encoder.deep_pixel_format if self.deep else encoder.pixel_format


def add_video_stream(container: OutputContainer, encoder: Encoder, video_format: VideoFormat) -> VideoStream:
    """Declares the track of a video's images; the same in each piece and in the finished video.

    The finished video encodes nothing, and has its headers from an encoder that is set up alike.
    """
    stream = container.add_stream(encoder.ffmpeg_name, rate=video_format.rate)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = video_format.coded_size_wh(encoder)
    stream.pix_fmt = video_format.pixel_format(encoder)
    stream.options = dict(encoder.options)
    stream.time_base = video_format.time_base
    tags, context = video_format.tags, stream.codec_context
    context.time_base = video_format.time_base
    context.colorspace, context.color_range = tags.matrix or 1, 2 if tags.full_range else 1
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    context.flags |= int(Flags.global_header)
    if encoder.tag and container.format.name in ("mp4", "mov"):
        context.codec_tag = encoder.tag
    return stream


@dataclass(frozen=True)
class SegmentRecord:
    """What is known of a finished piece.

    Attributes:
        frames: how many images it holds.
        durations: time to duration, both in units of the video's time base.
    """

    frames: int
    durations: dict[int, int]


class SegmentWriter:
    """Encodes one piece.

    Args:
        folder: of the pieces.
        number: of this one, from 0.
        encoder: codec and its settings.
        video_format: of the images.

    Raises:
        SinkError: it cannot be written there.
    """

    def __init__(self, folder: Path, number: int, encoder: Encoder, video_format: VideoFormat) -> None:
        self._path, self._record_path = segment_paths(folder, number)
        self._durations: dict[int, int] = {}
        self._from_rgb = FromRgb(video_format.tags, video_format.pixel_format(encoder), encoder.even_sides)
        self._time_base = video_format.time_base
        try:
            self._container = av.open(str(self._path), "w", format=encoder.piece_format)
            self._stream = add_video_stream(self._container, encoder, video_format)
        except (FFmpegError, OSError, ValueError) as error:
            raise self._error(error) from error
        try:
            with ordinary_priority():
                self._stream.codec_context.open()
        except (FFmpegError, OSError, ValueError) as error:
            self.abandon()
            raise SinkError(
                f"encoder {encoder.ffmpeg_name}: cannot be started for {'x'.join(map(str, video_format.size_wh))} "
                f"({_reason(error)}); {encoder.needs or 'choose another --codec'}"
            ) from error

    def write(self, pixels: Image, time: int, duration: int) -> None:
        """Encodes one image.

        Args:
            pixels: uint8 (H, W, 3) RGB.
            time: later than the one before, in units of the video's time base.
            duration: in the same units.

        Raises:
            SinkError: the disk is full, or the encoder failed.
        """
        image = self._from_rgb(pixels)
        image.pts, image.time_base, image.duration = time, self._time_base, duration
        self._durations[time] = duration
        try:
            self._container.mux(self._stream.encode(image))
        except (FFmpegError, OSError) as error:
            raise self._error(error) from error

    @property
    def frames(self) -> int:
        """How many images were written."""
        return len(self._durations)

    def finish(self) -> SegmentRecord:
        """Completes the piece, so that it counts, and gives what is known of it.

        Raises:
            SinkError: as `write`.
        """
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            record = SegmentRecord(self.frames, self._durations)
            with whole_file(self._record_path) as partial:
                partial.write_text(json.dumps(asdict(record)), encoding="utf-8")
            return record
        except (FFmpegError, OSError) as error:
            raise self._error(error) from error

    def abandon(self) -> None:
        """Closes what is open; the piece does not count."""
        try:
            self._container.close()
        except (FFmpegError, OSError):
            return

    def _error(self, error: Exception) -> SinkError:
        folder = self._path.parent.parent
        return SinkError(f"folder {folder}: cannot be written ({_reason(error)}); make room, or choose another place")


def segment_paths(folder: Path, number: int) -> tuple[Path, Path]:
    """The two files of a piece."""
    return folder / f"{number:05d}.nut", folder / f"{number:05d}.json"


def finished_segments(folder: Path) -> list[SegmentRecord]:
    """The records of the finished pieces, from the first to the last before a gap."""
    records: list[SegmentRecord] = []
    while True:
        encoded, record = segment_paths(folder, len(records))
        if not (encoded.is_file() and record.is_file()):
            return records
        content = json.loads(record.read_text(encoding="utf-8"))
        records.append(SegmentRecord(content["frames"], {int(k): v for k, v in content["durations"].items()}))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
