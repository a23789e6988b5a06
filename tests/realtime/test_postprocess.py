"""Tests of strength, original colours, smoothing and mirroring.

Must not need an engine: two pictures are enough.
"""

import cv2
import numpy as np
import pytest
from fakes import BLUE, RED, difference, noise, solid

from realtime import postprocess
from realtime.frame import Image


def test_fading_goes_from_the_picture_to_the_painting() -> None:
    original, stylized = solid((0, 100, 200)), solid((200, 0, 100))
    assert postprocess.fade(original, stylized, 1.0) is stylized
    assert (postprocess.fade(original, stylized, 0.0) == original).all()
    assert (postprocess.fade(original, stylized, 0.5) == (100, 50, 150)).all()
    assert (postprocess.fade(original, stylized, 0.25) == (50, 75, 175)).all()


def test_fading_to_nothing_is_a_picture_of_its_own() -> None:
    original = solid(RED)
    assert not np.shares_memory(postprocess.fade(original, solid(BLUE), 0.0), original)


def _chroma(pixels: Image) -> Image:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)[:, :, 1:], np.uint8)


def _brightness(pixels: Image) -> Image:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def test_keeping_colours_takes_only_the_brightness_of_the_painting() -> None:
    # Muted colours and a bright range in the middle, so that nothing is clipped on the way back to RGB.
    original = (noise(seed=1) // 4 + 96).astype(np.uint8)
    stylized = (noise(seed=2) // 4 + 96).astype(np.uint8)
    kept = postprocess.keep_colors(original, stylized)
    assert kept.dtype == np.uint8
    assert kept.shape == original.shape
    assert difference(_chroma(kept), _chroma(original)) < 2
    assert difference(_brightness(kept), _brightness(stylized)) < 2
    assert difference(_chroma(stylized), _chroma(original)) > 5
    assert difference(_brightness(stylized), _brightness(original)) > 5


def test_keeping_colours_keeps_red_red() -> None:
    red, green, blue = postprocess.keep_colors(solid(RED), solid((76, 76, 76)))[0, 0].tolist()
    assert red > 240
    assert max(green, blue) < 15


def test_smoothing_keeps_the_previous_painting_where_nothing_moved() -> None:
    still, new, old = noise(seed=3), solid((100, 100, 100)), solid((200, 200, 200))
    assert (postprocess.smooth(new, old, still, still, 1.0) == 200).all()
    assert difference(postprocess.smooth(new, old, still, still, 0.5), solid((150, 150, 150))) <= 1
    assert postprocess.smooth(new, old, still, still, 0.0) is new


def test_smoothing_takes_the_new_painting_where_something_moved() -> None:
    before, now = solid((90, 90, 90), (100, 60)), solid((90, 90, 90), (100, 60))
    now[20:40, 40:60] = 250
    new, old = solid((100, 100, 100), (100, 60)), solid((200, 200, 200), (100, 60))
    smoothed = postprocess.smooth(new, old, now, before, 1.0)
    assert (smoothed[24:36, 44:56] == 100).all()
    assert (smoothed[:, :30] == 200).all()
    assert (smoothed[:, 70:] == 200).all()


def test_a_cut_starts_again() -> None:
    new, old = solid((100, 100, 100)), solid((200, 200, 200))
    before, after = solid((0, 0, 0)), solid((0, 0, 0))
    after[:, :20] = 255
    assert float(np.mean(cv2.absdiff(before, after))) > postprocess.SCENE_CUT_DIFFERENCE
    assert postprocess.smooth(new, old, after, before, 1.0) is new


def test_another_size_starts_again() -> None:
    new, old = solid(RED, (64, 48)), solid(BLUE, (32, 24))
    assert postprocess.smooth(new, old, solid(RED, (64, 48)), solid(RED, (32, 24)), 1.0) is new


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 2), (65, 49)])
def test_any_size_can_be_worked_on(size_wh: tuple[int, int]) -> None:
    a, b = noise(size_wh, 1), noise(size_wh, 2)
    for result in (
        postprocess.fade(a, b, 0.3),
        postprocess.keep_colors(a, b),
        postprocess.smooth(a, b, a, a, 0.7),
        postprocess.mirror(a),
    ):
        assert result.dtype == np.uint8
        assert result.shape == a.shape


def test_mirroring_swaps_left_and_right() -> None:
    pixels = solid(RED, (4, 2))
    pixels[:, 0] = BLUE
    mirrored = postprocess.mirror(pixels)
    assert mirrored[:, 3].tolist() == [list(BLUE)] * 2
    assert (mirrored[:, :3] == RED).all()


def test_nothing_changes_its_input() -> None:
    a, b = noise(seed=1), noise(seed=2)
    kept_a, kept_b = a.copy(), b.copy()
    postprocess.fade(a, b, 0.3)
    postprocess.keep_colors(a, b)
    postprocess.smooth(a, b, a, a, 0.7)
    postprocess.mirror(a)
    assert (a == kept_a).all()
    assert (b == kept_b).all()
