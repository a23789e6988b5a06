"""Tests of guarded threads and of the one engine stage: order, room, errors, preparing and time limits, with fakes.

Must not need a camera, a network or a display.
"""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from fakes import PATIENCE_S, FailingEngine, HalvingEngine, IdentityEngine, UnevenEngine, make_catalogue
from numpy.typing import NDArray

from realtime import flow
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError, EngineTimeoutError
from realtime.flow import EngineStage, StageThreads
from realtime.mailbox import MailboxClosedError
from realtime.style import Style

pytestmark = pytest.mark.timeout(60)

STYLE, OTHER = make_catalogue("candy", "mosaic").styles
FRAME = np.zeros((1, 12, 16, 3), np.uint8)


class HangingEngine(IdentityEngine):
    """Hangs when it prepares or when it stylizes, until it is let go.

    Attributes:
        let_go: ends the hanging.
        began: set when a call hangs.
    """

    def __init__(self, at: str, parallel_batches: int = 1) -> None:
        super().__init__()
        self.info = EngineInfo("hanging", "cpu", "fp32", parallel_batches=parallel_batches)
        self.let_go, self.began = threading.Event(), threading.Event()
        self._at = at

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        self._hang("prepare")
        return super().prepare(shape, style)

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        self._hang("stylize")
        return images

    def _hang(self, where: str) -> None:
        if where == self._at:
            self.began.set()
            self.let_go.wait(PATIENCE_S)


def _fill(stage: EngineStage[int], count: int) -> None:
    for number in range(count):
        stage.put(number, FRAME + number, [(STYLE, 1.0)])
    stage.close()


@pytest.mark.parametrize("parallel_batches", [1, 2, 3])
@pytest.mark.parametrize("ahead", [0, 2])
def test_results_come_in_the_order_in_which_batches_were_put(parallel_batches: int, ahead: int) -> None:
    engine = UnevenEngine(parallel_batches)
    with EngineStage[int](engine, ahead=ahead) as stage:
        threads = StageThreads(stage.abort)
        threads.start([lambda: _fill(stage, 40)])
        results = [(number, int(future.result()[0][0, 0, 0, 0])) for number, future in stage.results()]
        assert threads.join(PATIENCE_S)
    assert results == [(number, 255 - number) for number in range(40)]
    assert engine.most <= parallel_batches


