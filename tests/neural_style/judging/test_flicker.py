"""Tests of the figures of a moving image, on generated clips whose motion is known.

Knows nothing of networks.
"""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from neural_style.judging.flicker import (
    NOISE_SIGMA,
    FrameMotion,
    mean_of_known,
    measure_motion,
    noise_gain,
    pair_error,
)

Image = NDArray[np.uint8]
_SIDE_PX = 128


def _texture(side: int, seed: int = 0) -> Image:
    """Blobs at two sizes, so that optical flow has something to hold on to everywhere."""
    rng = np.random.default_rng(seed)
    cells = (rng.integers(0, 256, (side // cell, side // cell, 3), dtype=np.uint8) for cell in (16, 4))
    coarse, fine = (cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in cells)
    return np.asarray(cv2.addWeighted(coarse, 0.6, fine, 0.4, 0), np.uint8)


def _shifting_clip(frames: int = 4, step_px: int = 3) -> list[Image]:
    """A camera that pans to the left over a large texture, with a little noise of its own."""
    world, rng = _texture(256).astype(np.float64), np.random.default_rng(1)
    windows = [world[:_SIDE_PX, 60 - step_px * i : 60 - step_px * i + _SIDE_PX] for i in range(frames)]
    return [(window + rng.normal(0, 2, window.shape)).clip(0, 255).round().astype(np.uint8) for window in windows]


def _occluder_clip(step_px: int = 8) -> list[Image]:
    """A bright textured square that moves to the right in front of a texture that stands still."""
    background, square = _texture(_SIDE_PX), _texture(_SIDE_PX, seed=7)[:48, :48] // 2 + 120
    frames = []
    for i in range(2):
        frame = background.copy()
        frame[40:88, 30 + step_px * i : 78 + step_px * i] = square
        frames.append(frame)
    return frames


def clip_motion(frames: list[Image]) -> list[FrameMotion]:
    """`measure_motion` of every frame but the first and the one before it."""
    return [measure_motion(previous, current) for previous, current in pairwise(frames)]


def warping_error(frames: list[Image], motions: list[FrameMotion]) -> float:
    """E_warp of a clip, stylized or not; the motions are those of the clip itself."""
    return mean_of_known([pair_error(*pair, motion) for pair, motion in zip(pairwise(frames), motions, strict=True)])


def test_motion_points_to_where_a_pixel_was() -> None:
    previous, current = _shifting_clip(2)
    motion = measure_motion(previous, current)
    assert motion.x.shape == motion.y.shape == motion.known.shape == (128, 128)
    columns = np.arange(_SIDE_PX, dtype=np.float32)[None]
    known = motion.known
    assert np.median((motion.x - columns)[known]) == pytest.approx(-3.0, abs=0.1)
    rows = np.arange(_SIDE_PX, dtype=np.float32)[:, None]
    assert np.median((motion.y - rows)[known]) == pytest.approx(0.0, abs=0.1)


def test_nearly_all_of_a_pan_is_known_but_not_what_came_in_at_the_border() -> None:
    known = measure_motion(*_shifting_clip(2)).known
    assert known[8:-8, 8:-8].mean() > 0.9
    assert not known[:, :2].any()


def test_what_a_moving_object_uncovers_is_masked() -> None:
    previous, current = _occluder_clip()
    known = measure_motion(previous, current).known
    assert known[40:88, 31:37].mean() < 0.3  # the strip that the square left free
    assert known[:30].mean() > 0.9
    assert known[50:78, 50:74].mean() > 0.7  # the inside of the square


def test_unmasked_the_uncovered_strip_would_count_as_flicker() -> None:
    previous, current = _occluder_clip()
    motion = measure_motion(previous, current)
    everything = FrameMotion(motion.x, motion.y, np.ones_like(motion.known))
    assert pair_error(previous, current, motion) < 0.1 * pair_error(previous, current, everything)


def test_a_clip_that_repeats_one_frame_has_no_error() -> None:
    frames = [_texture(_SIDE_PX)] * 3
    motions = clip_motion(frames)
    assert len(motions) == 2
    assert all(motion.known.mean() > 0.95 for motion in motions)
    assert warping_error(frames, motions) < 1e-5


def test_pair_error_is_the_squared_difference_summed_over_channels() -> None:
    columns, rows = np.meshgrid(np.arange(4, dtype=np.float32), np.arange(4, dtype=np.float32))
    known = np.zeros((4, 4), np.bool_)
    known[1:3, 1:3] = True
    black = np.zeros((4, 4, 3), np.uint8)
    current = black.copy()
    current[1, 1] = (51, 102, 0)  # 0.2 and 0.4 in one of four known pixels
    current[0, 0] = 255  # not known
    assert pair_error(black, current, FrameMotion(columns, rows, known)) == pytest.approx((0.04 + 0.16) / 4, rel=1e-5)


def test_without_known_pixels_there_is_no_figure() -> None:
    frames = [_texture(32)] * 3
    columns, rows = np.meshgrid(np.arange(32, dtype=np.float32), np.arange(32, dtype=np.float32))
    unknown = FrameMotion(columns, rows, np.zeros((32, 32), np.bool_))
    known = FrameMotion(columns, rows, np.ones((32, 32), np.bool_))
    assert np.isnan(warping_error(frames, [unknown, unknown]))
    assert warping_error(frames, [unknown, known]) == 0.0


def test_a_style_that_moves_with_the_image_does_not_flicker() -> None:
    frames = _shifting_clip()
    motions = clip_motion(frames)
    negative = [255 - frame for frame in frames]
    assert warping_error(negative, motions) == pytest.approx(warping_error(frames, motions), rel=1e-3)


def test_a_style_that_stands_still_on_the_glass_flickers() -> None:
    frames = _shifting_clip()
    motions = clip_motion(frames)
    canvas = _texture(_SIDE_PX, seed=9)
    stylized = [(frame // 2 + canvas // 2).astype(np.uint8) for frame in frames]
    assert warping_error(stylized, motions) > 3 * warping_error(frames, motions)


def test_a_style_that_is_drawn_anew_on_each_frame_flickers() -> None:
    frames, rng = _shifting_clip(), np.random.default_rng(3)
    motions = clip_motion(frames)
    stylized = [(frame + rng.normal(0, 20, frame.shape)).clip(0, 255).astype(np.uint8) for frame in frames]
    assert warping_error(stylized, motions) > 10 * warping_error(frames, motions)


def test_blur_flickers_less_which_is_why_the_style_distance_stands_beside() -> None:
    frames = _shifting_clip()
    motions = clip_motion(frames)
    blurred = [np.asarray(cv2.GaussianBlur(frame, (0, 0), 2), np.uint8) for frame in frames]
    assert warping_error(blurred, motions) < 0.5 * warping_error(frames, motions)


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_noise_gain_of_a_contrast_is_its_factor(gain: float) -> None:
    assert noise_gain(lambda image: gain * image, [_texture(64), _texture(32)]) == pytest.approx(gain, rel=1e-4)


def test_noise_gain_of_a_blur_is_below_one_and_of_a_constant_none() -> None:
    assert noise_gain(lambda image: np.asarray(cv2.blur(image, (3, 3)), np.float32), [_texture(64)]) < 0.4
    assert noise_gain(np.zeros_like, [_texture(64)]) == 0.0


def test_the_noise_is_the_same_for_every_stylizer_and_as_strong_as_it_says() -> None:
    seen: list[NDArray[np.float32]] = []

    def stylize(image: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(image)
        return image

    noise_gain(stylize, [_texture(64)])
    noise_gain(stylize, [_texture(64)])
    assert np.array_equal(seen[0], seen[2])
    assert not np.array_equal(seen[0], seen[1])
    assert (seen[0] - _texture(64)).std() == pytest.approx(NOISE_SIGMA, rel=0.03)
