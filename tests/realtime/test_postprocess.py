"""Tests of strength, original colours, smoothing and mirroring, and of all of them in turn.

Must not need an engine: two images are enough.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from fakes import BLUE, RED, difference, make_catalogue, noise, solid

from realtime import postprocess
from realtime.frame import Image
from realtime.look import Look
from realtime.postprocess import Finisher, frames_remembered


def test_fading_goes_from_the_image_to_the_stylized() -> None:
    original, stylized = solid((0, 100, 200)), solid((200, 0, 100))
    assert postprocess.fade(original, stylized, 1.0) is stylized
    assert (postprocess.fade(original, stylized, 0.0) == original).all()
    assert (postprocess.fade(original, stylized, 0.5) == (100, 50, 150)).all()
    assert (postprocess.fade(original, stylized, 0.25) == (50, 75, 175)).all()


def test_fading_to_nothing_is_a_image_of_its_own() -> None:
    original = solid(RED)
    assert not np.shares_memory(postprocess.fade(original, solid(BLUE), 0.0), original)


def _chroma(pixels: Image) -> Image:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)[:, :, 1:], np.uint8)


def _brightness(pixels: Image) -> Image:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def test_keeping_colours_takes_only_the_brightness_of_the_stylized() -> None:
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


def _smoothed(stylized_images: Sequence[Image], inputs: Sequence[Image], smoothing: float = 0.9) -> list[Image]:
    """What comes out for a sequence."""
    shown, previous = [], None
    for stylized, original in zip(stylized_images, inputs, strict=True):
        previous = postprocess.smooth(stylized, original, smoothing, previous)
        shown.append(previous.pixels)
    return shown


def _noisy(pixels: Image, seed: int) -> Image:
    """A camera's noise, up to 5 levels each way at each value of each pixel."""
    noise_of_camera = np.random.default_rng(seed).integers(-5, 6, pixels.shape)
    return np.asarray(np.clip(pixels + noise_of_camera, 0, 255), np.uint8)


