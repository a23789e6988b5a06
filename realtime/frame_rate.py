"""Owns holding a frame rate: which size and network are stylized at, by what the engine was measured to take.

What comes out has the size of what went in, so that the image on the screen stays as large.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.engines.protocol import Engine
from realtime.errors import EngineError, StyleError
from realtime.look import Look
from realtime.style import Style
from realtime.style_catalogue import Catalogue, find_style

SCALES = (1.0, 0.75, 0.5, 0.375)
"""Of each side. Below, strokes would hide what the frame shows."""

WINDOW_S = 3.0
"""A level is measured for so long before the next is chosen."""

_FINE_COST = 2.5
_HELD_SHARE = 0.93
"""Of the rate, that counts as held: cameras are not exact."""

_BUSY_SHARE = 0.6
"""Of its time, that an engine is at work when frames are lost because of it and not because of a screen or a camera."""

_LOOP_SHARE = 0.8
"""What a live loop reaches of an engine's own rate; measured: 0.82 and more."""

_MARGIN = 1.15
"""A better level must be expected to hold so many times the rate, so that a little noise does not take it back."""

_FIRST_RETRY_S, _LONGEST_RETRY_S = 30.0, 960.0
_SIDES_PX, _LEAST_SIDE_PX = 4, 32
_REMEMBERED_STYLES = 64


@dataclass(frozen=True)
class Level:
    """What frames are stylized with.

    Attributes:
        scale: of each side.
        network: "fast" or "fine"; "" is the style's own, where there is no choice.
        cost: of a frame, relative to `fast` in full size.
    """

    scale: float
    network: str
    cost: float


@dataclass(frozen=True)
class Measured:
    """What was measured of a level.

    Attributes:
        frames: that were stylized.
        elapsed_s: in how long.
        work_s: what the engine took for each, summed.
    """

    frames: int
    elapsed_s: float
    work_s: float


def make_levels(networks: Sequence[str]) -> list[Level]:
    """The levels to choose from, the best first: the largest size, and at each the finest network that costs more.

    Args:
        networks: those that are there: ("fine", "fast"), or one alone.
    """
    costs = {"fine": _FINE_COST}
    all_levels = [Level(s, network, s * s * costs.get(network, 1.0)) for s in SCALES for network in networks]
    levels: list[Level] = []
    for level in all_levels:  # a smaller size that costs as much as a larger one is never the better choice
        if not levels or level.cost < levels[-1].cost:
            levels.append(level)
    return levels


class LevelChooser:
    """Chooses the best level that holds a rate.

    Args:
        levels: the best first.
        rate_fps: to hold.
        parallel: batches that the engine works on at once.

    Attributes:
        place: of the level that was chosen last.
    """

    def __init__(self, levels: Sequence[Level], rate_fps: float, parallel: int) -> None:
        self._levels, self._rate_fps, self._parallel = levels, rate_fps, parallel
        self._blocked_until_s = dict.fromkeys(range(len(levels)), 0.0)
        self._retry_s = dict.fromkeys(range(len(levels)), _FIRST_RETRY_S)
        self.place = sum(level.scale == 1.0 for level in levels) - 1  # full size, in the network that costs least

    def choose(self, measured: Measured, now_s: float) -> int:
        """The place of the level to go on with; a level that did not hold the rate is left alone for a while."""
        if not measured.frames:
            return self.place
        busy = measured.work_s / (self._parallel * measured.elapsed_s)
        held = measured.frames / measured.elapsed_s >= _HELD_SHARE * self._rate_fps
        cost_s = measured.work_s / measured.frames / self._levels[self.place].cost
        allowed = [p for p in range(len(self._levels)) if now_s >= self._blocked_until_s[p]]
        lowest = len(self._levels) - 1
        if not held and busy > _BUSY_SHARE:
            self.block(self.place, now_s)
            below = [p for p in allowed if p > self.place]
            self.place = next((p for p in below if self._expected_fps(p, cost_s) >= self._rate_fps), lowest)
        else:
            better, enough = [p for p in allowed if p < self.place], _MARGIN * self._rate_fps
            self.place = next((p for p in better if self._expected_fps(p, cost_s) >= enough), self.place)
        return self.place

    def block(self, place: int, now_s: float) -> None:
        """Leaves a level alone for a while, each time for longer."""
        self._blocked_until_s[place] = now_s + self._retry_s[place]
        self._retry_s[place] = min(_LONGEST_RETRY_S, 2 * self._retry_s[place])

    def _expected_fps(self, place: int, cost_s: float) -> float:
        return _LOOP_SHARE * self._parallel / (cost_s * self._levels[place].cost)


