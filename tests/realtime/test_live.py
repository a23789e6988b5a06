"""Tests of the flow with fakes: order, counts, images and memory.

Must not need a camera, a network or a display; time-outs only detect hangs.
"""

import itertools
import threading
import time
from pathlib import Path

import psutil
import pytest
from fakes import (
    RED,
    CollectingSink,
    FakeSource,
    IdentityEngine,
    InvertingEngine,
    SlowEngine,
    UnevenEngine,
    difference,
    make_catalogue,
    read_clip,
    solid,
    write_clip,
)
from live_run import Run

from realtime.controls import Controls, SelectStyle
from realtime.errors import EngineError
from realtime.live import UNWATCHED_FPS, Pipeline
from realtime.options import EngineOptions, LookOptions, RunOptions
from realtime.sinks.protocol import StylizedFrame
from realtime.sinks.video_file import VideoFileSink
from realtime.sources.pattern import PatternSource
from realtime.sources.video_file import VideoFileSource
from realtime.stages import Stages

pytestmark = [pytest.mark.usefixtures("no_threads_left"), pytest.mark.timeout(60)]

MODES = [pytest.param(True, id="unpaced"), pytest.param(False, id="live")]


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_unpaced_frames_all_come_out_once_and_in_order(batch_size: int) -> None:
    engine = InvertingEngine()
    run = Run(FakeSource(50), engine, batch_size=batch_size, unpaced=True)()
    assert run.sink.indices == run.greys == list(range(50))
    assert run.stylized == [255 - i for i in range(50)]
    assert (run.report.frames_in, run.report.frames_out, run.report.frames_dropped) == (50, 50, 0)
    assert sum(size for size, _ in engine.batches) == 50
    assert max(size for size, _ in engine.batches) <= batch_size
    assert run.sink.ended == ["closed"]
    assert not run.pipeline.interrupted


@pytest.mark.parametrize("unpaced", MODES)
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("parallel_batches", [2, 3])
def test_batches_that_are_stylized_at_once_come_out_in_order(
    unpaced: bool, batch_size: int, parallel_batches: int
) -> None:
    engine = UnevenEngine(parallel_batches)
    source = FakeSource(60) if unpaced else FakeSource(interval_s=0.001)
    run = Run(source, engine, batch_size=batch_size, unpaced=unpaced, max_frames=50)()
    indices = run.sink.indices
    assert indices == sorted(set(indices))
    assert len(indices) == run.report.frames_out == 50
    assert run.stylized == [255 - index % 256 for index in indices]
    assert 1 < engine.most <= parallel_batches
    assert run.report.frames_in == run.report.frames_out + run.report.frames_dropped
    if unpaced:
        assert indices == list(range(50))


@pytest.mark.parametrize("unpaced", MODES)
def test_one_of_several_batches_that_fails_ends_the_run(unpaced: bool) -> None:
    run = Run(FakeSource(interval_s=0.001), UnevenEngine(3, fails_after=7), unpaced=unpaced)
    with pytest.raises(EngineError, match="out of stylize"):
        run()
    assert run.sink.ended == ["abandoned"]


def test_unpaced_waits_for_a_slow_engine() -> None:
    run = Run(FakeSource(12), SlowEngine(0.02), unpaced=True)()
    assert run.sink.indices == list(range(12))
    assert run.report.frames_dropped == 0


def test_live_frames_are_dropped_counted_and_stay_in_order() -> None:
    delay_s = 0.04
    run = Run(FakeSource(interval_s=0.004), SlowEngine(delay_s), max_frames=25)()
    indices = run.sink.indices
    assert indices == sorted(set(indices))
    assert run.greys == [index % 256 for index in indices]
    report = run.report
    assert report.frames_out == 25
    assert report.frames_dropped > 25
    assert report.frames_in == report.frames_out + report.frames_dropped
    # A queue in front of the engine would make the latency grow with every frame.
    assert report.latency_ms["p50"] < 8 * delay_s * 1000
    assert report.stage_ms["engine"]["p50"] >= delay_s * 1000


def test_live_frames_of_a_slow_source_are_all_shown() -> None:
    run = Run(FakeSource(10, interval_s=0.03))()
    assert run.sink.indices == list(range(10))
    assert run.report.frames_dropped == 0


@pytest.mark.parametrize("unpaced", MODES)
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("max_frames", [None, 1, 6, 100])
def test_frames_in_are_frames_out_and_dropped(unpaced: bool, batch_size: int, max_frames: int | None) -> None:
    source = FakeSource(20, interval_s=0.0 if unpaced else 0.002)
    run = Run(source, SlowEngine(0.003), batch_size=batch_size, unpaced=unpaced, max_frames=max_frames)()
    report = run.report
    assert report.frames_in == report.frames_out + report.frames_dropped
    assert report.frames_out == len(run.sink.frames)
    if unpaced:
        assert (report.frames_out, report.frames_dropped) == (min(20, max_frames or 20), 0)
    elif max_frames is not None:
        assert report.frames_out <= max_frames


@pytest.mark.parametrize("unpaced", MODES)
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("max_frames", [1, 7])
def test_max_frames_is_exact(unpaced: bool, batch_size: int, max_frames: int) -> None:
    run = Run(FakeSource(), IdentityEngine(), batch_size=batch_size, unpaced=unpaced, max_frames=max_frames)()
    assert len(run.sink.frames) == run.report.frames_out == max_frames
    if unpaced:
        assert run.report.frames_in == max_frames


def test_a_source_without_a_frame_ends_well() -> None:
    run = Run(FakeSource(0), unpaced=True)()
    assert (run.report.frames_in, run.report.frames_out, run.report.fps, run.report.size) == (0, 0, 0.0, "")
    assert run.sink.ended == ["closed"]


