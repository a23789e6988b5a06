"""Tests of keys one after another: with the list of styles open, letters are typed and not obeyed."""

import pytest
from fakes import make_catalogue

from realtime.controls import Action, Command, Controls, SelectStyle, TypeStyle
from realtime.keyboard import Keyboard
from realtime.options import LookOptions

NAMES = (*(f"style_{number}" for number in range(1, 22)), "quiet_night", "candy")


@pytest.fixture
def controls() -> Controls:
    return Controls(make_catalogue(*NAMES), 0, LookOptions())


def _press(keys: list[str], keyboard: Keyboard | None = None) -> list[Command | None]:
    keyboard = keyboard or Keyboard()
    return [keyboard.press(key) for key in keys]


def _after(controls: Controls, keys: list[str]) -> str | None:
    """Presses keys; returns what the last command said."""
    said: str | None = None
    for command in _press(keys):
        if command is not None:
            said = controls.apply(command)
    return said


def test_without_the_list_keys_are_commands() -> None:
    assert _press(["n", "3", "Q", "x", "enter", "backspace", ""]) == [
        Action.NEXT_STYLE,
        SelectStyle(3),
        Action.QUIT,
        *([None] * 4),
    ]


def test_in_the_list_letters_are_typed_and_not_obeyed() -> None:
    assert _press(["l", "q", "space", "N", "]", "", "backspace"]) == [
        Action.LIST,
        TypeStyle("q"),
        TypeStyle("q "),
        TypeStyle("q N"),
        TypeStyle("q N]"),
        TypeStyle("q N]"),
        TypeStyle("q N"),
    ]


def test_arrows_go_through_the_styles_while_the_list_is_open() -> None:
    assert _press(["l", "right", "left", "c"]) == [
        Action.LIST,
        Action.NEXT_STYLE,
        Action.PREVIOUS_STYLE,
        TypeStyle("c"),
    ]


@pytest.mark.parametrize("end", ["escape", "enter"])
def test_after_the_list_keys_are_commands_again(end: str) -> None:
    assert _press(["l", "c", end, "q"])[-1] is Action.QUIT
    assert _press(["l", end, "q"])[1:] == [TypeStyle(None), Action.QUIT]


def test_text_has_an_end() -> None:
    assert _press(["l", *["a"] * 100])[-1] == TypeStyle("a" * 40)


def test_a_name_is_typed_and_taken(controls: Controls) -> None:
    assert _after(controls, ["l", "n", "i", "g"]) == ""
    assert controls.panel.typed == "nig"
    assert controls.look.style.name == "style_1"
    assert controls.lines[1] == "> 22 quiet_night"
    assert _after(controls, ["l", "n", "i", "g", "enter"]) == "style quiet_night"
    assert controls.look.style.name == "quiet_night"
    assert controls.panel.typed is None
    assert controls.lines == []
    assert controls.apply(Action.NEXT_STYLE) == "style candy"


def test_a_number_above_nine_is_typed_and_taken(controls: Controls) -> None:
    assert _after(controls, ["l", "2", "1", "enter"]) == "style style_21"


def test_a_name_that_is_none_changes_nothing_and_says_so(controls: Controls) -> None:
    assert _after(controls, ["l", "z", "z", "enter"]) == "style 'zz': there is no such style"
    assert controls.look.style.name == "style_1"
    assert controls.panel.typed is None


def test_escape_closes_the_list_and_changes_nothing(controls: Controls) -> None:
    assert _after(controls, ["l", "c", "escape"]) == ""
    assert controls.look.style.name == "style_1"
    assert controls.lines == []


def test_the_list_stands_before_the_help(controls: Controls) -> None:
    controls.apply(Action.HELP)
    with_help = controls.lines
    assert any("list of styles" in line for line in with_help)
    controls.apply(Action.LIST)
    assert controls.lines[0].startswith("style: ")
    controls.apply(TypeStyle(None))
    assert controls.lines == with_help
