"""Owns reading video files as a source: paced, and again from the beginning where that is wanted."""

import os
import threading
import time
from pathlib import Path

from realtime.errors import SourceError
from realtime.frame import Frame, fit_size_wh, resize_to_fit
from realtime.media.video_frame import VideoFrame
from realtime.media.video_reader import VideoReader
from realtime.sources.clock import Pacer
from realtime.sources.protocol import SourceInfo


class VideoFileSource:
    """Gives the frames of a file's first video track; those that are damaged are left out.

    Args:
        location: the path of a file, or the URL of a video.
        name: for people.
        size_wh: frames are resized to fit inside; None keeps their own size.
        paced: give frames when they are due, instead of as fast as they are read.
        loop: begin again at the end.

    Attributes:
        info: see `Source.info`.
        frames: how many there are, about; 0 is unknown.

    Raises:
        SourceError: there is no such file, or it holds no image that can be decoded.
    """

    def __init__(
        self,
        location: Path | str,
        name: str,
        size_wh: tuple[int, int] | None = None,
        paced: bool = True,
        loop: bool = False,
    ) -> None:
        self._location = str(location)
        if "://" not in self._location and not Path(location).is_file():
            raise SourceError(f"source {location}: {_missing(self._location)}")
        if "://" not in self._location and not os.access(location, os.R_OK):
            raise SourceError(f"source {location}: may not be read; change its permissions")
        self._size_wh, self._loop = size_wh, loop
        self._pacer = Pacer(paced)
        self._closed = False
        self._decoding = threading.Lock()
        """Held while an image is decoded: a generator must not be closed while it runs in another thread."""
        self._index, self._begin_s, self._end_s = 0, 0.0, 0.0
        self._begin()
        video = self._reader.info
        self.frames = video.frames
        shown_wh = video.size_wh if size_wh is None else fit_size_wh(video.size_wh, size_wh)
        self.info = SourceInfo(name, shown_wh, float(video.rate), can_pause=True)

    def read(self) -> Frame | None:
        """See `Source.read`."""
        with self._decoding:
            following = None if self._closed else self._next_frame()
        if following is None:
            return None
        pixels, unit_s = resize_to_fit(following.pixels, self._size_wh), self._reader.info.time_base
        media_time_s = self._begin_s + float((following.time - self._reader.info.start) * unit_s)
        if not self._pacer.wait_until_due(media_time_s):
            return None
        frame = Frame(pixels, self._index, time.perf_counter(), media_time_s)
        self._index += 1
        self._end_s = media_time_s + float(following.duration * unit_s)
        return frame

    def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        self._pacer.stop()
        with self._decoding:
            self._reader.close()

    def _begin(self) -> None:
        self._reader = VideoReader(self._location, accurate=False)
        self._frames = self._reader.frames()

    def _next_frame(self) -> VideoFrame | None:
        frame = next(self._frames, None)
        if frame is None and self._loop:
            self._reader.close()
            self._begin_s = self._end_s
            self._begin()
            frame = next(self._frames, None)
        return frame


def _missing(location: str) -> str:
    """Why there is nothing to read, and what to do."""
    others = "give a video file, a camera number, sample or pattern"
    if Path(location).is_dir():
        return f"is a folder, not a video file; {others}"
    if Path(location).name == location and not Path(location).suffix:
        return f"no camera of that name, and no such file; --list-cameras shows the cameras, or {others}"
    return f"no such file; {others}"
