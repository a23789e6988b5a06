"""Tests of commands: what keys mean, and what commands change.

Must not need a window.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from fakes import make_catalogue

from realtime.controls import (
    Action,
    AddStyle,
    ChangeLook,
    Command,
    Controls,
    SelectStyle,
    StartAgain,
    command_for_key,
    help_lines,
)
from realtime.options import LookOptions

NAMES = ("candy", "mosaic", "udnie")


@pytest.fixture
def controls() -> Controls:
    return Controls(make_catalogue(*NAMES), 1, LookOptions(strength=0.5, smoothing=0.25))


MEANINGS: list[tuple[str, Command]] = [
    *((str(number), SelectStyle(number)) for number in range(1, 10)),
    ("n", Action.NEXT_STYLE),
    ("right", Action.NEXT_STYLE),
    ("p", Action.PREVIOUS_STYLE),
    ("left", Action.PREVIOUS_STYLE),
    ("l", Action.LIST),
    ("]", Action.STRENGTH_UP),
    ("[", Action.STRENGTH_DOWN),
    ("c", Action.KEEP_COLORS),
    ("m", Action.MIRROR),
    ("h", Action.HELP),
    ("o", Action.OVERLAY),
    ("s", Action.SNAPSHOT),
    ("r", Action.RECORD),
    ("space", Action.FREEZE),
    ("f", Action.FULL_SCREEN),
    ("v", Action.NEXT_CAMERA),
    ("k", Action.KEEP_STYLE),
    ("q", Action.QUIT),
    ("escape", Action.QUIT),
]


@pytest.mark.parametrize(("key", "command"), MEANINGS)
def test_every_key_has_its_meaning(key: str, command: Command) -> None:
    assert command_for_key(key) == command
    assert command_for_key(key.upper()) == command


@pytest.mark.parametrize("key", ["0", "x", "", "12", "up", "²", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_other_keys_mean_nothing(key: str) -> None:
    assert command_for_key(key) is None


def test_every_action_has_a_key_and_a_line_of_help() -> None:
    assert {command for _, command in MEANINGS if isinstance(command, Action)} == set(Action)
    lines = help_lines()
    assert len(lines) == 1 + len(Action)
    for key, command in MEANINGS:
        if isinstance(command, Action):
            assert any(key in line.split() and line.endswith(command.value) for line in lines), key


def test_the_look_starts_as_the_options_say(controls: Controls) -> None:
    look = controls.look
    assert (look.style.name, look.strength, look.keep_colors, look.smoothing) == ("mosaic", 0.5, False, 0.25)
    assert not look.mirror
    assert controls.panel.overlay
    assert not controls.panel.help
    assert not controls.panel.frozen


def test_styles_wrap_around_both_ways(controls: Controls) -> None:
    seen = []
    for command in [Action.NEXT_STYLE] * 3 + [Action.PREVIOUS_STYLE] * 4:
        controls.apply(command)
        seen.append(controls.look.style.name)
    assert seen == ["udnie", "candy", "mosaic", "candy", "udnie", "mosaic", "candy"]


def test_a_number_selects_and_is_said(controls: Controls) -> None:
    assert controls.apply(SelectStyle(3)) == "style udnie"
    assert controls.look.style.name == "udnie"
    assert controls.apply(Action.NEXT_STYLE) == "style candy"


@pytest.mark.parametrize("number", [0, 4, 9, -1])
def test_a_number_without_a_style_changes_nothing_and_says_so(controls: Controls, number: int) -> None:
    assert controls.apply(SelectStyle(number)) == "there are 3 styles"
    assert controls.look.style.name == "mosaic"


def test_strength_goes_in_tenths_and_stops_at_both_ends(controls: Controls) -> None:
    assert controls.apply(Action.STRENGTH_UP) == "strength 0.6"
    strengths = []
    for command in [Action.STRENGTH_UP] * 6 + [Action.STRENGTH_DOWN] * 12:
        controls.apply(command)
        strengths.append(controls.look.strength)
    up, down = [0.7, 0.8, 0.9, 1.0, 1.0, 1.0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0]
    assert strengths == up + down


def test_switches_go_on_and_off_and_say_so(controls: Controls) -> None:
    cases: dict[Action, tuple[str, Callable[[], bool], bool]] = {
        Action.KEEP_COLORS: ("original colours", lambda: controls.look.keep_colors, False),
        Action.MIRROR: ("mirror", lambda: controls.look.mirror, False),
        Action.HELP: ("help", lambda: controls.panel.help, False),
        Action.OVERLAY: ("overlay", lambda: controls.panel.overlay, True),
        Action.FREEZE: ("freeze", lambda: controls.panel.frozen, False),
    }
    for action, (word, state, first) in cases.items():
        assert state() is first
        for expected in (not first, first):
            assert controls.apply(action) == f"{word} {'on' if expected else 'off'}"
            assert state() is expected


def test_one_command_changes_one_thing(controls: Controls) -> None:
    before = controls.look
    controls.apply(Action.MIRROR)
    controls.apply(Action.MIRROR)
    controls.apply(Action.HELP)
    assert controls.look == before


@pytest.mark.parametrize(
    "action",
    [Action.SNAPSHOT, Action.RECORD, Action.FULL_SCREEN, Action.NEXT_CAMERA, Action.KEEP_STYLE, Action.QUIT],
)
def test_what_is_no_setting_is_left_to_others(controls: Controls, action: Action) -> None:
    look, panel = controls.look, controls.panel
    assert controls.apply(action) is None
    assert (controls.look, controls.panel) == (look, panel)


def test_a_look_that_was_read_does_not_change(controls: Controls) -> None:
    look = controls.look
    controls.apply(Action.NEXT_STYLE)
    assert look.style.name == "mosaic"


def test_a_look_can_be_set_at_once_and_the_rest_stays() -> None:
    controls = Controls(make_catalogue("a", "b"), 0, LookOptions())
    assert controls.apply(ChangeLook(style="b", strength=0.25)) == "style b, strength 0.25"
    assert (controls.look.style.name, controls.look.strength, controls.look.smoothing) == ("b", 0.25, 0.5)
    assert controls.apply(ChangeLook(keep_colors=True, mirror=True, smoothing=0.0)) == (
        "keep colors True, smoothing 0.0, mirror True"
    )
    assert controls.apply(Action.NEXT_STYLE) == "style a", "the next after the one that was set"
    assert "there is no such style" in str(controls.apply(ChangeLook(style="c")))
    assert controls.look.style.name == "a"


def test_a_blend_can_be_set() -> None:
    controls = Controls(make_catalogue("a", "b", identity=0.0), 0, LookOptions())
    assert controls.apply(ChangeLook(style="a:0.25+b:0.75")) == "style a:0.25+b:0.75"
    assert controls.look.style.vector == pytest.approx([7.5])
    assert controls.apply(Action.NEXT_STYLE) == "style b"


def test_a_style_is_added_at_the_end_and_seen_by_all_who_hold_the_catalogue() -> None:
    catalogue = make_catalogue("a", "b", identity=0.0)
    controls = Controls(catalogue, 1, LookOptions())
    assert controls.apply(AddStyle(replace(catalogue.styles[0], name="rust"))) == ""
    assert catalogue.names == ("a", "b", "rust")
    assert controls.look.style.name == "b", "nobody asked for it yet"
    assert controls.apply(Action.NEXT_STYLE) == "style rust"
    assert controls.apply(Action.NEXT_STYLE) == "style a"
    assert controls.apply(ChangeLook(style="a:0.5+rust:0.5")) == "style a:0.5+rust:0.5"


def test_a_better_vector_takes_the_place_of_the_last_everywhere() -> None:
    catalogue = make_catalogue("a", "b", identity=0.0)
    controls = Controls(catalogue, 1, LookOptions())
    better = replace(catalogue.styles[1], vector=np.array([11], np.float32))
    controls.apply(AddStyle(better))
    assert controls.look.style is catalogue.styles[1] is better
    controls.apply(SelectStyle(1))
    controls.apply(AddStyle(replace(better, vector=np.array([12], np.float32))))
    assert controls.look.style.name == "a"
    controls.apply(StartAgain())
    assert controls.look.style.vector == pytest.approx([12])
    assert catalogue.names == ("a", "b")
