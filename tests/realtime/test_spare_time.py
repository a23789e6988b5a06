"""Tests of the share of time that a process gets beside the live loop, in simulated time."""

from collections.abc import Callable

import numpy as np
import pytest

from realtime.spare_time import SpareTime


def _simulated(rate_fps: Callable[[float, bool], float], seconds: float) -> tuple[float, float]:
    """Runs a loop; returns the share of frames that it lost, and the share of time that the process ran."""
    spare, frames, without, ran_s, step_s = SpareTime(), 0.0, 0.0, 0.0, 0.02
    for step in range(round(seconds / step_s)):
        now_s = step * step_s + 1000
        runs = spare.may_run(now_s, int(frames))
        frames += rate_fps(now_s - 1000, runs) * step_s
        without += rate_fps(now_s - 1000, False) * step_s
        ran_s += step_s * runs
    return 1 - frames / without, ran_s / seconds


@pytest.mark.parametrize("fps", [8.0, 23.0, 60.0])
@pytest.mark.parametrize("loss", [0.1, 0.2, 0.5, 0.9, 1.0])
def test_it_costs_less_than_a_tenth_of_the_frames(fps: float, loss: float) -> None:
    lost, ran = _simulated(lambda _, runs: fps * (1 - loss * runs), 120)
    assert lost < 0.08
    assert ran > 0.04


@pytest.mark.parametrize("fps", [4.0, 20.0])
def test_noise_does_not_make_it_run_more(fps: float) -> None:
    rng = np.random.default_rng(0)
    noises = rng.lognormal(0, 0.25, 200)
    lost, _ = _simulated(lambda now_s, runs: fps * noises[int(now_s)] * (1 - 0.4 * runs), 180)
    assert lost < 0.1


def test_what_costs_nothing_runs_nearly_always() -> None:
    lost, ran = _simulated(lambda *_: 30.0, 240)
    assert lost == 0
    assert ran > 0.7


def test_a_loop_that_gets_slower_by_itself_is_no_cost_of_the_process() -> None:
    _, ran = _simulated(lambda now_s, _: 60.0 if now_s < 30 else 20.0, 240)
    assert ran > 0.5


def test_a_process_that_begins_to_cost_gets_less() -> None:
    lost, _ = _simulated(lambda now_s, runs: 30.0 * (1 - 0.5 * (runs and now_s > 40)), 160)
    assert lost < 0.1
