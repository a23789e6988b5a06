"""Tests of crossfading between styles by their vectors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeSource, VectorEngine, make_catalogue
from live_run import Run, Script

from realtime.controls import Action, SelectStyle
from realtime.crossfade import Crossfade
from realtime.look import Look
from realtime.show_options import ShowOptions
from realtime.style import Style
from realtime.style_catalogue import find_style

CATALOGUE = make_catalogue("a", "b", "c", identity=0.0)
"""Styles whose one value is 0, 10 and 20."""

A, B, C = CATALOGUE.styles


def _look(style: Style, strength: float = 1.0) -> Look:
    return Look(style, strength, keep_colors=False, smoothing=0.0)


def _values(fade: Crossfade, steps: list[tuple[Style, float]]) -> list[float]:
    """The vector's value of each step: a wanted style at a time in s."""
    values = []
    for style, time_s in steps:
        vector = fade.shown(_look(style), time_s).style.vector
        assert vector is not None
        values.append(round(float(vector[0]), 3))
    return values


def test_a_switch_goes_evenly_from_the_frame_before_it() -> None:
    steps = [(A, 0.0), (B, 0.1), (B, 0.2), (B, 0.5), (B, 0.75), (B, 0.8), (B, 0.9)]
    assert _values(Crossfade(0.8), steps) == [0.0, 1.25, 2.5, 6.25, 9.375, 10.0, 10.0]


def test_the_first_style_is_there_at_once() -> None:
    assert _values(Crossfade(0.8), [(C, 5.0), (C, 5.1)]) == [20.0, 20.0]


def test_a_switch_during_a_crossfade_begins_where_it_was() -> None:
    steps = [(A, 0.0), (B, 0.4), (C, 0.4), (C, 0.8), (C, 1.2)]
    assert _values(Crossfade(0.8), steps) == [0.0, 5.0, 5.0, 12.5, 20.0]


@pytest.mark.parametrize("duration_s", [0.0, 0.8])
def test_a_better_vector_fades_in_within_a_second_whatever_a_switch_takes(duration_s: float) -> None:
    better, best = (replace(A, vector=np.array([value], np.float32)) for value in (10, 30))
    steps = [(A, 0.0), (better, 0.5), (better, 1.0), (best, 1.5), (best, 2.0), (best, 2.1)]
    assert _values(Crossfade(duration_s), steps) == [0.0, 5.0, 10.0, 20.0, 30.0, 30.0]


def test_it_ends_with_the_style_itself_and_has_its_name_on_the_way() -> None:
    fade = Crossfade(0.8)
    fade.shown(_look(A), 0.0)
    on_the_way, after = fade.shown(_look(B, 0.5), 0.4), fade.shown(_look(B, 0.5), 0.8)
    assert (on_the_way.style.name, on_the_way.strength) == ("b", 0.5)
    assert after.style is B


@pytest.mark.parametrize(
    "other",
    [replace(B, identity=None), replace(B, vector=None), replace(B, family="fine", model_file=None, checkpoint=None)],
    ids=["no identity", "no vector", "same network"],
)
def test_only_styles_of_one_network_that_fade_by_vector_are_mixed(other: Style) -> None:
    fade = Crossfade(0.8)
    fade.shown(_look(A), 0.0)
    assert (fade.shown(_look(other), 0.4).style is other) is not other.fades_by_vector


def test_another_network_is_switched_to_at_once() -> None:
    fade, other = Crossfade(0.8), replace(B, checkpoint=Path("fine.safetensors"))
    fade.shown(_look(A), 0.0)
    assert fade.shown(_look(other), 0.1).style is other
    assert fade.shown(_look(A), 0.2).style is A


def test_zero_seconds_switch_at_once_and_a_clock_that_goes_back_ends_it() -> None:
    assert _values(Crossfade(0.0), [(A, 0.0), (B, 0.0), (C, 0.1)]) == [0.0, 10.0, 20.0]
    assert _values(Crossfade(0.8), [(A, 9.0), (B, 9.4), (B, 0.0), (B, 0.1)]) == [0.0, 5.0, 10.0, 10.0]


def test_shares_of_a_blend_follow_their_slider() -> None:
    blends = [find_style(f"b:{share}+c:{1 - share}", CATALOGUE) for share in (0.5, 0.25)]
    assert _values(Crossfade(0.8), [(blends[0], 0.0), (blends[1], 0.1)]) == [15.0, 17.5]


def test_a_key_shows_frames_between_two_styles_and_the_first_of_them_at_once() -> None:
    script: Script = {4: [Action.NEXT_STYLE], 40: [SelectStyle(3)], 80: [Action.QUIT]}
    run = Run(FakeSource(), VectorEngine(), script=script, catalogue=CATALOGUE, unpaced=True)()
    first = next(place for place, value in enumerate(run.stylized) if value)
    assert 4 <= first <= 8, "as soon as without a crossfade"
    # 0.8 s are 24 frames of the source, of which the last is the style itself; the first of them rounds to 0.
    assert run.stylized[first : first + 23] == [round(10 * i / 24) for i in range(2, 25)]
    assert run.stylized == sorted(run.stylized)
    assert run.stylized[-1] == 20


def test_it_can_be_switched_off() -> None:
    script: Script = {4: [Action.NEXT_STYLE], 12: [Action.QUIT]}
    show = ShowOptions(crossfade_s=0.0)
    run = Run(FakeSource(), VectorEngine(), script=script, catalogue=CATALOGUE, unpaced=True, show=show)()
    assert set(run.stylized) == {0, 10}
