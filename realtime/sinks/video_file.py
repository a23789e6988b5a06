"""Owns recording: stylized frames to an H.264 file, with the times they were captured at."""

import errno
import os
import shutil
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from neural_style.atomic_file import check_replaceable, free_name, keep_partial_as, move_into_place, partial_path
from realtime.errors import SinkError
from realtime.frame import Image, resize_to_fit
from realtime.leftovers import plays
from realtime.media.codecs import ENCODERS, VideoFormat
from realtime.media.colour import ColourTags
from realtime.media.video_writer import VideoWriter, sink_errors
from realtime.output_names import NameLock
from realtime.sinks.protocol import StylizedFrame

_BT709 = ColourTags(matrix=1, primaries=1, transfer=1)
_TIME_BASE = Fraction(1, 90000)

# Without frames that wait in the encoder, and without moving the index to the front of a file of
# gigabytes, a recording is whole a moment after Ctrl-C.
_ENCODER = replace(ENCODERS["h264"], options={"preset": "veryfast", "crf": "14", "tune": "zerolatency"})

_RECOVERABLE = {"flush_packets": "1"}
_CONTAINER_OPTIONS = {
    ".mkv": _RECOVERABLE | {"cluster_time_limit": "1000"},
    ".mp4": _RECOVERABLE | {"movflags": "hybrid_fragmented", "frag_duration": "1000000"},
}
_CONTAINER_OPTIONS[".mov"] = _CONTAINER_OPTIONS[".mp4"]
"""Whatever ends the process, all but about the last second can be played: MP4 and MOV are written in fragments, which
become an ordinary file at the end without being copied."""

_LEAST_FREE_BYTES = 64_000_000
_SPACE_CHECKED_EVERY_S = 1.0


class VideoFileSink:
    """Encodes H.264 (4:2:0, BT.709) into a hidden file that takes the asked name at the end.

    The first frame is at time 0, and the others as much later as they were captured. The hidden file plays already
    while it is written, and what a killed process has left is found by `realtime.leftovers`.

    H.264 in 4:2:0 has even sides only: an odd frame is encoded with its last row or
    column repeated. A frame of another size than the first is fitted into the first's.

    Args:
        path: `.mp4`, `.mkv` or `.mov`.
        rate_fps: nominal rate, for players; each frame carries its own time.
        overwrite: whether a file that is there may be replaced.

    Raises:
        SinkError: the file cannot be created there, is there already, or another run writes it.
    """

    def __init__(self, path: Path, rate_fps: float, overwrite: bool = False) -> None:
        self._path, self._partial, self._overwrite = path, partial_path(path), overwrite
        self._rate = Fraction(rate_fps).limit_denominator(1001)
        self._writer: VideoWriter | None = None
        self._first_time_s, self._last_time = 0.0, -1
        with self._sink_errors():
            check_replaceable(path)
        if path.exists() and not overwrite:
            raise SinkError(f"recording {path}: is there already; use --overwrite, or choose another name")
        self._incomplete = path.with_name(f"{path.stem}.incomplete{path.suffix}")
        self._lock = NameLock(path)
        try:
            with self._sink_errors():
                self._check_space()
                self._partial.touch()
        except BaseException:
            self._lock.release()
            raise

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        if self._writer is None:
            self._first_time_s = stylized.frame.media_time_s
            self._format = VideoFormat(stylized.pixels.shape[1::-1], _TIME_BASE, self._rate, _BT709)
            options = _CONTAINER_OPTIONS[self._path.suffix.lower()]
            self._writer = VideoWriter(
                self._partial, _ENCODER, self._format, f"recording {self._path}", container_options=options
            )
            keep_partial_as(self._partial, self._incomplete)
        if time.monotonic() > self._checked_s + _SPACE_CHECKED_EVERY_S:
            with self._sink_errors():
                self._check_space()
        now = round((stylized.frame.media_time_s - self._first_time_s) / _TIME_BASE)
        self._last_time = max(self._last_time + 1, now)
        self._writer.write(_fit(stylized.pixels, self._format.size_wh), self._last_time)

    def close(self) -> str:
        """See `Sink.close`; without a single frame there is no file."""
        frames, path = self._complete(self._path, self._overwrite)
        if not frames:
            return ""
        coded_wh = self._format.coded_size_wh(_ENCODER)
        padded = "" if coded_wh == self._format.size_wh else " (H.264 needs even sides: one more row or column)"
        taken = "" if path == self._path else f" ({self._path} came to be there meanwhile)"
        return f"wrote {path}: {frames} frames, {coded_wh[0]}x{coded_wh[1]}{padded}{taken}"

    def abandon(self) -> str:
        """See `Sink.abandon`; what was recorded is kept under another name."""
        try:
            frames, kept = self._complete(self._incomplete, replaces=False)
        except SinkError as error:
            return str(error)
        what = "what was" if self._writer is not None and self._writer.failed else f"the {frames} frames"
        return f"kept {what} recorded before the error as {kept}" if frames else ""

    def _complete(self, path: Path, replaces: bool) -> tuple[int, Path]:
        """Ends the file, gives it its name or the next that is free, and says how many frames it holds.

        Where that is none, no file is left. One that cannot be ended is kept as incomplete, if it plays.
        """
        try:
            if self._writer is None:
                return 0, path
            failure: SinkError | None = None
            try:
                self._writer.close()
            except SinkError as error:
                failure, path, replaces = error, self._incomplete, False
            if self._writer.failed and not plays(self._partial):
                if failure is not None:
                    raise failure
                return 0, path
            with self._sink_errors():
                named = self._named(path, replaces)
            if failure is not None:
                raise SinkError(f"{failure}; what was recorded until then is kept as {named}") from failure
            return self._writer.frames, named
        finally:
            self._remove_partial()
            self._lock.release()

    def _named(self, path: Path, replaces: bool) -> Path:
        while True:
            named = path if replaces else free_name(path)
            try:
                move_into_place(self._partial, named, replaces)
            except FileExistsError:
                continue
            return named

    def _remove_partial(self) -> None:
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _check_space(self) -> None:
        """Ends a recording before the disk is full: there is room then to complete it."""
        self._checked_s = time.monotonic()
        if shutil.disk_usage(self._path.parent).free < _LEAST_FREE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _sink_errors(self) -> AbstractContextManager[None]:
        return sink_errors(f"recording {self._path}", "make room, or choose another place with --record")


def _fit(pixels: Image, size_wh: tuple[int, int]) -> Image:
    """Fits a frame into the first one's size, and repeats rows and columns to fill what is left."""
    fitted = resize_to_fit(pixels, size_wh)
    bottom, right = size_wh[1] - fitted.shape[0], size_wh[0] - fitted.shape[1]
    if bottom == right == 0:
        return fitted
    return np.asarray(cv2.copyMakeBorder(fitted, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
