"""Tests of the list of styles: what a typed text means, and what is shown."""

import pytest
from fakes import solid

from realtime.overlay import draw_help
from realtime.style_list import list_lines, matching

NAMES = ("candy", "mosaic", "rain_princess", "starry_night", "woman-with-hat-matisse", "night_watch", "rainbow")


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("c", ["candy", "mosaic", "rain_princess", "night_watch"]),
        ("night", ["night_watch", "starry_night"]),
        ("rain", ["rain_princess", "rainbow"]),
        ("Rain P", ["rain_princess"]),
        ("rain-princess", ["rain_princess"]),
        ("hat", ["woman-with-hat-matisse"]),
        ("cand", ["candy"]),
        ("4", ["starry_night"]),
        ("07", ["rainbow"]),
        ("8", []),
        ("0", []),
        ("x", []),
    ],
)
def test_what_was_typed_means_the_likeliest_first(typed: str, names: list[str]) -> None:
    assert [NAMES[place] for place in matching(NAMES, typed)] == names


def test_nothing_typed_means_all_in_order() -> None:
    assert matching(NAMES, "") == list(range(len(NAMES)))


def test_the_lines_show_numbers_the_current_style_and_which_would_be_taken() -> None:
    lines = list_lines(NAMES, "", "mosaic")
    assert "Enter" in lines[0]
    assert lines[1:3] == ["1 candy   2 mosaic *", "3 rain_princess   4 starry_night"]
    assert len(lines) == 5
    assert list_lines(NAMES, "night", "mosaic") == ["style: night_", "> 6 night_watch   4 starry_night"]
    assert list_lines(NAMES, "x", "mosaic") == ["style: x_", "there is none"]


@pytest.mark.parametrize("size_wh", [(320, 180), (640, 480), (1920, 1080)])
def test_twenty_four_styles_fit_on_the_image(size_wh: tuple[int, int]) -> None:
    names = [f"a_style_of_a_stylizer_{number}" for number in range(24)]
    lines = list_lines(names, "", names[0])
    assert len(lines) == 1 + 24 // 2
    black = solid((0, 0, 0), size_wh)
    shown, without_last = draw_help(black, lines), draw_help(black, [*lines[:-1], " " * len(lines[-1])])
    assert (shown != without_last).any()
    assert shown[:, -2:].max() == 0
    assert shown[-1:].max() == 0
