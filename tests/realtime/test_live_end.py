"""Tests of how a run ends with fakes: failures, parts that hang, and Ctrl-C.

Must not need a camera, a network or a display; time-outs only detect hangs.
"""

import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import (
    PATIENCE_S,
    CollectingSink,
    FailingEngine,
    FailingSink,
    FakeDisplay,
    FakeSource,
    HalvingEngine,
    IdentityEngine,
    SlowEngine,
    make_catalogue,
    read_clip,
)
from live_run import Run
from numpy.typing import NDArray

from realtime.controls import Action, Command, Controls
from realtime.errors import EngineError, EngineTimeoutError, SinkError, SourceError
from realtime.live import Pipeline
from realtime.options import LookOptions, RunOptions
from realtime.sinks.protocol import Sink
from realtime.sinks.video_file import VideoFileSink
from realtime.stages import Stages
from realtime.style import Style

pytestmark = [pytest.mark.usefixtures("no_threads_left"), pytest.mark.timeout(60)]

ENDS_WITHIN_S = 2.0
MODES = [pytest.param(True, id="unpaced"), pytest.param(False, id="live")]


def _expect_failure(run: Run, error: BaseException) -> None:
    started_s = time.perf_counter()
    with pytest.raises(type(error)) as raised:
        run()
    assert raised.value is error
    assert time.perf_counter() - started_s < ENDS_WITHIN_S
    assert run.sink.ended == ["abandoned"]


ERRORS = [SourceError("boom"), EngineError("boom"), SinkError("boom"), RuntimeError("boom"), MemoryError("boom")]


@pytest.mark.parametrize("unpaced", MODES)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", ["source", "engine", "sink"])
def test_a_failure_ends_the_run_and_is_raised_again(unpaced: bool, error: Exception, stage: str) -> None:
    source = FakeSource(stop_at=4, error=error) if stage == "source" else FakeSource()
    engine = FailingEngine(3, error) if stage == "engine" else IdentityEngine()
    sinks = [FailingSink(error, after=3)] if stage == "sink" else []
    run = Run(source, engine, sinks, unpaced=unpaced, batch_size=2)
    _expect_failure(run, error)
    assert source.closed
    for sink in sinks:
        assert sink.ended == ["abandoned"]


def test_a_failure_at_the_first_frame_ends_the_run() -> None:
    error = SourceError("boom")
    _expect_failure(Run(FakeSource(stop_at=0, error=error)), error)
    engine_error = EngineError("boom")
    _expect_failure(Run(FakeSource(), FailingEngine(0, engine_error)), engine_error)


@pytest.mark.parametrize("stage", ["engine", "sink"])
def test_a_source_that_hangs_cannot_hold_up_a_failure(stage: str) -> None:
    source, error = FakeSource(stop_at=3), RuntimeError("boom")
    engine = FailingEngine(2, error) if stage == "engine" else IdentityEngine()
    sinks = [FailingSink(error, after=2)] if stage == "sink" else []
    _expect_failure(Run(source, engine, sinks, unpaced=True), error)
    source.let_go.set()


@pytest.mark.parametrize("how", ["quit", "max_frames", "interrupt"])
def test_a_source_that_hangs_cannot_hold_up_the_end(how: str) -> None:
    source = FakeSource(stop_at=3, interval_s=0.02)
    script: dict[int, Sequence[Command] | BaseException] = {}
    if how != "max_frames":
        script[3] = [Action.QUIT] if how == "quit" else KeyboardInterrupt()
    run = Run(source, script=script, max_frames=3 if how == "max_frames" else None)
    started_s = time.perf_counter()
    run()
    assert time.perf_counter() - started_s < ENDS_WITHIN_S
    source.let_go.set()
    assert run.sink.indices == [0, 1, 2]
    assert run.sink.ended == ["closed"]
    assert run.pipeline.interrupted is (how == "interrupt")


def test_an_engine_that_changes_the_size_is_told() -> None:
    run = Run(FakeSource(), HalvingEngine(), unpaced=True)
    with pytest.raises(EngineError, match=r"gave shape \(1, 6, 8, 3\) for \(1, 12, 16, 3\)"):
        run()
    assert run.sink.ended == ["abandoned"]


@pytest.mark.parametrize(
    "error",
    [
        SinkError("boom"),
        RuntimeError("boom"),
    ],
)
def test_a_sink_that_fails_at_the_end_does_not_keep_others_open(error: Exception) -> None:
    behind = CollectingSink()
    run = Run(FakeSource(5), sinks=[FailingSink(error), behind], unpaced=True)
    with pytest.raises(type(error)) as raised:
        run()
    assert raised.value is error
    assert run.sink.ended == ["closed"]
    assert len(behind.ended) == 1


class UnclosableSource(FakeSource):
    """A device that cannot be let go of."""

    def close(self) -> None:
        super().close()
        raise SourceError("cannot be closed")


