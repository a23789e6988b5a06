"""Owns finding out which engine is fastest on this machine, and remembering it in the user's cache folder."""

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from neural_style.atomic_file import whole_file
from neural_style.errors import StylizationError
from neural_style.machine import cpu_name, package_versions, usable_cores
from neural_style.packages import PROJECT
from realtime.engines.protocol import Engine
from realtime.options import EngineName, Precision
from realtime.style import Style

_ROUNDS = 8
_ROUND_S = 0.12
_TYPICAL_PERCENTILE = 25
"""Other programs only ever add time, for seconds at once; the lower quartile of short rounds is free of them."""

_TOO_SLOW = 3.0
"""A candidate that once took so many times as long as the best is not measured again."""

_PACKAGES = ("openvino", "onnxruntime-gpu", "onnxruntime", "torch")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """An engine and what it computes in."""

    engine: EngineName
    precision: Precision

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"


@dataclass(frozen=True)
class Autotune:
    """Measures engines for about a second each, or remembers what was measured before.

    Attributes:
        open_candidate: opens one; what raises StylizationError is left out.
        style: what is stylized.
        size_wh: width and height in px of the images.
        refresh: measure again.
    """

    open_candidate: Callable[[Candidate], Engine]
    style: Style
    size_wh: tuple[int, int]
    refresh: bool = False

    def fastest(self, candidates: Sequence[Candidate], say: Say) -> Candidate:
        """The fastest of some engines.

        Args:
            candidates: at least one; the first where none can be opened.
            say: takes lines for people: what is measured, and what was found.
        """
        path, key = cache_path(), self._key(candidates)
        by_name = {str(candidate): candidate for candidate in candidates}
        known = self._remembered(key)
        if known in by_name:
            return by_name[known]
        say(f"finding out once which of {len(candidates)} engines is fastest here; remembered in {path}")
        times_ms = self._measured(candidates)
        if not times_ms:
            return candidates[0]
        best = min(times_ms, key=times_ms.__getitem__)
        say("; ".join(f"{candidate} {time_ms:.1f} ms" for candidate, time_ms in times_ms.items()))
        try:
            _remember(path, key, str(best))
        except OSError as error:
            say(f"cannot be remembered in {path} ({error.strerror})")
        return best

    def frame_time_ms(self, candidate: Candidate) -> float:
        """Milliseconds that one engine takes for a frame; infinity where it cannot be opened."""
        key = self._key([candidate])
        with suppress(ValueError):
            return float(self._remembered(key))
        time_ms = self._measured([candidate]).get(candidate, math.inf)
        with suppress(OSError):  # it is measured again next time
            _remember(cache_path(), key, f"{time_ms:.2f}")
        return time_ms

    def _key(self, candidates: Sequence[Candidate]) -> str:
        """Machine, packages, model and size; another of them may have another answer."""
        versions = package_versions(_PACKAGES)
        packages = [f"{name} {versions.get(name, 'none')}" for name in _PACKAGES]
        model = self.style.content_hash or str(self.style.checkpoint or self.style.model_file)
        names = [str(candidate) for candidate in candidates]
        return json.dumps([cpu_name(), usable_cores(), packages, names, model, list(self.size_wh)])

    def _remembered(self, key: str) -> str:
        return "" if self.refresh else str(_read(cache_path()).get(key, ""))

    def _measured(self, candidates: Sequence[Candidate]) -> dict[Candidate, float]:
        """Time in ms of each candidate that can be opened, in rounds so that noise hits all alike."""
        from realtime.flow import EngineStage  # which needs this package's protocol

        images = np.random.default_rng(0).integers(0, 256, (1, *self.size_wh[::-1], 3), dtype=np.uint8)

        def time_ms(stage: EngineStage[None]) -> float:
            start_s = time.perf_counter()
            stage.stylize(images, self.style, 1.0)
            return (time.perf_counter() - start_s) * 1000

        times_ms: dict[Candidate, list[float]] = {}
        stages: dict[Candidate, EngineStage[None]] = {}
        with ExitStack() as opened:
            for candidate in candidates:
                try:
                    engine = opened.enter_context(closing(self.open_candidate(candidate)))
                    stages[candidate] = opened.enter_context(EngineStage[None](engine))
                    time_ms(stages[candidate])
                    times_ms[candidate] = [time_ms(stages[candidate])]
                except StylizationError:
                    continue
            enough_s = time.perf_counter() + 2 * _ROUNDS * _ROUND_S * len(times_ms)
            for _ in range(_ROUNDS):
                if time.perf_counter() > enough_s:  # frames that take seconds need no further rounds
                    break
                best_ms = min((_typical(times) for times in times_ms.values()), default=0.0)
                for candidate, times in times_ms.items():
                    end_s = time.perf_counter() + _ROUND_S
                    while _typical(times) < _TOO_SLOW * best_ms and time.perf_counter() < end_s:
                        times.append(time_ms(stages[candidate]))
        return {candidate: _typical(times) for candidate, times in times_ms.items()}


def cache_path() -> Path:
    """The file that remembers what was fastest."""
    return user_cache_path(PROJECT) / "fastest_engines.json"


def _typical(times_ms: list[float]) -> float:
    return float(np.percentile(times_ms, _TYPICAL_PERCENTILE))


def _read(path: Path) -> dict[str, str]:
    """What is remembered; a file that cannot be read is as good as none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(path: Path, key: str, best: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps({**_read(path), key: best}, indent=1), encoding="utf-8")
