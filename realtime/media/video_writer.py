"""Owns writing videos: the encoder's set-up, colour tags, and exact times in a container."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from realtime.errors import SinkError
from realtime.frame import Image
from realtime.media.codecs import Encoder, VideoFormat, ordinary_priority
from realtime.media.colour import FromRgb


@contextmanager
def sink_errors(name: str, advice: str) -> Iterator[None]:
    """Turns what FFmpeg or the system raise into SinkError.

    Args:
        name: what is written: "recording out.mp4".
        advice: what to do where that fails.
    """
    try:
        yield
    except (FFmpegError, OSError, ValueError) as error:
        raise SinkError(f"{name}: cannot be written ({_reason(error)}); {advice}") from error


_left_open: list[OutputContainer] = []
"""Files that could not be written. FFmpeg's muxers may crash the process when they are closed after that, and
a container without a reference is closed."""


@contextmanager
def never_closed_after_failing(container: OutputContainer) -> Iterator[None]:
    """Inside something is written; should that fail, the file is left as it is."""
    try:
        yield
    except (FFmpegError, OSError):
        _left_open.append(container)
        raise


def is_left_open(container: OutputContainer) -> bool:
    """Whether it could not be written before, so that it must not be closed."""
    return any(container is other for other in _left_open)


@contextmanager
def written_container(path: Path, options: Mapping[str, str]) -> Iterator[OutputContainer]:
    """Opens a file for packets and completes it; where that fails it is emptied."""
    container = av.open(str(path), "w", options=dict(options))
    try:
        with never_closed_after_failing(container):
            yield container
            container.close()
    except BaseException:
        if is_left_open(container):
            with suppress(OSError):
                os.truncate(path, 0)  # it stays open, and would keep its room on the disk
        else:
            container.close()
        raise


def add_video_stream(container: OutputContainer, encoder: Encoder, video_format: VideoFormat) -> VideoStream:
    """Declares the track of a video's images, and starts its encoder.

    A video that is joined of encoded packets has its headers from an encoder that is set up alike.

    Raises:
        SinkError: the encoder cannot be started.
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
    try:
        with ordinary_priority():
            context.open()
    except (FFmpegError, OSError, ValueError) as error:
        raise SinkError(
            f"encoder {encoder.ffmpeg_name}: cannot be started for {'x'.join(map(str, video_format.size_wh))} "
            f"({_reason(error)}); {encoder.needs or 'choose another --codec'}"
        ) from error
    return stream


class VideoWriter:
    """Encodes RGB into a file that holds nothing else.

    Args:
        path: of the file.
        encoder: codec and its settings.
        video_format: of the images.
        name: what is written, for messages: "recording out.mp4".
        container: FFmpeg's name of the kind of file; None goes by the suffix.
        container_options: FFmpeg's, of that kind of file.

    Attributes:
        frames: how many images were written.

    Raises:
        SinkError: the file cannot be written there, or the encoder cannot be started.
    """

    def __init__(
        self,
        path: Path,
        encoder: Encoder,
        video_format: VideoFormat,
        name: str,
        container: str | None = None,
        container_options: Mapping[str, str] | None = None,
    ) -> None:
        self._name, self.frames = name, 0
        self._from_rgb = FromRgb(video_format.tags, video_format.pixel_format(encoder), encoder.even_sides)
        self._time_base = video_format.time_base
        with self._sink_errors():
            self._container = av.open(str(path), "w", format=container, options=dict(container_options or {}))
        try:
            self._stream = add_video_stream(self._container, encoder, video_format)
        except BaseException:
            self.abandon()
            raise

    def write(self, pixels: Image, time: int, duration: int = 0) -> None:
        """Encodes one image.

        Args:
            pixels: uint8 (H, W, 3) RGB.
            time: later than the one before, in units of the video's time base.
            duration: in the same units; 0 is until the next one.

        Raises:
            SinkError: the disk is full, or the encoder failed.
        """
        image = self._from_rgb(pixels)
        image.pts, image.time_base, image.duration = time, self._time_base, duration
        with self._sink_errors(), never_closed_after_failing(self._container):
            self._container.mux(self._stream.encode(image))
        self.frames += 1

    @property
    def failed(self) -> bool:
        """Whether something could not be written; the file stays as it is then."""
        return is_left_open(self._container)

    def close(self) -> None:
        """Completes the file; one that failed before stays as it is.

        Raises:
            SinkError: as `write`.
        """
        if self.failed:
            return
        with self._sink_errors(), never_closed_after_failing(self._container):
            self._container.mux(self._stream.encode(None))
            self._container.close()

    def abandon(self) -> None:
        """Closes what is open, and leaves an incomplete file."""
        if not self.failed:
            with suppress(FFmpegError, OSError), never_closed_after_failing(self._container):
                self._container.close()

    def _sink_errors(self) -> AbstractContextManager[None]:
        return sink_errors(self._name, "make room, or choose another place")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