def test_a_source_that_fails_at_the_end_does_not_keep_sinks_open() -> None:
    run = Run(UnclosableSource(5), unpaced=True)
    with pytest.raises(SourceError, match="cannot be closed"):
        run()
    assert len(run.sink.ended) == 1


def test_what_was_recorded_before_a_failure_is_kept_as_incomplete(tmp_path: Path) -> None:
    error = SourceError("unplugged")
    recording = VideoFileSink(tmp_path / "out.mp4", 30)
    run = Run(FakeSource(stop_at=6, error=error), SlowEngine(0.02), [recording], unpaced=True)
    _expect_failure(run, error)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.incomplete.mp4"]
    assert len(read_clip(tmp_path / "out.incomplete.mp4").images) == len(run.sink.frames)
    assert any("out.incomplete.mp4" in line for line in run.said)


def test_ctrl_c_completes_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    run = Run(FakeSource(), sinks=[VideoFileSink(path, 30)], script={5: KeyboardInterrupt()}, unpaced=True)()
    assert run.pipeline.interrupted
    assert run.sink.ended == ["closed"]
    assert list(tmp_path.iterdir()) == [path]
    assert len(read_clip(path).images) == len(run.sink.frames) == run.report.frames_out >= 5
    assert run.report.frames_in == run.report.frames_out + run.report.frames_dropped


def test_a_real_signal_completes_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    run = Run(FakeSource(interval_s=0.01), sinks=[VideoFileSink(path, 30)])

    def interrupt() -> None:
        while len(run.sink.frames) < 5:
            time.sleep(0.005)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    run()
    thread.join()
    assert run.pipeline.interrupted
    assert run.sink.ended == ["closed"]
    assert list(tmp_path.iterdir()) == [path]
    assert len(read_clip(path).images) >= 5


def test_frames_still_add_up_when_ctrl_c_comes_while_one_is_written() -> None:
    run = Run(FakeSource(), sinks=[FailingSink(KeyboardInterrupt(), after=4)], unpaced=True)
    report = run().report
    assert run.pipeline.interrupted
    assert report.frames_in == report.frames_out + report.frames_dropped


class ImpatientDisplay(FakeDisplay):
    """Somebody who holds Ctrl-C down."""

    def commands(self) -> list[Command]:
        if len(self.frames) >= 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return []


def _impatient_pipeline(display: ImpatientDisplay, *sinks: Sink) -> Pipeline:
    controls = Controls(make_catalogue("candy"), 0, LookOptions())
    stages = Stages(FakeSource(), IdentityEngine(), controls, [display, *sinks], display)
    return Pipeline(stages, RunOptions(unpaced=True), lambda _: None)


def test_a_signal_sent_twice_completes_the_recording(tmp_path: Path) -> None:
    pipeline = _impatient_pipeline(ImpatientDisplay({}), VideoFileSink(tmp_path / "out.mp4", 30))
    pipeline.run()
    assert pipeline.interrupted
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


class HangingEngine(IdentityEngine):
    """Hangs from its third batch on, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        if len(self.batches) > 2:
            self.let_go.wait(PATIENCE_S)
        return images


@pytest.mark.parametrize("unpaced", MODES)
def test_an_engine_that_hangs_ends_the_run_and_keeps_the_recording(
    unpaced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.flow.FRAME_LIMIT_S", 0.5)
    engine = HangingEngine()
    run = Run(FakeSource(interval_s=0.01), engine, [VideoFileSink(tmp_path / "out.mp4", 30)], unpaced=unpaced)
    with pytest.raises(EngineTimeoutError, match=r"engine identity .* a frame of 16x12"):
        run()
    engine.let_go.set()
    assert [path.name for path in tmp_path.iterdir()] == ["out.incomplete.mp4"]
    assert len(read_clip(tmp_path / "out.incomplete.mp4").images) == 2


@pytest.mark.parametrize("unpaced", MODES)
@pytest.mark.parametrize("how", ["quit", "interrupt"])
def test_an_engine_that_hangs_cannot_hold_up_the_end(unpaced: bool, how: str, tmp_path: Path) -> None:
    engine, path = HangingEngine(), tmp_path / "out.mp4"
    script: dict[int, Sequence[Command] | BaseException] = {2: [Action.QUIT] if how == "quit" else KeyboardInterrupt()}
    run = Run(FakeSource(interval_s=0.01), engine, [VideoFileSink(path, 30)], script=script, unpaced=unpaced)
    started_s = time.perf_counter()
    run()
    assert time.perf_counter() - started_s < ENDS_WITHIN_S + 1
    engine.let_go.set()
    assert list(tmp_path.iterdir()) == [path]
    assert len(read_clip(path).images) == 2


def test_a_run_knows_whether_its_source_has_ended() -> None:
    assert Run(FakeSource(5), unpaced=True)().pipeline.source_ended
    assert not Run(FakeSource(50), unpaced=True, max_frames=5)().pipeline.source_ended