def test_the_report_says_who_ran_and_how_it_ended() -> None:
    source = FakeSource(6, size_wh=(20, 10))
    report = Run(source, script={2: [SelectStyle(3)]}, unpaced=True)().report
    assert (report.engine, report.device, report.precision, report.provider) == ("identity", "cpu", "fp32", "")
    assert (report.style, report.size) == ("udnie", "20x10")
    assert set(report.stage_ms) == {"source", "engine", "postprocess", "sinks"}
    assert report.latency_ms["p50"] <= report.latency_ms["p95"] <= report.latency_ms["max"]
    assert report.fps > 0


def test_red_stays_red_from_file_to_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "red.mp4", [solid(RED)] * 6)
    source = VideoFileSource(clip, "red.mp4", None, paced=False)
    Run(source, sinks=[VideoFileSink(tmp_path / "out.mp4", source.info.rate_fps)], unpaced=True)()
    images = read_clip(tmp_path / "out.mp4").images
    assert len(images) == 6
    for pixels in images:
        assert difference(pixels, solid(RED)) < 4


def test_the_times_of_a_clip_survive(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [solid((i * 20, 0, 0)) for i in range(8)])
    source = VideoFileSource(clip, "clip.mp4", None, paced=False)
    Run(source, SlowEngine(0.01), sinks=[VideoFileSink(tmp_path / "out.mp4", 10)], unpaced=True, batch_size=3)()
    assert read_clip(tmp_path / "out.mp4").times_s == pytest.approx([i / 10 for i in range(8)], abs=2e-3)


class Watcher(CollectingSink):
    """Keeps the size of the process and the number of threads instead of the frames."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.bytes: list[int] = []
        self.threads: list[int] = []

    def write(self, _: StylizedFrame) -> None:
        self.count += 1
        if self.count % 500 == 0:
            self.bytes.append(psutil.Process().memory_info().rss)
            self.threads.append(threading.active_count())


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 4])
def test_memory_and_threads_stay_flat(batch_size: int) -> None:
    watcher = Watcher()
    before = threading.active_count()
    controls = Controls(make_catalogue("candy"), 0, LookOptions())
    source = PatternSource((160, 120), paced=False)
    options = RunOptions(unpaced=True, max_frames=2500, engine=EngineOptions(batch_size=batch_size))
    report = Pipeline(Stages(source, IdentityEngine(), controls, [watcher]), options, lambda _: None).run()
    assert report.frames_out == watcher.count == 2500
    assert max(watcher.threads) <= before + 4  # capture, feed, engine, collect
    # 2000 frames of 57 kB that were kept would be 115 MB.
    assert watcher.bytes[-1] - watcher.bytes[0] < 10_000_000
    assert threading.active_count() == before


@pytest.mark.parametrize("unpaced", MODES)
def test_while_nobody_watches_few_frames_are_taken_and_the_others_count_for_nothing(unpaced: bool) -> None:
    sink = CollectingSink()
    source = FakeSource(interval_s=0.005)
    run = Run(source, sinks=[sink], watched=lambda: len(sink.frames) >= 4, unpaced=unpaced, max_frames=30)()
    times_s = [stylized.frame.capture_time_s for stylized in sink.frames]
    gaps_s = [after - before for before, after in itertools.pairwise(times_s)]
    assert min(gaps_s[:3]) >= 1 / UNWATCHED_FPS - 1e-3
    assert min(gaps_s[4:]) < 0.5 / UNWATCHED_FPS
    report = run.report
    assert report.frames_watched == 30 - 3  # the fourth was in the sink when somebody came
    assert report.frames_in == report.frames_out + report.frames_dropped
    assert report.frames_dropped < 20, "those that nobody could have seen are not dropped"


class SlowSink(CollectingSink):
    """A window, recording or camera driver that takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self.ages: list[int] = []
        self.source: FakeSource | None = None

    def write(self, stylized: StylizedFrame) -> None:
        assert self.source is not None
        self.ages.append(self.source._index - stylized.frame.index)
        super().write(stylized)
        time.sleep(self._seconds)


@pytest.mark.parametrize("parallel_batches", [1, 2])
def test_a_slow_sink_costs_frames_and_never_delay(parallel_batches: int) -> None:
    """Frames are counted, not seconds: how many were captured between a frame's capture and its turn."""
    engine, sink = UnevenEngine(parallel_batches), SlowSink(0.1)
    sink.source = FakeSource(interval_s=0.01)
    report = Run(sink.source, engine, [sink], max_frames=15)().report
    # In the engine for up to 12 ms, behind it until the next replaces it: a few frames of 10 ms, not ten or more.
    assert sorted(sink.ages)[len(sink.ages) // 2] <= 6
    assert report.frames_dropped > 60
    assert report.frames_in == report.frames_out + report.frames_dropped


@pytest.mark.slow
def test_the_engine_does_not_work_for_frames_that_a_slow_sink_would_leave_out() -> None:
    engine, sink = SlowEngine(0.03), SlowSink(0.15)
    sink.source = FakeSource(interval_s=0.01)
    Run(sink.source, engine, [sink], max_frames=15)()
    assert len(engine.batches) <= 2 * 15, "at full speed it would stylize five for each that is shown"
    assert sorted(sink.ages)[7] <= 3 + 4, "in the engine for three frames' time, and hardly waiting"


def test_of_a_live_batch_only_frames_that_are_not_overtaken_are_shown() -> None:
    run = Run(FakeSource(interval_s=0.002), sinks=[], batch_size=4, max_frames=20)
    slow = SlowSink(0.05)
    slow.source = FakeSource()
    run.pipeline._sinks.append(slow)
    run()
    assert run.sink.indices == sorted(set(run.sink.indices))
    assert run.report.frames_dropped > 20
