"""Owns opening a file for its tracks, and which of them is the video."""

from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from realtime.media.remote_file import RemoteFile
from realtime.media.standard_input import SpooledInput


def open_container(source: Path | str | SpooledInput | RemoteFile) -> InputContainer:
    """Opens a file, a URL, what comes on standard input or lies at an address, for its tracks.

    Raises:
        FFmpegError, OSError: it cannot be read.
    """
    location = source.open() if isinstance(source, SpooledInput | RemoteFile) else source
    return av.open(str(location) if isinstance(location, Path) else location, "r", metadata_errors="ignore")


def holds_video(path: Path) -> bool:
    """Whether a file of any name is a video, by its content; FFmpeg would also show a text as one."""
    try:
        with open_container(path) as container:
            return container.format.name != "tty" and bool(container.streams.video)
    except (FFmpegError, OSError):
        return False


def shown_stream(container: InputContainer) -> VideoStream | None:
    """The video track that players show: the one marked as default, of those the largest; None where there is none."""
    tracks = [stream for stream in container.streams.video if not is_cover(stream)]
    return max(tracks, key=_rank, default=None)


def _rank(stream: VideoStream) -> tuple[bool, int]:
    pixels = 0 if stream.codec_context is None else stream.width * stream.height
    return bool(int(stream.disposition) & int(Disposition.default)), pixels


def is_cover(stream: Stream) -> bool:
    """Whether a video track is one still image that belongs to the file, and not the video."""
    return bool(int(stream.disposition) & int(Disposition.attached_pic))
