"""Tests of holding a frame rate, on machines whose speed is simulated."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import IdentityEngine, difference, make_catalogue, noise
from numpy.typing import NDArray

from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError
from realtime.frame_rate import WINDOW_S, FrameRateEngine, Level, LevelChooser, Measured, make_levels
from realtime.look import Look
from realtime.style import Style
from realtime.style_catalogue import Catalogue

PATIENCE_S = 10.0


def _named(levels: list[Level]) -> list[tuple[str, float]]:
    return [(level.network, level.scale) for level in levels]


def test_the_largest_size_goes_before_the_finer_network() -> None:
    assert _named(make_levels(("fine", "fast"))) == [
        ("fine", 1.0),
        ("fast", 1.0),
        ("fast", 0.75),
        ("fast", 0.5),
        ("fast", 0.375),
    ]
    assert _named(make_levels(("fine",))) == [("fine", 1.0), ("fine", 0.75), ("fine", 0.5), ("fine", 0.375)]


class Machine:
    """A machine that takes `cost_s` for a frame of `fast` in full size, and a chooser that drives it."""

    def __init__(self, cost_s: float, rate_fps: float = 30.0, parallel: int = 1) -> None:
        self.cost_s, self.rate_fps, self.parallel = cost_s, rate_fps, parallel
        self.levels = make_levels(("fine", "fast"))
        self.chooser = LevelChooser(self.levels, rate_fps, parallel)
        self.now_s, self.source_fps = 0.0, rate_fps

    def run(self, seconds: float, noise: Callable[[], float] = lambda: 1.0) -> list[tuple[float, str, float]]:
        """The changes of so many seconds: when, and to which network and scale."""
        changes, end_s = [], self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += WINDOW_S
            before = self.chooser.place
            took_s = self.cost_s * self.levels[before].cost * noise()
            frames = round(min(self.source_fps, self.parallel / took_s) * WINDOW_S)
            place = self.chooser.choose(Measured(frames, WINDOW_S, frames * took_s), self.now_s)
            if place != before:
                changes.append((self.now_s, self.levels[place].network, self.levels[place].scale))
        return changes

    @property
    def reached_fps(self) -> float:
        return min(self.source_fps, self.parallel / (self.cost_s * self.levels[self.chooser.place].cost))


@pytest.mark.parametrize(
    ("cost_ms", "parallel", "network", "scale"),
    [
        (5, 1, "fine", 1.0),
        (20, 1, "fast", 1.0),
        (40, 1, "fast", 0.75),
        (40, 2, "fast", 1.0),
        (80, 1, "fast", 0.5),
        (120, 1, "fast", 0.375),
        (900, 1, "fast", 0.375),
    ],
)
def test_each_machine_gets_the_best_that_it_holds(cost_ms: float, parallel: int, network: str, scale: float) -> None:
    machine = Machine(cost_ms / 1000, parallel=parallel)
    machine.run(30)
    level = machine.levels[machine.chooser.place]
    assert (level.network, level.scale) == (network, scale)
    if cost_ms < 900:
        assert machine.reached_fps >= 0.93 * 30


def test_a_machine_that_gets_busy_goes_down_within_two_windows_and_comes_back() -> None:
    machine = Machine(0.020)
    assert machine.run(30) == []
    machine.cost_s = 0.070
    assert [change[1:] for change in machine.run(2 * WINDOW_S)] == [("fast", 0.5)]
    machine.cost_s = 0.020
    changes = machine.run(120)
    assert changes[-1][1:] == ("fast", 1.0)
    assert all(later[0] - earlier[0] >= WINDOW_S for earlier, later in itertools.pairwise(changes))


def test_what_does_not_hold_is_tried_less_and_less_often() -> None:
    """A loop that reaches less than its engine promises: full size looks possible, and never is."""
    machine = Machine(0.020)
    promised = machine.levels[machine.chooser.place]
    tries, place = [], machine.chooser.place
    for _ in range(1200):
        machine.now_s += WINDOW_S
        fps = 20.0 if machine.levels[place] is promised else 30.0
        busy = 0.9 if machine.levels[place] is promised else 0.3
        frames = round(fps * WINDOW_S)
        following = machine.chooser.choose(Measured(frames, WINDOW_S, busy * WINDOW_S), machine.now_s)
        if machine.levels[following] is promised and following != place:
            tries.append(machine.now_s)
        place = following
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert len(tries) < 12
    assert waits[:3] == sorted(waits[:3])
    assert waits[-1] > 500


def test_a_slow_camera_or_nobody_who_watches_is_no_reason_for_a_smaller_size() -> None:
    machine = Machine(0.010)
    machine.source_fps = 5.0
    machine.run(60)
    assert machine.levels[machine.chooser.place].scale == 1.0


def test_no_frame_no_change() -> None:
    chooser = LevelChooser(make_levels(("fine", "fast")), 30.0, 1)
    assert chooser.choose(Measured(0, WINDOW_S, 0.0), 3.0) == chooser.place


class SimulatedEngine(IdentityEngine):
    """Takes simulated time for each pixel."""

    def __init__(self, cost_s: float) -> None:
        super().__init__()
        self.info = EngineInfo("simulated", "cpu", "fp32")
        self.cost_s, self.now_s = cost_s, 0.0
        self.shapes: list[tuple[int, ...]] = []
        self.networks: list[str] = []
        self.refuses: tuple[int, ...] = ()

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        if shape == self.refuses:
            raise EngineError("engine simulated: refuses")
        return super().prepare(shape, style)

    def _stylize(self, images: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
        self.shapes.append(images.shape)
        self.networks.append(style.network)
        cost = 2.5 if style.network == "fine" else 1.0
        self.now_s += self.cost_s * cost * images.shape[1] * images.shape[2] / (320 * 240)
        return images.copy()


def _catalogue(network: str) -> Catalogue:
    styles = make_catalogue("a", "b", identity=0.0).styles
    return Catalogue(tuple(replace(style, checkpoint=Path(f"{network}.safetensors")) for style in styles))


class Show:
    """A held rate, fed with frames at thirty a second or as fast as the engine takes them."""

    def __init__(self, cost_s: float) -> None:
        self.engine, self.said = SimulatedEngine(cost_s), list[str]()
        self.fast, self.fine = _catalogue("fast"), _catalogue("fine")
        networks = {"fine": self.fine, "fast": self.fast}
        self.held = FrameRateEngine(self.engine, networks, 30.0, self.said.append, lambda: self.engine.now_s)
        self.image = noise((320, 240))

    def show(self, seconds: float) -> list[tuple[int, ...]]:
        """Shows frames; returns the sizes at which they were stylized, in turn and once each."""
        first, end_s, due_s = len(self.engine.shapes), self.engine.now_s + seconds, self.engine.now_s
        while self.engine.now_s < end_s:
            look = self.held.looking(Look(self.fast.styles[1], 1.0, keep_colors=False, smoothing=0.0))
            stylized = self.held.stylize(self.image[None], look.style)
            assert stylized.shape == (1, 240, 320, 3), "the image on the screen stays as large"
            due_s = max(due_s + 1 / 30, self.engine.now_s)
            self.engine.now_s = due_s
            self._wait_for_change()
        return list(dict.fromkeys(self.engine.shapes[first:]))

    def _wait_for_change(self) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while self.held._preparing and time.monotonic() < deadline_s:
            time.sleep(0.001)


def test_frames_are_stylized_smaller_and_come_back_in_their_own_size_and_it_is_said() -> None:
    show = Show(0.04)
    assert show.show(12) == [(1, 240, 320, 3), (1, 180, 240, 3)]
    assert show.said == ["30 fps: 240x180 fast"]
    assert show.held.fields() == ["holds 30 fps: 240x180 fast"]
    assert show.engine.prepared == [(1, 180, 240, 3)], "before the first frame of that size"
    stylized = show.held.stylize(show.image[None], show.fast.styles[0])[0]
    assert difference(stylized, show.image) < 2


def test_with_time_to_spare_the_finer_network_is_taken_with_its_own_vectors() -> None:
    show = Show(0.005)
    show.show(10)
    assert show.engine.networks[0] == "fast"
    assert show.engine.networks[-1] == "fine"
    look = show.held.looking(Look(show.fast.styles[1], 0.5, keep_colors=True, smoothing=0.0))
    assert look.style is show.fine.styles[1]
    assert (look.strength, look.keep_colors) == (0.5, True)
    assert show.said == ["30 fps: 320x240 fine"]


def test_a_style_that_the_other_network_lacks_stays_in_its_own() -> None:
    show = Show(0.005)
    show.show(10)
    own = replace(show.fast.styles[0], name="mine")
    assert show.held.looking(Look(own, 1.0, keep_colors=False, smoothing=0.0)).style is own


def test_a_level_that_the_engine_refuses_is_said_and_left_alone() -> None:
    show = Show(0.04)
    show.engine.refuses = (1, 180, 240, 3)
    assert show.show(10) == [(1, 240, 320, 3), (1, 120, 160, 3)]
    assert show.said == ["240x180 fast: engine simulated: refuses", "30 fps: 160x120 fast"]
