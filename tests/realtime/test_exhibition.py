"""Tests of what an exhibition does by itself, in simulated time; and that it can go on for weeks."""

import gc
import threading

import psutil
import pytest
from fakes import CollectingSink, FakeDisplay, FakeSource, VectorEngine, make_catalogue

from realtime.controls import Action, ChangeLook, Command, Controls, SelectStyle, SetCycle, StartAgain
from realtime.exhibition import Exhibition
from realtime.live import Pipeline
from realtime.options import LookOptions, RunOptions
from realtime.sinks.protocol import StylizedFrame
from realtime.sinks.qr import QrSink
from realtime.stages import Stages

CATALOGUE = make_catalogue("a", "b", "c", "d", identity=0.0)


class Visit:
    """An exhibition, and the time."""

    def __init__(self, styles: tuple[str, ...] = CATALOGUE.names, cycle_s: float = 20.0, idle_s: float = 0.0) -> None:
        self.now_s = 1000.0
        self.controls = Controls(CATALOGUE, 0, LookOptions(), overlay=False)
        self.exhibition = Exhibition(self.controls, lambda: styles, cycle_s, idle_s, lambda: self.now_s)

    def press(self, command: Command) -> str:
        self.controls.apply(command)
        return self.exhibition.hear(command)

    def wait(self, seconds: float) -> list[tuple[float, str]]:
        """Waits, looking twice a second; returns after how long it went to which style."""
        switches, begin_s = [], self.now_s
        while self.now_s < begin_s + seconds:
            self.now_s += 0.5
            for command in self.exhibition.commands():
                self.controls.apply(command)
                switches.append((self.now_s - begin_s, self.controls.look.style.name))
        return switches


def test_it_goes_through_the_styles_and_around() -> None:
    assert Visit().wait(100) == [(20, "b"), (40, "c"), (60, "d"), (80, "a"), (100, "b")]


def test_it_goes_through_the_chosen_styles_and_blends() -> None:
    visit = Visit(("d", "b:0.5+c:0.5"))
    assert visit.wait(60) == [(20, "d"), (40, "b:0.5+c:0.5"), (60, "d")]


def test_a_style_that_a_visitor_chose_stays_as_long_and_the_next_follows_it() -> None:
    visit = Visit()
    visit.wait(15)
    visit.press(SelectStyle(3))
    assert visit.wait(40) == [(20, "d"), (40, "a")]


def test_without_a_cycle_styles_stay_until_somebody_begins_one() -> None:
    visit = Visit(cycle_s=0.0)
    assert visit.wait(500) == []
    assert visit.press(SetCycle(5)) == "a style in 5 s"
    assert visit.wait(11) == [(5, "b"), (10, "c")]
    assert visit.press(SetCycle(0)) == "styles stay"
    assert visit.wait(500) == []


def test_after_idle_minutes_it_goes_back_to_the_start_once() -> None:
    visit = Visit(cycle_s=0.0, idle_s=120.0)
    for command in (SelectStyle(3), Action.FREEZE, Action.HELP, ChangeLook(strength=0.25, mirror=True)):
        visit.press(command)
    assert visit.wait(119) == []
    visit.press(Action.STRENGTH_UP)
    assert visit.wait(500) == [(120, "a")]
    look, panel = visit.controls.look, visit.controls.panel
    assert (look.strength, look.mirror, panel.frozen, panel.help, panel.overlay) == (1.0, False, False, False, False)


def test_nobody_touched_it_so_it_does_not_start_again() -> None:
    visit = Visit(cycle_s=20.0, idle_s=50.0)
    assert [name for _, name in visit.wait(100)] == ["b", "c", "d", "a", "b"]


def test_starting_again_gives_back_the_first_style_to_the_cycle() -> None:
    visit = Visit(cycle_s=200.0, idle_s=50.0)
    visit.press(SelectStyle(3))
    assert visit.wait(260) == [(50, "a"), (250, "b")]
    assert StartAgain() == StartAgain()


