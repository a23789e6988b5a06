"""Owns recording: stylized frames to an H.264 file, with the times they were captured at."""

from contextlib import AbstractContextManager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from neural_style.atomic_file import check_replaceable, partial_path
from realtime.errors import SinkError
from realtime.frame import Image, resize_to_fit
from realtime.media.codecs import ENCODERS, GIF_INTERVAL_S, VideoFormat
from realtime.media.colour import ColourTags
from realtime.media.video_writer import VideoWriter, sink_errors
from realtime.sinks.protocol import StylizedFrame

_BT709 = ColourTags(matrix=1, primaries=1, transfer=1)
_TIME_BASE = Fraction(1, 90000)

# Without frames that wait in the encoder, and without moving the index to the front of a file of
# gigabytes, a recording is whole a moment after Ctrl-C.
_H264 = replace(ENCODERS["h264"], options={"preset": "veryfast", "crf": "14", "tune": "zerolatency"})
_VP9_OPTIONS = {"crf": "20", "b:v": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1", "lag-in-frames": "0"}
_OTHERS = {".webm": replace(ENCODERS["vp9"], options=_VP9_OPTIONS), ".gif": ENCODERS["gif"]}
_GIF_INTERVAL = round(GIF_INTERVAL_S / _TIME_BASE)


class VideoFileSink:
    """Encodes H.264, or VP9 or GIF by the suffix (4:2:0, BT.709), into a hidden file that takes its name at the end.

    The first frame is at time 0, and the others as much later as they were captured.

    H.264 in 4:2:0 has even sides only: an odd frame is encoded with its last row or
    column repeated. A frame of another size than the first is fitted into the first's.

    Args:
        path: `.mp4`, `.mkv`, `.mov`, `.webm` or `.gif`; a GIF has at most 50 frames a second.
        rate_fps: nominal rate, for players; each frame carries its own time.

    Raises:
        SinkError: the file cannot be created there.
    """

    def __init__(self, path: Path, rate_fps: float) -> None:
        self._path, self._partial = path, partial_path(path)
        self._encoder = _OTHERS.get(path.suffix.lower(), _H264)
        self._interval = _GIF_INTERVAL if path.suffix.lower() == ".gif" else 0
        self._rate = Fraction(rate_fps).limit_denominator(1001)
        self._writer: VideoWriter | None = None
        self._first_time_s, self._last_time = 0.0, -1
        with self._sink_errors():
            check_replaceable(path)
            self._partial.touch()

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        if self._writer is None:
            self._first_time_s = stylized.frame.media_time_s
            self._format = VideoFormat(stylized.pixels.shape[1::-1], _TIME_BASE, self._rate, _BT709)
            self._writer = VideoWriter(self._partial, self._encoder, self._format, f"recording {self._path}")
        time = round((stylized.frame.media_time_s - self._first_time_s) / _TIME_BASE)
        if self._interval and self._writer.frames and time - self._last_time < self._interval:
            return
        self._last_time = max(self._last_time + 1, time)
        self._writer.write(_fit(stylized.pixels, self._format.size_wh), self._last_time)

    def close(self) -> str:
        """See `Sink.close`; without a single frame there is no file."""
        frames = self._complete(self._path)
        if not frames:
            return ""
        coded_wh = self._format.coded_size_wh(self._encoder)
        padded = "" if coded_wh == self._format.size_wh else " (H.264 needs even sides: one more row or column)"
        return f"wrote {self._path}: {frames} frames, {coded_wh[0]}x{coded_wh[1]}{padded}"

    def abandon(self) -> str:
        """See `Sink.abandon`; what was recorded is kept under another name."""
        kept = self._path.with_name(f"{self._path.stem}.incomplete{self._path.suffix}")
        try:
            frames = self._complete(kept)
        except SinkError:
            return ""
        return f"kept the {frames} frames recorded before the error as {kept}" if frames else ""

    def _complete(self, path: Path) -> int:
        """Ends the file, gives it its name, and says how many frames it holds; where it is none, no file is left."""
        try:
            if self._writer is None:
                return 0
            with self._sink_errors():
                self._writer.close()
                self._partial.replace(path)
        finally:
            self._partial.unlink(missing_ok=True)
        return self._writer.frames

    def _sink_errors(self) -> AbstractContextManager[None]:
        return sink_errors(f"recording {self._path}", "choose another place with --record")


def _fit(pixels: Image, size_wh: tuple[int, int]) -> Image:
    """Fits a frame into the first one's size, and repeats rows and columns to fill what is left."""
    fitted = resize_to_fit(pixels, size_wh)
    bottom, right = size_wh[1] - fitted.shape[0], size_wh[0] - fitted.shape[1]
    if bottom == right == 0:
        return fitted
    return np.asarray(cv2.copyMakeBorder(fitted, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
