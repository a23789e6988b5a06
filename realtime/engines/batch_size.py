"""Owns finding out how many images an engine stylizes fastest together."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from realtime.engines.protocol import Engine
from realtime.flow import EngineStage
from realtime.frame import Image
from realtime.look import Look

_SIZES = (1, 2, 4, 8)
_RUNS = 3
_LEAST_GAIN = 1.1
"""How much faster a larger batch must be, because it needs more memory and delays the first image."""

_SLOW_S = 0.5
"""Images that take longer are not batched: batching gains nothing there, and measuring would take long."""


def fastest_batch_size(
    engine: Engine,
    look: Look,
    image: Image,
    report: Callable[[str], None] | None = None,
    enough_s: float = 0.0,
) -> int:
    """Measures batches, larger and larger as long as that gains time, and gives the size that is fastest.

    That is 1, unmeasured, for a CPU engine that stylizes several batches at once: single images keep it busy.

    Args:
        engine: what is measured.
        look: style and strength.
        image: uint8 (H, W, 3) RGB, repeated to make a batch.
        report: takes lines for people.
        enough_s: for each image; a size that takes no longer is large enough.
    """
    if engine.info.parallel_batches > 1 and engine.info.device == "cpu":
        return 1
    best, best_s = 1, float("inf")
    with EngineStage[None](engine, report=report) as stage:

        def image_s(size: int) -> float:
            """Seconds for each image of a batch."""
            batch = np.repeat(image[None], size, axis=0)  # (size, H, W, 3)
            start_s = time.perf_counter()
            stage.stylize(batch, look.style, look.strength)
            return (time.perf_counter() - start_s) / size

        for size in _SIZES:
            image_s(size)  # libraries are loaded and choose their algorithms: that says nothing of later runs
            times_s = [image_s(size)]
            if times_s[0] > _SLOW_S:
                break
            times_s += [image_s(size) for _ in range(_RUNS - 1)]
            if median(times_s) * _LEAST_GAIN >= best_s:
                break
            best, best_s = size, median(times_s)
            if best_s <= enough_s:
                break
    return best