def test_every_job_has_its_own_result() -> None:
    class Naming(IdentityEngine):
        def _stylize(self, images: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
            return np.full_like(images, 1 if style is STYLE else 2)

    with EngineStage[str](Naming()) as stage:
        stage.put("both", FRAME, [(STYLE, 1.0), (OTHER, 0.5)])
        item, future = next(stage.results())
        assert (item, [int(each.max()) for each in future.result()]) == ("both", [1, 2])


def test_a_writer_waits_until_the_result_before_has_been_dealt_with() -> None:
    with EngineStage[int](IdentityEngine(), ahead=1) as stage:
        put: list[int] = []

        def write() -> None:
            for number in range(4):
                stage.put(number, FRAME, [(STYLE, 1.0)])
                put.append(number)

        threads = StageThreads(stage.abort)
        threads.start([write])
        results = stage.results()
        for count in range(1, 3):
            next(results)
            time.sleep(0.1)
            assert len(put) == count + 1, "one in work and one ahead"


@pytest.mark.parametrize("parallel_batches", [1, 2])
def test_each_shape_is_prepared_before_it_is_stylized(parallel_batches: int) -> None:
    order: list[str] = []

    class Ordered(IdentityEngine):
        def prepare(self, shape: tuple[int, ...], style: Style) -> float:
            order.append(f"prepare {shape[2]}")
            return super().prepare(shape, style)

        def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
            order.append(f"stylize {images.shape[2]}")
            return images

    engine = Ordered()
    engine.info = EngineInfo("ordered", "cpu", "fp32", parallel_batches=parallel_batches)
    with EngineStage[int](engine) as stage:
        for width in (16, 8):
            stage.put(width, FRAME[:, :, :width], [(STYLE, 1.0)])
            next(iter(stage.results()))
            break
    assert order[:2] == ["prepare 16", "stylize 16"]


def test_the_error_of_a_batch_is_raised_by_its_future() -> None:
    error = EngineError("boom")
    with EngineStage[int](FailingEngine(1, error), ahead=2) as stage:
        for number in range(2):
            stage.put(number, FRAME, [(STYLE, 1.0)])
        results = stage.results()
        assert next(results)[1].exception() is None
        assert next(results)[1].exception() is error


def test_a_changed_shape_is_an_error() -> None:
    with (
        EngineStage[None](HalvingEngine()) as stage,
        pytest.raises(EngineError, match=r"gave shape \(1, 6, 8, 3\) for \(1, 12, 16, 3\)"),
    ):
        stage.stylize(FRAME, STYLE, 1.0)


def _results(stage: EngineStage[int]) -> None:
    stage.put(0, FRAME, [(STYLE, 1.0)])
    list(stage.results())


def _one(stage: EngineStage[int]) -> None:
    stage.stylize(FRAME, STYLE, 1.0)


@pytest.mark.parametrize("ask", [_results, _one])
def test_an_engine_that_hangs_is_an_error_that_names_engine_and_shape(ask: Callable[[EngineStage[int]], None]) -> None:
    engine = HangingEngine("stylize")
    with (
        EngineStage[int](engine, limit_s=0.5) as stage,
        pytest.raises(EngineTimeoutError, match=r"engine hanging on cpu in fp32: a frame of 16x12"),
    ):
        ask(stage)
    engine.let_go.set()


@pytest.mark.slow
def test_preparing_may_take_longer_than_a_frame_says_so_and_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_SAID_AFTER_S", 0.3)
    monkeypatch.setattr(flow, "_PREPARE_LIMIT_S", 1.5)
    said: list[str] = []
    engine = HangingEngine("prepare")
    with EngineStage[int](engine, report=said.append, limit_s=0.3) as stage, pytest.raises(EngineTimeoutError):
        stage.put(0, FRAME, [(STYLE, 1.0)])
        list(stage.results())
    engine.let_go.set()
    assert len(said) == 1
    assert "prepares for this size" in said[0]


def test_an_engine_that_was_slow_at_first_may_be_slow_later() -> None:
    class Slow(HangingEngine):
        def prepare(self, shape: tuple[int, ...], style: Style) -> float:
            return 10.0

        def _hang(self, where: str) -> None:
            time.sleep(1.0)

    with EngineStage[None](Slow("stylize"), limit_s=0.3) as stage:
        assert stage.stylize(FRAME, STYLE, 1.0).shape == FRAME.shape


def test_a_process_that_was_stopped_does_not_take_its_engine_for_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes in leaps while a process is stopped; what counts is how often it could look."""
    engine = HangingEngine("stylize")
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() * 1000)
    with EngineStage[None](engine, limit_s=5.0) as stage:
        threading.Timer(0.6, engine.let_go.set).start()
        stage.stylize(FRAME, STYLE, 1.0)


def test_an_abort_ends_both_sides_while_the_engine_hangs() -> None:
    engine = HangingEngine("stylize")
    stage = EngineStage[int](engine)
    ended: list[str] = []

    def feed() -> None:
        with pytest.raises(MailboxClosedError):
            for number in range(9):
                stage.put(number, FRAME, [(STYLE, 1.0)])
        ended.append("feed")

    def collect() -> None:
        with pytest.raises(MailboxClosedError):
            list(stage.results())
        ended.append("collect")

    threads = StageThreads(stage.abort)
    threads.start([feed, collect])
    assert engine.began.wait(PATIENCE_S)
    stage.abort()
    assert threads.join(PATIENCE_S)
    assert sorted(ended) == ["collect", "feed"]
    engine.let_go.set()


def test_the_first_failure_stops_all_stages_and_is_raised() -> None:
    stop, first = threading.Event(), ValueError("first")

    def fail() -> None:
        raise first

    def wait() -> None:
        assert stop.wait(PATIENCE_S)
        raise ValueError("second")

    threads = StageThreads(stop.set)
    threads.start([fail, wait])
    assert threads.join(PATIENCE_S)
    with pytest.raises(ValueError, match="first"):
        threads.raise_failure()


def test_joining_threads_that_hang_ends_at_the_limit() -> None:
    let_go = threading.Event()
    threads = StageThreads(let_go.set)
    threads.start([lambda: None, let_go.wait])  # type: ignore[list-item]
    assert not threads.join(0.1)
    assert threads.alive()
    let_go.set()
    assert threads.join(PATIENCE_S)
