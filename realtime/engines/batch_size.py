"""Owns finding how many images an engine had better stylize together.

Must not know where images come from.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from realtime.engines.protocol import Engine
from realtime.flow import EngineStage
from realtime.frame import Image
from realtime.look import Look

_TRIED = (1, 2, 4)
_RUNS = 3
_MARGIN = 1.1
"""How much faster a larger batch must be, because it needs more memory and delays the first image."""

_SLOW_S = 0.5
"""Images that take longer gain nothing from company, and to measure it would take long."""


def fastest_batch_size(engine: Engine, look: Look, image: Image, report: Callable[[str], None] | None = None) -> int:
    """Measures batches of one image, uint8 (H, W, 3) RGB, in turn, and gives the size that costs least for each.

    A CPU that stylizes several batches at once is busy with small ones: 1. `report` takes lines for people.
    """
    if engine.info.parallel_batches > 1 and engine.info.device == "cpu":
        return 1
    costs_s: dict[int, list[float]] = {size: [] for size in _TRIED}
    with EngineStage[None](engine, report=report) as stage:
        for turn in range(1 + _RUNS):
            for size, costs in costs_s.items():
                batch = np.repeat(image[None], size, axis=0)  # (size, H, W, 3)
                start_s = time.perf_counter()
                stage.stylize(batch, look.style, look.strength)
                cost_s = (time.perf_counter() - start_s) / size
                if turn:  # the first is warm-up
                    costs.append(cost_s)
                if cost_s > _SLOW_S:
                    return 1
    best = 1
    for size in _TRIED[1:]:
        if median(costs_s[size]) * _MARGIN < median(costs_s[best]):
            best = size
    return best
