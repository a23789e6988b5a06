"""Owns reading video files, decoded with FFmpeg through PyAV.

Must not know engines or sinks; writing files is the sinks' business.
"""

import threading
import time
from collections.abc import Generator
from pathlib import Path

import av
from av.error import FFmpegError

from realtime.errors import SourceError
from realtime.frame import Frame, Image, resize_to_fit
from realtime.media.colour import ToRgb, tags_of
from realtime.sources.clock import Pacer
from realtime.sources.protocol import SourceInfo

_DEFAULT_RATE_FPS = 25.0


class VideoFileSource:
    """Decodes the first video track of a file: upright, with square pixels, by the colours that it states.

    Args:
        location: the path of a file, or the URL of a clip.
        name: for people.
        size_wh: frames are resized to fit inside; None keeps their own size.
        paced: give frames when they are due, instead of as fast as they are read.
        loop: begin again at the end.

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
            what = "is a folder, not a video file" if Path(location).is_dir() else "no such file"
            raise SourceError(f"source {location}: {what}; give a video file, a camera number, sample or pattern")
        self._size_wh, self._loop = size_wh, loop
        self._pacer = Pacer() if paced else None
        self._closed = False
        self._decoding = threading.Lock()
        """Held while an image is decoded: a generator must not be closed while it runs in another thread."""
        self._images = self._decode_once(0.0)
        first = next(self._images, None)
        if first is None:
            raise SourceError(f"source {location}: holds no image that can be decoded")
        self._waiting: tuple[Image, float] | None = first
        self._index = 0
        size = (first[0].shape[1], first[0].shape[0])
        self._info = SourceInfo(name, size, self._rate_fps, can_pause=True)

    @property
    def info(self) -> SourceInfo:
        """See `Source.info`."""
        return self._info

    def read(self) -> Frame | None:
        """See `Source.read`."""
        with self._decoding:
            following = None if self._closed else self._waiting or self._next_image()
            self._waiting = None
        if following is None:
            return None
        pixels, media_time_s = following
        if self._pacer is not None:
            self._pacer.wait_until_due(media_time_s)
            if self._closed:
                return None
        frame = Frame(pixels, self._index, time.perf_counter(), media_time_s)
        self._index += 1
        self._end_s = media_time_s + 1.0 / self._rate_fps
        return frame

    def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        if self._pacer is not None:
            self._pacer.stop()
        with self._decoding:
            self._images.close()

    def _next_image(self) -> tuple[Image, float] | None:
        image = next(self._images, None)
        if image is None and self._loop:
            self._images = self._decode_once(self._end_s)
            image = next(self._images, None)
        return image

    def _decode_once(self, offset_s: float) -> Generator[tuple[Image, float]]:
        """Gives uint8 (H, W, 3) RGB and the time in s from the first image, plus an offset."""
        try:
            with av.open(self._location, metadata_errors="ignore") as container:
                if not container.streams.video:
                    raise SourceError(f"source {self._location}: holds no video track")
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                self._rate_fps = float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE_FPS)
                first_s: float | None = None
                to_rgb: ToRgb | None = None
                for count, image in enumerate(container.decode(stream)):
                    if self._closed:
                        return
                    own_s = image.time if image.time is not None else count / self._rate_fps
                    first_s = own_s if first_s is None else first_s
                    to_rgb = to_rgb or ToRgb(tags_of(image), float(stream.sample_aspect_ratio or 1), accurate=False)
                    yield resize_to_fit(to_rgb(image), self._size_wh), offset_s + own_s - first_s
        except FFmpegError as error:
            raise SourceError(
                f"source {self._location}: is damaged or is not a video that FFmpeg can decode ({error.strerror})"
            ) from error
