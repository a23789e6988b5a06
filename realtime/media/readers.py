"""Owns which reader a video has: one for FFmpeg's files, one for images one after the other."""

from pathlib import Path
from typing import TypeAlias, TypeGuard

from realtime.media.remote_file import RemoteFile
from realtime.media.standard_input import SpooledInput
from realtime.media.still_reader import ImageSequence, StillReader, is_animation, open_animation, open_sequence
from realtime.media.video_reader import VideoReader

VideoSource: TypeAlias = Path | ImageSequence | SpooledInput | RemoteFile
FrameReader: TypeAlias = VideoReader | StillReader


def open_reader(source: VideoSource, max_side_px: int | None = None) -> FrameReader:
    """Opens a video.

    Raises:
        SourceError: it cannot be read, or holds no image that can be decoded.
    """
    if isinstance(source, ImageSequence):
        return open_sequence(source, max_side_px)
    if isinstance(source, Path) and is_animation(source):
        return open_animation(source, max_side_px)
    return VideoReader(source, max_side_px)


def has_tracks(source: VideoSource) -> TypeGuard[Path | SpooledInput | RemoteFile]:
    """Whether a video is a file of FFmpeg's, which can have sound, subtitles, chapters and metadata."""
    return isinstance(source, SpooledInput | RemoteFile) or (isinstance(source, Path) and not is_animation(source))