class FrameRateEngine:
    """Stylizes at the size and with the network that hold a rate on this machine now.

    It changes them every few seconds at most; the next ones are prepared in a thread of their own, while frames go
    on with the last.

    Args:
        engine: has the styles of all networks; stays open when this one is closed.
        catalogues: the styles of each network, the finest first.
        rate_fps: to hold.
        say: takes a few words for people when something changes.
        clock: seconds that never go back.

    Attributes:
        info: see `Engine.info`.
    """

    def __init__(
        self,
        engine: Engine,
        catalogues: dict[str, Catalogue],
        rate_fps: float,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.info = engine.info
        self._engine, self._catalogues, self._rate_fps, self._say, self._clock = (
            engine,
            catalogues,
            rate_fps,
            say,
            clock,
        )
        self._levels = make_levels(tuple(catalogues))
        self._chooser = LevelChooser(self._levels, rate_fps, engine.info.parallel_batches)
        self._level = self._levels[self._chooser.place]
        self._changing, self._preparing = threading.Lock(), False
        self._found = lru_cache(_REMEMBERED_STYLES)(self._find)
        self._size_wh = (0, 0)
        self._begin_window()

    def looking(self, look: Look) -> Look:
        """The same look in the network that is used now; a style that it lacks stays in its own."""
        return replace(look, style=self._counterpart(look.style, self._level.network))

    def fields(self) -> list[str]:
        """What the overlay says: the rate to hold, and with what."""
        return [f"holds {self._rate_fps:g} fps: {self._described(self._level)}"] if self._size_wh[0] else []

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`."""
        return self._engine.prepare(_scaled(shape, self._level.scale), style)

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`."""
        level, start_s = self._level, self._clock()
        self._size_wh = images.shape[2], images.shape[1]
        height, width = _scaled(images.shape, level.scale)[1:3]
        if level.scale == 1.0:
            stylized = self._engine.stylize(images, style, strength)
        else:
            small = np.stack([_resized(image, (width, height), cv2.INTER_AREA) for image in images])
            large = self._engine.stylize(small, style, strength)
            stylized = np.stack([_resized(image, self._size_wh, cv2.INTER_CUBIC) for image in large])
        self._count(level, len(images), self._clock() - start_s, style)
        return stylized

    def close(self) -> None:
        """See `Engine.close`; the engine behind stays open."""

    def _begin_window(self) -> None:
        self._frames, self._work_s, self._since_s = 0, 0.0, self._clock()

    def _count(self, level: Level, frames: int, work_s: float, style: Style) -> None:
        with self._changing:
            if level is not self._level or self._preparing:  # what is prepared meanwhile takes time of its own
                return
            self._frames, self._work_s = self._frames + frames, self._work_s + work_s
            now_s = self._clock()
            if now_s - self._since_s < WINDOW_S:
                return
            measured = Measured(self._frames, now_s - self._since_s, self._work_s)
            chosen = self._levels[self._chooser.choose(measured, now_s)]
            self._begin_window()
            if chosen is level:
                return
            self._preparing = True
        threading.Thread(target=self._change, args=(chosen, style), name="engine_frame_rate", daemon=True).start()

    def _change(self, level: Level, style: Style) -> None:
        """Thread: prepares a level, and then goes on with it."""
        place, before = self._levels.index(level), self._levels.index(self._level)
        try:
            shape = _scaled((1, self._size_wh[1], self._size_wh[0], 3), level.scale)
            self._engine.prepare(shape, self._counterpart(style, level.network))
        except EngineError as error:
            self._say(f"{self._described(level)}: {error}")
            self._chooser.block(place, self._clock())
            self._chooser.place, level = before, self._level
        else:
            self._say(f"{self._rate_fps:g} fps: {self._described(level)}")
        with self._changing:
            self._level, self._preparing = level, False
            self._begin_window()

    def _described(self, level: Level) -> str:
        width, height = (_scaled_px(side, level.scale) for side in self._size_wh)
        return f"{width}x{height} {level.network}".rstrip()

    def _counterpart(self, style: Style, network: str) -> Style:
        """The style of the same name in a network. A mixture of a crossfade has the name of where it goes."""
        if style.network == network or network not in self._catalogues:
            return style
        return self._found(style.name, network) or style

    def _find(self, name: str, network: str) -> Style | None:
        try:
            return find_style(name, self._catalogues[network])
        except StyleError:
            return None


def _scaled(shape: tuple[int, ...], scale: float) -> tuple[int, ...]:
    """A shape (N, H, W, 3) at a scale of its sides."""
    return shape[0], _scaled_px(shape[1], scale), _scaled_px(shape[2], scale), 3


def _scaled_px(side: int, scale: float) -> int:
    scaled = max(_LEAST_SIDE_PX, round(side * scale / _SIDES_PX) * _SIDES_PX)
    return side if scale == 1.0 else min(side, scaled)


def _resized(pixels: NDArray[np.uint8], size_wh: tuple[int, int], method: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=method), np.uint8)
