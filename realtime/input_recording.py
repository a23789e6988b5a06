"""Owns recording what a show was made from, for `stylize.py FILE --replay`: the source's own frames, and their looks.

The looks lie beside the video: `show.looks.json` for `show.mp4`.
"""

import json
import queue
import threading
from bisect import bisect_left
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from neural_style.atomic_file import whole_file
from realtime.errors import SinkError, SourceError
from realtime.flow import StageThreads
from realtime.frame import Frame
from realtime.look import Look
from realtime.sinks.protocol import Sink, StylizedFrame
from realtime.sinks.video_file import VideoFileSink
from realtime.sources.protocol import Source, SourceInfo

_WAITING_FRAMES = 8
"""A slower encoder loses frames of the recording, and never holds up the show."""

_REMEMBERED_FRAMES = 1024
"""Whose numbers are known by when they were captured; the show is never so many behind the source."""

_END_S = 1.0


@dataclass(frozen=True)
class LookAt:
    """A look from one frame of a recording on.

    Attributes:
        frame: its number in the recording.
        time_s: its time, in seconds since the first.
        style: a name, or a blend.
        strength: 0..1.
        keep_colors: with the colours of the frame.
        smoothing: 0..1.
        mirror: left and right swapped.
    """

    frame: int
    time_s: float
    style: str
    strength: float
    keep_colors: bool
    smoothing: float
    mirror: bool


def looks_path(video: Path) -> Path:
    """Where the looks of a recording lie."""
    return video.with_suffix(".looks.json")


def read_looks(video: Path) -> tuple[list[LookAt], float]:
    """The looks of a recording, in order, and how long its crossfades took, in s.

    Raises:
        SourceError: there are none, or the file is damaged.
    """
    path = looks_path(video)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        looks = [LookAt(**look) for look in content["looks"]]
        if not looks:
            raise ValueError("it holds no look")
        return looks, float(content["crossfade_s"])
    except FileNotFoundError as error:
        raise SourceError(
            f"replay {video}: there is no {path}; give a video that run_webcam.py --record-input wrote"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SourceError(f"replay {video}: {path} is damaged ({error}); restore it from a copy") from error


class InputRecorder(Sink):
    """Writes the frames that a source gives, and as a sink what they were stylized with.

    Args:
        path: of the video.
        source: whose frames are written; this one's `read` takes its place.
        crossfade_s: of the show.
        overwrite: whether a file that is there may be replaced.

    Raises:
        SinkError: the file cannot be created there.
    """

    def __init__(self, path: Path, source: Source, crossfade_s: float, overwrite: bool = False) -> None:
        self._path, self._source, self._crossfade_s = path, source, crossfade_s
        self._video = VideoFileSink(path, source.info.rate_fps, overwrite)
        self._waiting: queue.Queue[Frame | None] = queue.Queue(_WAITING_FRAMES)
        self._captured_s: deque[float] = deque(maxlen=_REMEMBERED_FRAMES)
        self._frames = self._lost = 0
        self._first_s: float | None = None
        self._looks: list[LookAt] = []
        self._changing, self._closed = threading.Lock(), False
        self._threads = StageThreads(lambda: None)
        self._threads.start([self._encode])

    @property
    def source(self) -> Source:
        """The source to read instead of the recorded one."""
        return _RecordedSource(self._source, self)

    def keep(self, frame: Frame) -> None:
        """Takes a frame that the source gave, if the encoder has room."""
        with self._changing:
            if self._closed:
                return
            try:
                self._waiting.put_nowait(frame)
            except queue.Full:
                self._lost += 1
                return
            self._first_s = frame.media_time_s if self._first_s is None else self._first_s
            self._captured_s.append(frame.capture_time_s)
            self._frames += 1

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`; keeps the look where it changed."""
        self._threads.raise_failure()
        if stylized.look is None:
            return
        look = _as_values(stylized.look)
        if self._looks and look == {name: getattr(self._looks[-1], name) for name in look}:
            return
        with self._changing:
            forgotten = self._frames - len(self._captured_s)
            number = forgotten + bisect_left(self._captured_s, stylized.frame.capture_time_s)
        time_s = round(stylized.frame.media_time_s - (self._first_s or 0.0), 3)
        self._looks.append(LookAt(frame=number, time_s=time_s, **look))

    def close(self) -> str:
        """See `Sink.close`; the looks are written beside the video."""
        self._end()
        line = self._video.close()
        if not line:
            return ""
        content = {"crossfade_s": self._crossfade_s, "looks": [asdict(look) for look in self._looks]}
        path = looks_path(self._path)
        try:
            with whole_file(path) as partial:
                partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise SinkError(f"record-input {path}: cannot be written ({error.strerror}); make room there") from error
        lost = f", {self._lost} more were lost because encoding was too slow" if self._lost else ""
        return f"{line}{lost}; {len(self._looks)} looks in {path.name}: stylize.py {self._path} --replay"

    def abandon(self) -> str:
        """See `Sink.abandon`; what was recorded is kept under another name, without looks."""
        self._end()
        return self._video.abandon()

    def _end(self) -> None:
        with self._changing:
            self._closed = True
        try:
            self._waiting.put(None, timeout=_END_S)
        except queue.Full:
            raise SinkError(f"record-input {self._path}: its encoder hangs, so the recording is lost") from None
        self._threads.join(_END_S)

    def _encode(self) -> None:
        """Thread: frames to the video."""
        while (frame := self._waiting.get()) is not None:
            self._video.write(StylizedFrame(frame, frame.pixels, frame.pixels))


class _RecordedSource:
    """A source whose frames are kept as they are read."""

    def __init__(self, source: Source, recorder: InputRecorder) -> None:
        self._source, self._recorder = source, recorder

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    def read(self) -> Frame | None:
        frame = self._source.read()
        if frame is not None:
            self._recorder.keep(frame)
        return frame

    def close(self) -> None:
        self._source.close()


def _as_values(look: Look) -> dict[str, Any]:
    """The look without vectors; in a crossfade it has the name of the style that it goes to."""
    names = ("strength", "keep_colors", "smoothing", "mirror")
    return {"style": look.style.name, **{name: getattr(look, name) for name in names}}