@pytest.mark.parametrize(("smoothing", "expected"), [(1.0, 195), (0.5, 148), (0.0, 100)])
def test_smoothing_keeps_the_previous_stylized_where_nothing_moved(smoothing: float, expected: int) -> None:
    new, old = solid((100, 100, 100)), solid((200, 200, 200))
    shown = _smoothed([old, new], [noise(seed=3)] * 2, smoothing)
    assert shown[0] is old
    assert np.abs(shown[1].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("smoothing", [0.3, 0.9, 1.0])
@pytest.mark.parametrize(("old", "new"), [(250, 10), (10, 250), (100, 103)])
def test_a_still_image_arrives_at_its_stylized_exactly(smoothing: float, old: int, new: int) -> None:
    """A mixture of bytes would stop some levels before it."""
    inputs = [noise(seed=3)] * 160
    shown = _smoothed([solid((old, old, old)), *[solid((new, new, new))] * 159], inputs, smoothing)
    assert (shown[1] != new).all()
    assert (shown[-1] == new).all()


def test_the_noise_of_a_camera_does_not_count_as_change() -> None:
    scene = noise((160, 120), seed=3)
    inputs = [_noisy(scene, seed) for seed in range(60)]
    flicker = np.random.default_rng(0).integers(-30, 31, (60, 120, 160, 3))
    stylized_images = list((128 + flicker).astype(np.uint8))
    unsmoothed, smoothed = (
        np.stack(frames[20:]).astype(float) for frames in (stylized_images, _smoothed(stylized_images, inputs))
    )
    # A weight of 0.9 * 0.95 everywhere would leave 0.28 of the flicker.
    assert smoothed.std(axis=0).mean() < 0.36 * unsmoothed.std(axis=0).mean()


def _moving_block(step: int, contrast: int, step_px: float) -> Image:
    scene = solid((100, 100, 100), (200, 120))
    left = int(20 + step * step_px)
    scene[40:80, left : left + 30] += np.uint8(contrast)
    return scene


@pytest.mark.parametrize("noisy", [True, False], ids=["noisy", "clean"])
@pytest.mark.parametrize("step_px", [0.5, 1, 3, 10])
@pytest.mark.parametrize("contrast", [10, 15, 40, 150])
def test_nothing_trails_behind_what_moves(contrast: int, step_px: float, noisy: bool) -> None:
    steps = int(120 / step_px)
    scenes = [_moving_block(step, contrast, step_px) for step in range(steps)]
    inputs = [_noisy(scene, step) for step, scene in enumerate(scenes)] if noisy else scenes
    # A stylized image that makes much of a faint edge.
    shown = _smoothed([np.where(scene > 100, 220, 40).astype(np.uint8) for scene in scenes], inputs)[-1]
    left = int(20 + (steps - 1) * step_px)
    assert shown[44:76, : left - 4].max() <= 52
    assert np.abs(shown[44:76, left + 4 : left + 26].astype(int) - 220).max() <= 12


def test_what_moves_is_shown_at_once_and_the_rest_is_kept() -> None:
    before, now = solid((90, 90, 90), (100, 60)), solid((90, 90, 90), (100, 60))
    now[20:40, 40:60] = 250
    new, old = solid((100, 100, 100), (100, 60)), solid((200, 200, 200), (100, 60))
    shown = _smoothed([old, new], [before, now], 1.0)[1]
    assert (shown[20:40, 40:60] == 100).all()
    assert (shown[:, :28] == 195).all()
    assert (shown[:, 72:] == 195).all()


def test_a_change_of_colour_alone_counts() -> None:
    """Both have the brightness 120."""
    before, now = solid((120, 120, 120)), solid((160, 100, 121))
    assert _brightness(before)[0, 0] == _brightness(now)[0, 0]
    assert (_smoothed([solid(BLUE), solid(RED)], [before, now])[1] == RED).all()
    bluer = solid((120, 120, 130))
    assert (_smoothed([solid(BLUE), solid(RED)], [before, bluer])[1] == RED).all()


def test_a_slow_change_of_light_counts_before_it_has_gone_far() -> None:
    inputs = [solid((60 + i, 60 + i, 60 + i)) for i in range(60)]
    shown = _smoothed(inputs, inputs)
    assert max(difference(a, b) for a, b in zip(shown, inputs, strict=True)) < 8


def test_a_cut_starts_again() -> None:
    new, old = solid((100, 100, 100)), solid((200, 200, 200))
    before, after = solid((0, 0, 0)), solid((0, 0, 0))
    after[:, :20] = 255
    assert float(np.mean(cv2.absdiff(before, after))) > postprocess.SCENE_CUT_DIFFERENCE
    assert _smoothed([old, new], [before, after], 1.0)[1] is new
    after[:, 6:] = 0
    assert float(np.mean(cv2.absdiff(before, after))) < postprocess.SCENE_CUT_DIFFERENCE
    assert (_smoothed([old, new], [before, after], 1.0)[1][:, 30:] == 195).all()


def test_nothing_is_left_of_the_time_before_a_cut() -> None:
    dark, bright = solid((0, 0, 0)), solid((255, 255, 255))
    old, new = solid((200, 200, 200)), solid((100, 100, 100))
    assert (_smoothed([old, old, new, new, new], [dark, dark, bright, bright, bright], 1.0)[-1] == 100).all()


def test_another_size_starts_again() -> None:
    new, old = solid(RED, (64, 48)), solid(BLUE, (32, 24))
    assert _smoothed([old, new], [solid(RED, (32, 24)), solid(RED, (64, 48))], 1.0)[1] is new


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 2), (65, 49)])
def test_any_size_can_be_worked_on(size_wh: tuple[int, int]) -> None:
    a, b = noise(size_wh, 1), noise(size_wh, 2)
    for result in (
        postprocess.fade(a, b, 0.3),
        postprocess.keep_colors(a, b),
        *_smoothed([a, b, a], [b, b, b], 0.7),
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
    _smoothed([a, b, a], [b, a, a], 0.7)
    postprocess.mirror(a)
    assert (a == kept_a).all()
    assert (b == kept_b).all()


PLAIN = make_catalogue("a", "b").styles
FADING = make_catalogue("a", identity=0.0).styles[0]


def look(smoothing: float = 0.0, strength: float = 1.0, keep_colors: bool = False, place: int = 0) -> Look:
    return Look(PLAIN[place], strength, keep_colors, smoothing)


def test_without_any_wish_the_stylized_stays() -> None:
    assert np.array_equal(Finisher().finish(noise(seed=1), noise(), look()), noise(seed=1))


def test_a_style_without_a_vector_fades_by_pixels() -> None:
    half = Finisher().finish(solid((200, 0, 0)), solid((100, 0, 0)), look(strength=0.5))
    assert abs(int(half[0, 0, 0]) - 150) <= 1
    kept = Finisher().finish(solid((200, 0, 0)), solid((100, 0, 0)), Look(FADING, 0.5, False, 0.0))
    assert int(kept[0, 0, 0]) == 200


def test_a_look_may_keep_the_original_colours() -> None:
    grey = Finisher().finish(noise(seed=1), solid((90, 90, 90)), look(keep_colors=True))
    assert np.ptp(grey.astype(int), axis=2).max() <= 2


def test_where_nothing_moves_the_last_stylized_is_mixed_in() -> None:
    finisher = Finisher()
    finisher.finish(solid((0, 0, 0)), noise(), look(smoothing=0.5))
    assert 0 < finisher.finish(solid((100, 100, 100)), noise(), look(smoothing=0.5)).mean() < 100


def test_another_style_begins_anew() -> None:
    finisher = Finisher()
    finisher.finish(solid((0, 0, 0)), noise(), look(smoothing=0.5))
    assert finisher.finish(solid((100, 100, 100)), noise(), look(smoothing=0.5, place=1)).mean() == 100


def test_going_on_is_as_if_it_had_never_stopped() -> None:
    whole, first, second = Finisher(), Finisher(), Finisher()
    images = [noise(seed=seed) for seed in range(4)]
    expected = [whole.finish(image, solid((9, 9, 9)), look(smoothing=0.7)) for image in images]
    for image in images[:2]:
        first.finish(image, solid((9, 9, 9)), look(smoothing=0.7))
    second.go_on(first.smoothed, look(smoothing=0.7))
    found = [second.finish(image, solid((9, 9, 9)), look(smoothing=0.7)) for image in images[2:]]
    assert all(difference(a, b) == 0 for a, b in zip(expected[2:], found, strict=True))


@pytest.mark.parametrize(("smoothing", "frames"), [(0.0, 0), (0.001, 1), (0.5, 8), (1.0, 109)])
def test_after_so_many_frames_less_than_a_level_is_remembered(smoothing: float, frames: int) -> None:
    assert frames_remembered(smoothing) == frames
    still = np.zeros((8, 8, 3), np.uint8)
    smoothed = postprocess.smooth(still + 255, still, smoothing, None)
    for _ in range(frames):
        smoothed = postprocess.smooth(still, still, smoothing, smoothed)
    assert smoothed.exact.max() < 1 or smoothing == 0.0
