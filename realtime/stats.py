"""What a run measures: latency, throughput, drops, and time per stage."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neural_style.atomic_file import whole_file
from realtime.engines.protocol import EngineInfo
from realtime.style import Style

NOT_WATCHED = " (nobody watched)"
_KEPT = 16384
_RECENT = 30
_NEWEST_SHARE = 0.3


class RecentMean:
    """A running mean of durations that follows a change within a few of them: the newest counts three tenths.

    Attributes:
        seconds: the mean; 0 at first.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Adds the newest."""
        self.seconds += _NEWEST_SHARE * (seconds - self.seconds)


class _Samples:
    """The last 16384 values and the largest of all, in memory that does not grow."""

    def __init__(self) -> None:
        self._values = np.zeros(_KEPT, np.float64)
        self._count = 0
        self.max = 0.0

    def add(self, value: float) -> None:
        self._values[self._count % _KEPT] = value
        self._count += 1
        self.max = max(self.max, value)

    def percentiles(self) -> dict[str, float]:
        return _percentiles(self._values[: self._count])


class _Output:
    """Latencies and rate of frames that came out; pauses do not count."""

    def __init__(self) -> None:
        self.latency_ms = _Samples()
        self.frames = 0
        self._intervals, self._elapsed_s = 0, 0.0
        self._last_s: float | None = None

    def add(self, now_s: float, latency_ms: float) -> None:
        self.latency_ms.add(latency_ms)
        self.frames += 1
        if self._last_s is not None:
            self._intervals += 1
            self._elapsed_s += now_s - self._last_s
        self._last_s = now_s

    def pause(self) -> None:
        """The time until the next frame does not count."""
        self._last_s = None

    @property
    def fps(self) -> float:
        """N frames bound N - 1 intervals: (N - 1) / elapsed, for each stretch."""
        return self._intervals / self._elapsed_s if self._elapsed_s > 0 else 0.0


@dataclass(frozen=True)
class LiveFigures:
    """The figures of the last second or so, for the overlay."""

    fps: float
    latency_p50_ms: float
    latency_p95_ms: float
    dropped: int


@dataclass(frozen=True)
class StatsReport:
    """The figures of a whole run, as a stats file holds them.

    Attributes:
        frames_in: captured.
        frames_out: stylized and written to the sinks.
        frames_dropped: captured, never written to the sinks.
        frames_watched: of those written, how many came while somebody watched.
        fps: (N - 1) / seconds between the first and the last of N frames out, of watched ones if there are any.
        latency_ms: p50, p95 and max from capture to sink, of the same frames.
        stage_ms: p50 and p95 for each stage.
        engine: which engine ran.
        device: what it ran on.
        precision: of its weights and features.
        provider: the ONNX Runtime execution provider, or "".
        network: what holds the style: "fast", "fine", or a file's name.
        style: at the end.
        size: "WxH" of the last frame, in px.
    """

    frames_in: int
    frames_out: int
    frames_dropped: int
    frames_watched: int
    fps: float
    latency_ms: dict[str, float]
    stage_ms: dict[str, dict[str, float]]
    engine: str = ""
    device: str = ""
    precision: str = ""
    provider: str = ""
    network: str = ""
    style: str = ""
    size: str = ""

    def of(self, info: EngineInfo, styles: Sequence[Style], size_wh: tuple[int, int] | None) -> "StatsReport":
        """The same figures, with what really ran, the styles, and the frames' width and height in px, None for none."""
        ran: dict[str, Any] = {name: getattr(info, name) for name in ("engine", "device", "precision", "provider")}
        names, size = ",".join(style.name for style in styles), "x".join(map(str, size_wh or ()))
        return replace(self, network=styles[0].network, style=names, size=size, **ran)

    def write(self, path: Path, overwrite: bool = False) -> None:
        """Writes JSON; the file appears only when whole.

        Raises:
            OSError: it cannot be written, or is there already and may not be overwritten.
        """
        with whole_file(path, replace=overwrite) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def summary(self) -> str:
        """One line for the terminal."""
        watched = ""
        if self.frames_watched < self.frames_out:
            watched = f" (while somebody watched: {self.frames_watched} frames)" if self.frames_watched else NOT_WATCHED
        return (
            f"{self.frames_out} frames out, {self.frames_in} in, {self.frames_dropped} dropped, {self.fps:.1f} fps, "
            f"latency p50 {self.latency_ms['p50']:.0f} ms, p95 {self.latency_ms['p95']:.0f} ms{watched}"
        )


class Stats:
    """Collects measurements from all threads of a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: dict[str, _Samples] = {}
        self._watched, self._unwatched = _Output(), _Output()
        self._out_times_s: deque[float] = deque(maxlen=_RECENT)
        self._recent_latency_ms: deque[float] = deque(maxlen=_RECENT)
        self.frames_in = 0
        self.frames_out = 0
        self.frames_dropped = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what happens inside as one run of a stage."""
        start_s = time.perf_counter()
        yield
        self.add_stage(name, (time.perf_counter() - start_s) * 1000)

    def add_stage(self, name: str, duration_ms: float) -> None:
        """Adds one run of a stage."""
        with self._lock:
            self._stages.setdefault(name, _Samples()).add(duration_ms)

    def frame_out(self, capture_time_s: float, watched: bool = True) -> None:
        """Counts a frame that all sinks have taken.

        Args:
            capture_time_s: the `time.perf_counter()` at which it was captured.
            watched: whether anybody saw it; if any frame was watched, figures of speed are of watched frames only.
        """
        now_s = time.perf_counter()
        latency_ms = (now_s - capture_time_s) * 1000
        with self._lock:
            (self._watched if watched else self._unwatched).add(now_s, latency_ms)
            (self._unwatched if watched else self._watched).pause()
            self._recent_latency_ms.append(latency_ms)
            self._out_times_s.append(now_s)
            self.frames_out += 1

    def live(self) -> LiveFigures:
        """The figures of the last thirty frames."""
        with self._lock:
            latency = _percentiles(np.array(self._recent_latency_ms))
            times_s = self._out_times_s
            elapsed_s = times_s[-1] - times_s[0] if times_s else 0.0
            fps = (len(times_s) - 1) / elapsed_s if elapsed_s > 0 else 0.0
            return LiveFigures(fps, latency["p50"], latency["p95"], self.frames_dropped)

    def report(self) -> StatsReport:
        """The figures of the whole run; who and what ran is left empty."""
        with self._lock:
            seen = self._watched if self._watched.frames else self._unwatched
            return StatsReport(
                self.frames_in,
                self.frames_out,
                self.frames_dropped,
                self._watched.frames,
                seen.fps,
                seen.latency_ms.percentiles() | {"max": seen.latency_ms.max},
                {name: samples.percentiles() for name, samples in self._stages.items()},
            )


def _percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    p50, p95 = np.percentile(values, (50, 95)) if values.size else (0.0, 0.0)
    return {"p50": float(p50), "p95": float(p95)}
