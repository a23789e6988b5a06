"""Owns recording: stylized frames to an H.264 file, with the times they were captured at.

Must not know sources or engines; reading files is the sources' business.
"""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from neural_style.atomic_file import check_replaceable, partial_path
from realtime.errors import SinkError
from realtime.frame import Image, resize_to_fit
from realtime.sinks.protocol import StylizedFrame

_TIME_BASE = Fraction(1, 90000)


class VideoFileSink:
    """Encodes H.264 (4:2:0, BT.709) into a hidden file that takes the asked name at the end.

    The first frame is at time 0, and the others as much later as they were captured.

    H.264 in 4:2:0 has even sides only: an odd frame is encoded with its last row or
    column repeated. A frame of another size than the first is fitted into the first's.

    Args:
        path: `.mp4`, `.mkv` or `.mov`.
        rate_fps: nominal rate, for players; each frame carries its own time.

    Raises:
        SinkError: the file cannot be created there.
    """

    def __init__(self, path: Path, rate_fps: float) -> None:
        self._path, self._partial = path, partial_path(path)
        self._rate = Fraction(rate_fps).limit_denominator(1001)
        self._stream: VideoStream | None = None
        self._frames, self._last_pts = 0, -1
        self._first_size_wh, self._first_time_s = (0, 0), 0.0
        try:
            check_replaceable(path)
            self._partial.touch()
        except OSError as error:
            raise self._error(error.strerror or str(error)) from error
        try:
            self._container = av.open(str(self._partial), "w")
        except (FFmpegError, OSError) as error:
            self._partial.unlink(missing_ok=True)
            raise self._error(str(error)) from error

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        try:
            stream = self._stream or self._open_stream(stylized)
            image = av.VideoFrame.from_ndarray(self._fit(stylized.pixels, stream), format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            pts = max(self._last_pts + 1, round((stylized.frame.media_time_s - self._first_time_s) / _TIME_BASE))
            image.pts, image.time_base = pts, _TIME_BASE
            self._last_pts = pts
            self._container.mux(stream.encode(image))
            self._frames += 1
        except (FFmpegError, OSError) as error:
            raise self._error(str(error)) from error

    def close(self) -> str:
        """See `Sink.close`; without a single frame there is no file."""
        if self._stream is None:
            return self._discard()
        try:
            self._finish()
            self._partial.replace(self._path)
        except (FFmpegError, OSError) as error:
            self._partial.unlink(missing_ok=True)
            raise self._error(str(error)) from error
        size = f"{self._stream.width}x{self._stream.height}"
        even = (self._stream.width, self._stream.height) == self._first_size_wh
        padded = "" if even else " (H.264 needs even sides: one more row or column)"
        return f"wrote {self._path}: {self._frames} frames, {size}{padded}"

    def abandon(self) -> str:
        """See `Sink.abandon`; what was recorded is kept under another name."""
        if self._stream is None:
            return self._discard()
        kept = self._path.with_name(f"{self._path.stem}.incomplete{self._path.suffix}")
        try:
            self._finish()
            self._partial.replace(kept)
        except (FFmpegError, OSError):
            self._partial.unlink(missing_ok=True)
            return ""
        return f"kept the {self._frames} frames recorded before the error as {kept}"

    def _open_stream(self, first: StylizedFrame) -> VideoStream:
        height, width = first.pixels.shape[:2]
        self._first_size_wh, self._first_time_s = (width, height), first.frame.media_time_s
        stream: VideoStream = self._container.add_stream("libx264", rate=self._rate)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        # Without frames that wait in the encoder, and without moving the index to the front of a file of
        # gigabytes, a recording is whole a moment after Ctrl-C.
        stream.options = {"preset": "veryfast", "crf": "14", "tune": "zerolatency"}
        context = stream.codec_context
        context.time_base = _TIME_BASE
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        self._stream = stream
        return stream

    def _fit(self, pixels: Image, stream: VideoStream) -> Image:
        """Fits a frame into the first one's size, and repeats rows and columns to fill what is left."""
        fitted = resize_to_fit(pixels, self._first_size_wh)
        bottom, right = stream.height - fitted.shape[0], stream.width - fitted.shape[1]
        if bottom == right == 0:
            return fitted
        return np.asarray(cv2.copyMakeBorder(fitted, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)

    def _finish(self) -> None:
        assert self._stream is not None
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _discard(self) -> str:
        self._container.close()
        self._partial.unlink(missing_ok=True)
        return ""

    def _error(self, reason: str) -> SinkError:
        return SinkError(f"recording {self._path}: cannot be written ({reason}); choose another place with --record")
