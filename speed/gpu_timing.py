"""Owns timing recorded networks on a GPU: long enough for its clocks to rise, and for many batches."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np
from numpy.typing import NDArray

from realtime.engines.cuda_runner import CudaRunner

_RUNS = 100
_WINDOW_S = 1.0
"""Of each timing, and before it: a GPU that idled needs a moment to raise its clocks."""


def resident_ms(runner: CudaRunner) -> list[float]:
    """Times of single batches for a second, after a second in which the GPU's clocks rise."""
    end_s = time.perf_counter() + _WINDOW_S
    times_ms = runner.resident_ms(1)
    while time.perf_counter() < end_s:
        times_ms = runner.resident_ms(_RUNS)
    return runner.resident_ms(max(_RUNS, math.ceil(_WINDOW_S * 1000 / max(median(times_ms), 1e-3))))


def host_fps(runners: list[CudaRunner], images: NDArray[np.uint8], vector: NDArray[np.float32] | None) -> float:
    """Frames per second from and to the computer's memory, a thread for each runner."""

    def work(runner: CudaRunner, end_s: float) -> int:
        batches = 0
        while batches < 2 or time.perf_counter() < end_s:
            runner.run(images, vector)
            batches += 1
        return batches

    with ThreadPoolExecutor(len(runners)) as pool:
        start_s = time.perf_counter()
        batches = sum(pool.map(work, runners, [start_s + _WINDOW_S] * len(runners)))
        return batches * len(images) / (time.perf_counter() - start_s)
