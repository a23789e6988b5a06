"""Owns reading videos: every image that can be decoded, its time and duration, and what was lost."""

import time as clock
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from realtime.errors import SourceError
from realtime.frame import Image, fit_size_wh
from realtime.media.colour import Alpha, ToRgb, bit_depth, displayed_size_wh, has_alpha, tags_of
from realtime.media.remote_file import RemoteFile
from realtime.media.standard_input import SpooledInput
from realtime.media.timeline import Timeline
from realtime.media.video_container import open_container, shown_stream
from realtime.media.video_frame import Cut, VideoFrame, VideoInfo

MAX_SIDE_PX = 16384
_DEFAULT_RATE = Fraction(25)
_TOLERATED_FRAMES = 3
_SEARCHED_BACK_S = 1
"""A transport stream is searched by times of decoding, which are earlier than those of the frames."""


def search_time(entry: int, time_base: Fraction) -> int:
    """What to search for in a file, so that reading begins before a key image."""
    return entry - round(_SEARCHED_BACK_S / time_base)


class VideoReader:
    """Decodes the video track of a file that players show: upright, with square pixels, by the colours that it states.

    What cannot be decoded is left out and counted.

    Args:
        path: of the video; a URL is read, too, and what comes on standard input.
        max_side_px: larger images are shrunk until their longer side is this.
        accurate: False for live frames: up to two levels off, and twenty times as fast.

    Attributes:
        lost: images that the file should hold and that could not be decoded, so far.
        damaged: images that were decoded with errors, so far.

    Raises:
        SourceError: the file cannot be read, or holds no image that can be decoded.
    """

    def __init__(
        self, path: Path | str | SpooledInput | RemoteFile, max_side_px: int | None = None, accurate: bool = True
    ) -> None:
        self._path = path
        self.lost, self.damaged = 0, 0
        self._promised, self._given, self._discarded = 0, 0, 0
        self._end_s, self._read_failed = 0.0, False
        self._timeline = Timeline()
        try:
            self._container = open_container(path)
        except (FFmpegError, OSError) as error:
            likely = "" if isinstance(error, FileNotFoundError) else "; it is damaged or is not a video"
            raise SourceError(f"video {path}: cannot be read ({error.strerror}){likely}") from error
        try:
            self._stream = self._video_stream()
            self._codec = _alpha_decoder(self._stream) or self._stream.codec_context
            self._decoder = self._decoded()
            first = next(self._decoder, None)
            if first is None:
                raise SourceError(f"video {path}: holds no image that can be decoded; it is damaged")
        except BaseException:
            self._container.close()
            raise
        self._images: Iterator[av.VideoFrame] = chain((first,), self._decoder)
        self._shape, self._accurate = float(self._stream.sample_aspect_ratio or 1), accurate
        tags = tags_of(first)
        size_wh = displayed_size_wh((first.width, first.height), self._shape, first.rotation, max_side_px)
        self._stored_wh = first.width, first.height
        self._to_rgb = ToRgb(tags, size_wh, accurate)
        self._other_sizes: dict[tuple[int, int], ToRgb] = {}
        rate = self._stream.average_rate or self._stream.guessed_rate or _DEFAULT_RATE
        self.info = VideoInfo(
            size_wh,
            Fraction(self._stream.time_base or 1 / rate),
            Fraction(rate),
            tags,
            bit_depth(first),
            accurate and self._shows_alpha(first),
            self._expected_frames(float(rate)),
            first.pts or 0,
        )

    def frames(self, cut: Cut | None = None, skip: int = 0) -> Iterator[VideoFrame]:
        """Gives all images in the order in which they are shown; can be called once.

        Args:
            cut: gives only the images that begin in it.
            skip: leaves out so many at the beginning of what would be given.
        """
        begin = end = None
        if cut is not None:
            begin, end = cut.bounds(self.info)
            if begin > self.info.start:
                self._search(begin, "leave --start out")
        for number, (image, time, duration) in enumerate(self._timed(begin, end)):
            if number >= skip:
                pixels, alpha = self._shown(image)
                yield VideoFrame(pixels, time, duration, clock.perf_counter(), alpha)
        if cut is None:
            self._count_missing()

    def frames_between(self, entry: int, begin: int, end: int | None) -> Iterator[VideoFrame]:
        """Gives the images of a part as `frames` would; can be called once. Times in units of the time base.

        Only what is damaged in the part is counted.

        Args:
            entry: time of the key image where decoding begins; the first image's is the video's beginning.
            begin: first moment that is wanted.
            end: the moment after the last; None is the video's end.

        Raises:
            SourceError: the file cannot be searched, or has no such key image.
        """
        if entry > self.info.start:
            self._search(max(self.info.start, search_time(entry, self.info.time_base)), "leave --ray out")
            self._images = self._decoder = self._decoded(entry)
        for number, (image, time, duration) in enumerate(self._timed(begin, end)):
            if number == 0:  # what leads up to a key image may need earlier ones
                self.lost = self.damaged = 0
            pixels, alpha = self._shown(image)
            yield VideoFrame(pixels, time, duration, clock.perf_counter(), alpha)

    @property
    def remarks(self) -> list[str]:
        """Lines for people: what was unusual in the images given so far."""
        others = ", ".join(f"{width}x{height}" for width, height in self._other_sizes)
        width, height = self.info.size_wh
        sizes = [f"its size changes to {others}: fitted into {width}x{height}"] if others else []
        restarts = self._timeline.restarts
        times = "" if restarts == 1 else f" {restarts} times"
        return sizes + ([f"its clock starts again{times}: times go on rising"] if restarts else [])

    def close(self) -> None:
        """Lets go of the file."""
        self._decoder.close()
        self._container.close()

    def _shown(self, image: av.VideoFrame) -> tuple[Image, Alpha | None]:
        """An image as shown; one of another size than the first is fitted into that, with black beside it."""
        stored_wh = image.width, image.height
        if stored_wh == self._stored_wh:
            return self._converted(self._to_rgb, image)
        if stored_wh not in self._other_sizes:
            own_wh = displayed_size_wh(stored_wh, self._shape, image.rotation)
            fitted_wh = fit_size_wh(own_wh, self.info.size_wh)
            self._other_sizes[stored_wh] = ToRgb(self.info.tags, fitted_wh, self._accurate)
        pixels, alpha = self._converted(self._other_sizes[stored_wh], image)
        down, across = self.info.size_wh[1] - pixels.shape[0], self.info.size_wh[0] - pixels.shape[1]
        sides = down // 2, down - down // 2, across // 2, across - across // 2
        framed = np.asarray(cv2.copyMakeBorder(pixels, *sides, cv2.BORDER_CONSTANT), np.uint8)
        if alpha is not None:
            alpha = np.asarray(cv2.copyMakeBorder(alpha, *sides, cv2.BORDER_CONSTANT), np.uint8)
        return framed, alpha

    def _converted(self, to_rgb: ToRgb, image: av.VideoFrame) -> tuple[Image, Alpha | None]:
        return to_rgb.with_alpha(image) if self.info.alpha else (to_rgb(image), None)

    def _timed(self, begin: int | None, end: int | None) -> Iterator[tuple[av.VideoFrame, int, int]]:
        """Images with times that rise and durations that reach to the next one."""
        step = max(1, round(1 / (self.info.rate * self.info.time_base)))
        waiting: tuple[av.VideoFrame, int] | None = None
        duration = step
        for image in self._images:
            if waiting is None:
                time = self.info.start if image.pts is None else image.pts
            else:
                earlier = waiting[1]
                time = earlier + step if image.pts is None else max(image.pts, earlier + 1)
                duration = time - earlier
                if begin is None or earlier >= begin:
                    yield *waiting, duration
            waiting = image, time
            if end is not None and time >= end:
                return
        if waiting is not None and (begin is None or waiting[1] >= begin):
            yield *waiting, waiting[0].duration or duration

    def _search(self, time: int, advice: str) -> None:
        """Goes on with the key image before a time."""
        try:
            self._container.seek(time, stream=self._stream)
            self._codec.flush_buffers()
        except (FFmpegError, OSError) as error:
            raise SourceError(f"video {self._path}: cannot be searched ({error.strerror}); {advice}") from error
        self._timeline = Timeline()
        self._images = self._decoder = self._decoded()

    def _video_stream(self) -> VideoStream:
        stream = shown_stream(self._container)
        if stream is None:
            raise SourceError(f"video {self._path}: holds no video track; give a video or an image")
        if stream.codec_context is None:
            raise SourceError(f"video {self._path}: its codec is unknown to this FFmpeg; convert it first")
        if not (0 < stream.width <= MAX_SIDE_PX and 0 < stream.height <= MAX_SIDE_PX):
            raise SourceError(
                f"video {self._path}: states a size that is none or too large ({stream.width}x{stream.height} px); "
                f"each side must be 1 to {MAX_SIDE_PX} px"
            )
        stream.thread_type = "AUTO"
        return stream

    def _shows_alpha(self, first: av.VideoFrame) -> bool:
        """Whether the video says how opaque pixels are; any GIF could, and those that begin opaque mostly do not."""
        if self._codec.name != "gif":
            return has_alpha(first)
        return has_alpha(first) and bool((self._to_rgb.with_alpha(first)[1] < 255).any())

    def _decoded(self, entry: int | None = None) -> Generator[av.VideoFrame]:
        """All images that come out of the decoder, from a key image on, whatever happens to the packets between."""
        for packet in self._packets():
            if entry is not None and not (packet.is_keyframe and packet.pts == entry):
                continue
            entry = None
            self._promised += bool(packet.size) and not packet.is_discard
            self._discarded += packet.is_discard
            try:
                images = self._codec.decode(packet)
            except (FFmpegError, OSError):
                self.lost += 1
                continue
            for image in images:
                self.damaged += bool(image.is_corrupt)
                self._given += 1
                yield image

    def _packets(self) -> "Generator[Packet[Any]]":
        """The packets of the video track and an empty one, also after what the file's end has lost."""
        try:
            for packet in self._container.demux():
                self._timeline.move(packet)
                if packet.pts is not None:
                    self._end_s = max(self._end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.stream.index == self._stream.index:
                    yield packet
        except (FFmpegError, OSError):
            self._read_failed = True
            yield Packet()

    def _count_missing(self) -> None:
        """After the last image: what the file promised in its header or by packets, and did not give."""
        promised = max(self._promised, self._stream.frames - self._discarded)
        if self._container.duration:
            from_zero = self._container.format.name.startswith("matroska")  # its duration counts from time 0
            begin_s = 0.0 if from_zero else (self._container.start_time or 0) / av.time_base
            missing_s = begin_s + self._container.duration / av.time_base - self._end_s
            if missing_s * self.info.rate > _TOLERATED_FRAMES:  # no track reaches the end that the header states
                promised = max(promised, self._given + round(missing_s * float(self.info.rate)))
        self.lost = max(self.lost, promised - self._given, int(self._read_failed))

    def _expected_frames(self, rate: float) -> int:
        if self._stream.frames:
            return int(self._stream.frames)
        if self._stream.duration and self._stream.time_base:
            return round(float(self._stream.duration * self._stream.time_base) * rate)
        return round((self._container.duration or 0) / av.time_base * rate)


def _alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """The decoder of VP8 or VP9 that gives what is transparent, too, for a WebM that says it; FFmpeg's own does not."""
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return None
    try:
        decoder = av.CodecContext.create(name, "r")
    except (ValueError, FFmpegError):  # this FFmpeg lacks it
        return None
    assert isinstance(decoder, VideoCodecContext)
    return decoder