def test_a_pipeline_obeys_and_says_nothing_of_what_nobody_asked_for() -> None:
    clock = [0.0]
    controls = Controls(CATALOGUE, 0, LookOptions(smoothing=0.0))
    exhibition = Exhibition(controls, lambda: CATALOGUE.names, 1.0, 0.0, lambda: clock[0])
    sink = _Clock(clock)
    stages = Stages(FakeSource(100), VectorEngine(), controls, [sink], controllers=[exhibition])
    Pipeline(stages, RunOptions(unpaced=True), lambda _: None).run()
    values = [int(stylized.pixels[0, 0, 0]) for stylized in sink.frames]
    assert values[0] == 0
    assert values[-1] in range(20, 31)
    assert len(set(values)) > 15, "styles cross over"
    assert controls.message == ""


class _Clock(CollectingSink):
    """A sink that is the clock: a second has thirty frames."""

    def __init__(self, clock: list[float]) -> None:
        super().__init__()
        self._clock = clock

    def write(self, stylized: StylizedFrame) -> None:
        super().write(stylized)
        self._clock[0] = stylized.frame.media_time_s


class _Forgetting(_Clock):
    """Keeps nothing, and measures this process twice: after the first minutes, and at the end."""

    def __init__(self, clock: list[float]) -> None:
        super().__init__(clock)
        self.measured: list[tuple[float, int, int]] = []

    def write(self, stylized: StylizedFrame) -> None:
        self._clock[0] = stylized.frame.media_time_s
        if stylized.frame.index in (SOAK_FRAMES // 4, SOAK_FRAMES):
            gc.collect()
            process = psutil.Process()
            descriptors = process.num_fds() if psutil.POSIX else 0
            self.measured.append((process.memory_info().rss / 1e6, descriptors, threading.active_count()))


SOAK_S, SOAK_FPS = 1800, 4
SOAK_FRAMES = SOAK_S * SOAK_FPS


class _Restless(FakeDisplay):
    """Visitors who press something every few seconds of the exhibition, and leave in between."""

    def __init__(self) -> None:
        super().__init__({})
        self._asked = 0
        self.shown = 0

    def write(self, stylized: StylizedFrame) -> None:
        self.shown += 1

    def commands(self) -> list[Command]:
        self._asked += 1
        pressed = (Action.NEXT_STYLE, Action.HELP, ChangeLook(style="a:0.5+b:0.5"), Action.MIRROR, Action.OVERLAY)
        return [pressed[self._asked // 50 % len(pressed)]] if self._asked % 50 == 0 and self._asked % 1000 < 500 else []


@pytest.mark.slow
@pytest.mark.timeout(110)
def test_half_an_hour_leaves_memory_descriptors_and_threads_as_they_were() -> None:
    clock = [0.0]
    controls = Controls(CATALOGUE, 0, LookOptions(), overlay=False)
    exhibition = Exhibition(controls, lambda: CATALOGUE.names, 20.0, 60.0, lambda: clock[0])
    visitors, sink, source = _Restless(), _Forgetting(clock), FakeSource(SOAK_FRAMES + 100, size_wh=(160, 120))
    source.info = type(source.info)("a wall", (160, 120), SOAK_FPS, can_pause=True)
    display = QrSink(visitors)
    display.point_to("http://127.0.0.1:8350/")
    stages = Stages(source, VectorEngine(), controls, [sink, display], display, controllers=[exhibition])
    report = Pipeline(stages, RunOptions(unpaced=True), lambda _: None).run()
    assert clock[0] >= SOAK_S
    assert report.frames_out >= SOAK_FRAMES
    (early_mb, early_fds, early_threads), (late_mb, late_fds, late_threads) = sink.measured
    assert late_mb < early_mb + 10
    assert (late_fds, late_threads) == (early_fds, early_threads)
