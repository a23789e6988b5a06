"""Tests of the test pattern: size, movement and pace.

Must not need a screen.
"""

import itertools
import threading

import pytest
from fakes import difference

from realtime.frame import Frame
from realtime.sources.pattern import PatternSource


def _read(source: PatternSource, count: int) -> list[Frame]:
    frames = [source.read() for _ in range(count)]
    return [frame for frame in frames if frame is not None]


@pytest.mark.parametrize("size_wh", [(640, 480), (64, 48), (33, 17), (3, 2), (2, 3), (1, 1), (1, 200), (200, 1)])
def test_frames_have_the_size_that_was_asked_for(size_wh: tuple[int, int]) -> None:
    source = PatternSource(size_wh, paced=False)
    assert source.info.size_wh == size_wh
    frames = _read(source, 5)
    assert [frame.size_wh for frame in frames] == [size_wh] * 5
    assert [frame.index for frame in frames] == list(range(5))


def test_the_image_has_colours_and_moves_by_four_pixels() -> None:
    first, second = _read(PatternSource((160, 120), paced=False), 2)
    assert first.pixels.std() > 20
    assert difference(first.pixels[:, :, 0], first.pixels[:, :, 2]) > 10
    assert difference(first.pixels, second.pixels) > 1
    assert (first.pixels[:, 4:] == second.pixels[:, :-4]).all()


def test_the_image_moves_on_without_a_seam_for_ever() -> None:
    frames = _read(PatternSource((33, 17), paced=False), 200)
    for before, after in itertools.pairwise(frames):
        assert (before.pixels[:, 4:] == after.pixels[:, :-4]).all()


def test_frames_are_independent_of_each_other() -> None:
    first, second = _read(PatternSource((32, 24), paced=False), 2)
    kept = second.pixels.copy()
    first.pixels[:] = 0
    assert (second.pixels == kept).all()


class FakeClock:
    """A clock on which only waiting takes time."""

    def __init__(self) -> None:
        self.now_s = 50.0

    def perf_counter(self) -> float:
        return self.now_s

    def event(self) -> "FakeEvent":
        return FakeEvent(self)


class FakeEvent:
    """An event for which nobody waits in vain: the clock is put forward instead."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def wait(self, seconds: float) -> bool:
        self._clock.now_s += seconds
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    fake = FakeClock()
    monkeypatch.setattr("realtime.sources.clock.time.perf_counter", fake.perf_counter)
    monkeypatch.setattr("realtime.sources.clock.threading.Event", fake.event)
    return fake


def test_paced_frames_come_thirty_times_a_second(clock: FakeClock) -> None:
    source = PatternSource((8, 8), paced=True)
    times_s = [frame.capture_time_s for frame in _read(source, 31)]
    assert [time_s - times_s[0] for time_s in times_s] == pytest.approx([i / 30 for i in range(31)])
    assert clock.now_s == pytest.approx(51.0)


def test_a_reader_that_is_a_little_late_catches_up(clock: FakeClock) -> None:
    source = PatternSource((8, 8), paced=True)
    _read(source, 1)
    clock.now_s += 0.2
    frames = _read(source, 12)
    assert frames[4].capture_time_s == pytest.approx(50.2)
    assert frames[-1].capture_time_s == pytest.approx(50.4)


def test_a_reader_that_was_away_does_not_hurry_through_what_it_missed(clock: FakeClock) -> None:
    source = PatternSource((8, 8), paced=True)
    _read(source, 1)
    clock.now_s += 10
    frames = _read(source, 4)
    assert [frame.index for frame in frames] == [1, 2, 3, 4]
    assert [frame.capture_time_s for frame in frames] == pytest.approx([60 + i / 30 for i in range(4)])


def test_unpaced_frames_do_not_wait(clock: FakeClock) -> None:
    frames = _read(PatternSource((8, 8), paced=False), 300)
    assert clock.now_s == 50.0
    assert frames[-1].media_time_s == pytest.approx(299 / 30)


@pytest.mark.parametrize("paced", [True, False])
def test_after_closing_there_is_no_frame(paced: bool) -> None:
    source = PatternSource((8, 8), paced=paced)
    assert source.read() is not None
    source.close()
    assert source.read() is None
    source.close()


def test_closing_wakes_a_reader_that_waits() -> None:
    source = PatternSource((8, 8), paced=True)
    source.read()
    assert source._pacer is not None
    source._pacer.wait_until_due(0.0)
    source._index = 3000
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.append(source.read()))
    reader.start()
    reader.join(0.05)
    assert reader.is_alive()
    source.close()
    reader.join(10)
    assert got == [None]
