"""Tests of the figures of a run, on a clock that the test sets.

Must not measure speed.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from realtime.stats import Stats


class Clock:
    """Stands in for `time.perf_counter`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr("realtime.stats.time.perf_counter", fake)
    return fake


def _show(stats: Stats, clock: Clock, count: int, interval_s: float, latency_s: float = 0.0) -> None:
    for _ in range(count):
        clock.now_s += interval_s
        stats.frame_out(clock.now_s - latency_s)


def test_fps_is_intervals_by_elapsed_and_not_frames_by_elapsed(clock: Clock) -> None:
    stats = Stats()
    _show(stats, clock, 11, 0.1)
    assert stats.report().fps == pytest.approx(10.0)
    assert stats.live().fps == pytest.approx(10.0)


def test_fps_does_not_count_the_time_before_the_first_frame(clock: Clock) -> None:
    stats = Stats()
    clock.now_s += 100
    _show(stats, clock, 3, 0.5)
    assert stats.report().fps == pytest.approx(2.0)


@pytest.mark.parametrize("count", [0, 1])
def test_without_an_interval_there_is_no_fps(clock: Clock, count: int) -> None:
    stats = Stats()
    _show(stats, clock, count, 0.1)
    report = stats.report()
    assert (report.frames_out, report.fps) == (count, 0.0)
    assert stats.live().fps == 0.0


def test_live_fps_follows_the_last_thirty_frames_and_the_report_the_whole_run(clock: Clock) -> None:
    stats = Stats()
    _show(stats, clock, 101, 0.1)
    _show(stats, clock, 100, 0.01)
    assert stats.live().fps == pytest.approx(100.0)
    assert stats.report().fps == pytest.approx(200 / 11.0)


def test_latency_counts_from_capture(clock: Clock) -> None:
    stats = Stats()
    for latency_ms in range(1, 101):
        _show(stats, clock, 1, 1.0, latency_ms / 1000)
    latency = stats.report().latency_ms
    expected = np.arange(1, 101)
    assert latency["p50"] == pytest.approx(np.percentile(expected, 50))
    assert latency["p95"] == pytest.approx(np.percentile(expected, 95))
    assert latency["max"] == pytest.approx(100)
    live = stats.live()
    assert live.latency_p50_ms == pytest.approx(np.percentile(expected[-30:], 50))
    assert live.latency_p95_ms == pytest.approx(np.percentile(expected[-30:], 95))


def test_the_maximum_is_remembered_when_its_frame_is_long_forgotten(clock: Clock) -> None:
    stats = Stats()
    _show(stats, clock, 1, 0.01, latency_s=5.0)
    _show(stats, clock, 20_000, 0.01, latency_s=0.002)
    latency = stats.report().latency_ms
    assert latency["max"] == pytest.approx(5000)
    assert latency["p95"] == pytest.approx(2)
    assert stats.report().frames_out == 20_001


def test_memory_does_not_grow_with_the_run(clock: Clock) -> None:
    stats = Stats()

    def held_bytes() -> int:
        parts = [stats._watched.latency_ms, stats._unwatched.latency_ms, *stats._stages.values()]
        return sum(part._values.nbytes for part in parts) + 8 * len(stats._out_times_s)

    _show(stats, clock, 1000, 0.01)
    stats.add_stage("engine", 1.0)
    before = held_bytes()
    _show(stats, clock, 20_000, 0.01)
    for _ in range(20_000):
        stats.add_stage("engine", 1.0)
    assert held_bytes() == before


def test_stages_are_timed(clock: Clock) -> None:
    stats = Stats()
    for seconds in (0.01, 0.02, 0.03):
        with stats.stage("engine"):
            clock.now_s += seconds
    assert stats.report().stage_ms == {"engine": {"p50": pytest.approx(20), "p95": pytest.approx(29)}}


def test_a_stage_that_failed_is_not_counted(clock: Clock) -> None:
    stats = Stats()
    with pytest.raises(ValueError, match="boom"), stats.stage("engine"):
        raise ValueError("boom")
    assert clock.now_s == 1000.0
    assert stats.report().stage_ms == {}


def test_the_file_holds_exactly_the_promised_numbers(clock: Clock, tmp_path: Path) -> None:
    stats = Stats()
    stats.frames_in, stats.frames_dropped = 3, 1
    _show(stats, clock, 2, 0.1)
    stats.add_stage("engine", 4.0)
    path = tmp_path / "s.json"
    stats.report().write(path)
    written = json.loads(path.read_text(encoding="utf-8"))
    names = "frames_in frames_out frames_dropped frames_watched fps latency_ms stage_ms"
    who = "engine device precision provider network style size"
    assert set(written) == {*names.split(), *who.split()}
    assert set(written["latency_ms"]) == {"p50", "p95", "max"}
    assert set(written["stage_ms"]["engine"]) == {"p50", "p95"}
    assert (written["frames_in"], written["frames_out"], written["frames_dropped"]) == (3, 2, 1)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        Stats().report().write(tmp_path / "none" / "s.json")
    assert list(tmp_path.iterdir()) == []


def test_the_summary_is_one_line_with_the_figures(clock: Clock) -> None:
    stats = Stats()
    stats.frames_in, stats.frames_dropped = 14, 3
    _show(stats, clock, 11, 0.1, latency_s=0.02)
    summary = stats.report().summary()
    for part in ("11 frames out", "14 in", "3 dropped", "10.0 fps", "p50 20 ms", "p95 20 ms"):
        assert part in summary
    assert "\n" not in summary


def test_frames_that_nobody_saw_count_in_no_figure_of_speed(clock: Clock) -> None:
    stats = Stats()
    _show(stats, clock, 5, 0.1)
    for _ in range(7):
        clock.now_s += 1.0
        stats.frame_out(clock.now_s - 0.9, watched=False)
    clock.now_s += 3.0
    _show(stats, clock, 5, 0.1)
    report = stats.report()
    assert (report.frames_out, report.frames_watched) == (17, 10)
    assert report.fps == pytest.approx(10.0)
    assert report.latency_ms["max"] < 900
    assert "while somebody watched: 10 frames" in report.summary()


def test_where_nobody_watched_at_all_the_figures_say_so(clock: Clock) -> None:
    stats = Stats()
    for _ in range(3):
        clock.now_s += 0.2
        stats.frame_out(clock.now_s - 0.05, watched=False)
    report = stats.report()
    assert report.fps == pytest.approx(5.0)
    assert report.summary().endswith("(nobody watched)")
