"""Tests of batches in the live loop, with an engine to which two frames cost little more than one."""

import time

import numpy as np
import pytest
from fakes import CollectingSink, FakeSource, IdentityEngine, make_catalogue
from numpy.typing import NDArray

from realtime.controls import Controls
from realtime.live import Pipeline
from realtime.options import EngineOptions, LookOptions, RunOptions
from realtime.stages import Stages
from realtime.stats import StatsReport
from realtime.style import Style

RATE_FPS = 50
_ONCE_S, _EACH_S = 0.035, 0.005
_MAX_WAIT_MS = 30.0


class SublinearEngine(IdentityEngine):
    """Takes a time for each batch, and a little more for each of its frames."""

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        time.sleep(_ONCE_S + _EACH_S * len(images))
        return images.copy()


def _run(batch_size: int) -> tuple[StatsReport, SublinearEngine, CollectingSink]:
    engine, sink = SublinearEngine(), CollectingSink()
    options = RunOptions(max_frames=40, engine=EngineOptions(batch_size=batch_size, max_wait_ms=_MAX_WAIT_MS))
    stages = Stages(
        FakeSource(interval_s=1 / RATE_FPS),
        engine,
        Controls(make_catalogue("a"), 0, LookOptions(smoothing=0.0)),
        [sink],
    )
    return Pipeline(stages, options, lambda _: None).run(), engine, sink


@pytest.mark.slow
@pytest.mark.usefixtures("no_threads_left")
def test_batches_raise_the_rate_and_latency_stays_under_its_limit() -> None:
    single, _, _ = _run(1)
    batched, engine, sink = _run(4)
    assert single.fps < 1.1 / (_ONCE_S + _EACH_S)
    assert batched.fps > 1.3 * single.fps
    assert max(count for count, _ in engine.batches) > 1
    assert sink.indices == sorted(set(sink.indices)), "in order, none twice"
    # A frame may come when the engine has just begun a batch, wait for its own to fill up, and be stylized with it.
    limit_ms = _MAX_WAIT_MS + 2 * 1000 * (_ONCE_S + 4 * _EACH_S)
    assert batched.latency_ms["p50"] < limit_ms
