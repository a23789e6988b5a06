"""Tests of what is drawn over the image: readable at any size, and only on a copy.

Must not need a screen.
"""

import numpy as np
import pytest
from fakes import noise, solid

from realtime.controls import help_lines
from realtime.frame import Image
from realtime.overlay import draw_help, draw_marks, draw_overlay

SIZES_WH = [(64, 48), (320, 180), (640, 480), (1920, 1080)]
FIELDS = ["starry_night 100%", "23.4 fps", "latency 31/40 ms", "dropped 12", "torch cpu bf16", "1920x1080"]
WHITE = (255, 255, 255)


def _changed_rows(before: Image, after: Image) -> list[int]:
    return [int(row) for row in np.flatnonzero((before != after).any(axis=(1, 2)))]


def _assert_light_text_on_dark(strip: Image) -> None:
    """Most of a strip over white is dark, and letters on it are nearly white."""
    brightness = strip.max(axis=2)
    assert (brightness <= 80).mean() > 0.5
    assert (brightness >= 200).sum() >= 20


@pytest.mark.parametrize("size_wh", SIZES_WH)
def test_the_strip_is_dark_and_its_text_light(size_wh: tuple[int, int]) -> None:
    pixels = solid(WHITE, size_wh)
    drawn = draw_overlay(pixels, FIELDS)
    assert (drawn.dtype, drawn.shape) == (pixels.dtype, pixels.shape)
    rows = _changed_rows(pixels, drawn)
    assert rows == list(range(rows[0], size_wh[1]))
    _assert_light_text_on_dark(drawn[rows[0] :])


@pytest.mark.parametrize("size_wh", SIZES_WH[1:])
def test_the_strip_leaves_the_image_free(size_wh: tuple[int, int]) -> None:
    pixels = noise(size_wh)
    drawn = draw_overlay(pixels, FIELDS, "style mosaic")
    free = size_wh[1] // 2
    assert (drawn[:free] == pixels[:free]).all()


@pytest.mark.parametrize("size_wh", SIZES_WH[1:])
def test_no_text_runs_over_the_edge(size_wh: tuple[int, int]) -> None:
    black = solid((0, 0, 0), size_wh)
    for drawn in (draw_overlay(black, FIELDS), draw_help(black, help_lines())):
        assert drawn[:, -2:].max() == 0
        assert drawn[-1:].max() == 0


def test_more_fields_take_more_lines_on_a_narrow_image() -> None:
    black = solid((0, 0, 0), (320, 180))
    one_line, several = (draw_overlay(black, fields).max(axis=(1, 2)) > 100 for fields in (FIELDS[:1], FIELDS * 2))
    assert several.sum() >= 3 * one_line.sum()


def test_a_message_stands_above_the_fields() -> None:
    pixels = solid(WHITE, (640, 480))
    without, with_message = draw_overlay(pixels, FIELDS), draw_overlay(pixels, FIELDS, "style mosaic")
    higher = _changed_rows(pixels, with_message)[0]
    assert higher < _changed_rows(pixels, without)[0]
    _assert_light_text_on_dark(with_message[higher : _changed_rows(pixels, without)[0]])


@pytest.mark.parametrize(
    "size_wh",
    [
        pytest.param(SIZES_WH[0]),
        *SIZES_WH[1:],
    ],
)
def test_all_lines_of_the_help_fit(size_wh: tuple[int, int]) -> None:
    black = solid((0, 0, 0), size_wh)
    lines = ["HHHHHHHHHHHHHHHHHHHHHHHH"] * len(help_lines())
    lit = draw_help(black, lines).max(axis=2)
    assert lit[:, -1].max() == 0
    assert lit[-1].max() == 0
    without_last = draw_help(black, [*lines[:-1], " " * 24]).max(axis=2)
    assert (lit != without_last).sum() > 10


@pytest.mark.parametrize("size_wh", SIZES_WH)
def test_the_input_is_not_drawn_on(size_wh: tuple[int, int]) -> None:
    pixels = noise(size_wh)
    kept = pixels.copy()
    assert not np.shares_memory(draw_overlay(pixels, FIELDS, "message"), pixels)
    assert not np.shares_memory(draw_help(pixels, help_lines()), pixels)
    assert (pixels == kept).all()


@pytest.mark.parametrize("size_wh", [(1, 1), (2, 300), (300, 2)])
def test_the_smallest_images_do_not_fail(size_wh: tuple[int, int]) -> None:
    pixels = solid(WHITE, size_wh)
    assert draw_overlay(pixels, FIELDS, "message").shape == pixels.shape
    assert draw_help(pixels, help_lines()).shape == pixels.shape


@pytest.mark.parametrize(
    "message",
    [
        "recording /home/somebody/videos/2026/stylized_recording.mp4: cannot be written (No space left on device); "
        "make room, or choose another place",
        f"recording to /a/{'long_name_' * 12}.mp4",
    ],
)
def test_a_long_message_is_shown_whole_at_480_px(message: str) -> None:
    black = solid((0, 0, 0), (480, 270))
    drawn = draw_overlay(black, [], message)
    assert drawn[:, -2:].max() == 0, "nothing runs over the edge"
    whole = draw_overlay(solid((0, 0, 0), (4800, 270)), [], message)
    assert (drawn.max(axis=2) > 100).sum() > 0.9 * (whole.max(axis=2) > 100).sum(), "every letter is there"


@pytest.mark.parametrize("size_wh", [(1, 1), *SIZES_WH])
def test_marks_stand_at_the_top_right_each_behind_a_red_dot(size_wh: tuple[int, int]) -> None:
    pixels = solid((0, 0, 0), size_wh)
    drawn = draw_marks(pixels, ["recording", "frozen"])
    assert drawn.shape == pixels.shape
    assert not pixels.any()
    if size_wh[0] >= 320:
        red = (drawn[..., 0] > 200) & (drawn[..., 1] < 80)
        assert red[:, size_wh[0] // 2 :].sum() > 20
        assert drawn[:, : size_wh[0] // 2].max() == 0
        assert drawn[size_wh[1] // 2 :].max() == 0
