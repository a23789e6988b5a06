"""Owns finding out how many images an engine stylizes fastest together."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from realtime.engines.protocol import Engine
from realtime.flow import EngineStage
from realtime.frame import Image
from realtime.look import Look

_SIZES = (1, 2, 4)
_RUNS = 3
_LEAST_GAIN = 1.1
"""How much faster a larger batch must be, because it needs more memory and delays the first image."""

_SLOW_S = 0.5
"""Images that take longer are not batched: batching gains nothing there, and measuring would take long."""


def fastest_batch_size(engine: Engine, look: Look, image: Image, report: Callable[[str], None] | None = None) -> int:
    """Measures batches of each size in turn, and gives the size that takes the least time for each image.

    That is 1, unmeasured, for a CPU engine that stylizes several batches at once: single images keep it busy.

    Args:
        engine: what is measured.
        look: style and strength.
        image: uint8 (H, W, 3) RGB, repeated to make a batch.
        report: takes lines for people.
    """
    if engine.info.parallel_batches > 1 and engine.info.device == "cpu":
        return 1
    times_s: dict[int, list[float]] = {size: [] for size in _SIZES}
    with EngineStage[None](engine, report=report) as stage:
        for run in range(1 + _RUNS):
            for size, times in times_s.items():
                batch = np.repeat(image[None], size, axis=0)  # (size, H, W, 3)
                start_s = time.perf_counter()
                stage.stylize(batch, look.style, look.strength)
                time_s = (time.perf_counter() - start_s) / size
                if run:  # the first is warm-up
                    times.append(time_s)
                if time_s > _SLOW_S:
                    return 1
    best = 1
    for size in _SIZES[1:]:
        if median(times_s[size]) * _LEAST_GAIN < median(times_s[best]):
            best = size
    return best
