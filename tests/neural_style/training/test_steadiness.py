"""Tests of the imagined motions and of the loss on what flickers under them.

Knows nothing of networks: the ones here are functions of a line.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neural_style.training.steadiness import Motion, random_motion, steadiness_loss


def _images(count: int = 2, height: int = 40, width: int = 56) -> Tensor:
    coarse = torch.rand((count, 3, height // 4, width // 4), generator=torch.Generator().manual_seed(count))
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1) * 255


def _motion(images: Tensor, seed: int = 0) -> Motion:
    return random_motion(images, torch.Generator().manual_seed(seed))


def _shift(images: Tensor, down_px: int = 0, right_px: int = 0) -> Motion:
    """What a pixel shows comes from `down_px` above and `right_px` to the left, without gain and noise."""
    count, _, height, width = images.shape
    affine = torch.tensor([[1.0, 0.0, -2 * right_px / width], [0.0, 1.0, -2 * down_px / height]])
    grid = F.affine_grid(affine.expand(count, 2, 3), [count, 3, height, width], align_corners=False)
    inside = (grid.abs().amax(3) < 1)[:, None].float()
    return Motion(grid, inside, torch.ones(count, 1, 1, 1), torch.zeros(images.shape))


def _quiet(motion: Motion) -> Motion:
    """The same movement without gain and noise."""
    return replace(motion, gain=torch.ones_like(motion.gain), noise=torch.zeros_like(motion.noise))


def _is_still(motion: Motion) -> list[bool]:
    """Which images of a batch do not move."""
    height, width = motion.grid.shape[1:3]
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 3, height, width], align_corners=False)
    return [bool((grid - still[0]).abs().max() < 1e-6) for grid in motion.grid]


def test_no_shift_no_gain_and_no_noise_is_the_identity() -> None:
    images = _images()
    motion = _shift(images)
    torch.testing.assert_close(motion.moved(images), images, atol=1e-2, rtol=0)
    torch.testing.assert_close(motion.next_frame(images), images, atol=1e-2, rtol=0)
    assert motion.inside.min() == 1


@pytest.mark.parametrize(("down_px", "right_px"), [(3, 0), (0, -5), (-2, 4)])
def test_a_shift_moves_the_image_as_rolling_it_does(down_px: int, right_px: int) -> None:
    images = _images()
    motion = _shift(images, down_px, right_px)
    rolled = np.roll(images.numpy(), (down_px, right_px), axis=(2, 3))
    inside = motion.inside.bool().expand(images.shape).numpy()
    np.testing.assert_allclose(motion.moved(images).numpy()[inside], rolled[inside], atol=0.02)
    known = (40 - abs(down_px)) * (56 - abs(right_px))
    assert motion.inside.sum((1, 2, 3)).tolist() == [known, known], "the rest would come from outside"


def test_what_comes_from_outside_is_reflected() -> None:
    images = _images(1)
    moved = _shift(images, right_px=1).moved(images)
    torch.testing.assert_close(moved[..., 0], images[..., 0], atol=0.02, rtol=0)


def test_the_next_frame_has_gain_and_noise_and_is_a_image() -> None:
    images = _images()
    motion = replace(_shift(images), gain=torch.full((2, 1, 1, 1), 1.5), noise=torch.full(images.shape, 10.0))
    torch.testing.assert_close(motion.next_frame(images), (images * 1.5 + 10).clamp(0, 255), atol=0.02, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_random_motions_are_small(seed: int) -> None:
    images = _images(8, 128, 96)
    motion = _motion(images, seed)
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 3, 128, 96], align_corners=False)
    distance_px = (motion.grid - still).abs() * torch.tensor([96 / 2, 128 / 2])
    assert distance_px.max() < 20
    assert motion.gain.sub(1).abs().max() <= 0.08
    assert motion.noise.abs().mean() < 20
    assert motion.inside.mean() > 0.7
    assert ((motion.inside == 0) | (motion.inside == 1)).all()
    next_frame = motion.next_frame(images)
    assert next_frame.min() >= 0
    assert next_frame.max() <= 255


@pytest.mark.parametrize("seed", range(4))
def test_every_second_image_stays_still(seed: int) -> None:
    still = _is_still(_motion(_images(6), seed))
    assert still in ([False, True] * 3, [True, False] * 3)


def test_still_images_have_gain_and_noise_all_the_same() -> None:
    motion = _motion(_images(4))
    assert (motion.gain != 1).all()
    assert (motion.noise.flatten(1).std(1) > 0).all()


def test_batches_of_one_image_move_about_half_of_the_time() -> None:
    """As the members of a team have them: else every image of their batch would move, or none."""
    still = [_is_still(_motion(_images(1), seed))[0] for seed in range(40)]
    assert 8 < sum(still) < 32


def test_the_generator_decides_the_motion() -> None:
    images = _images(4)
    first, again, other = (_motion(images, seed) for seed in (1, 1, 2))
    for name in ("grid", "inside", "gain", "noise"):
        assert torch.equal(getattr(first, name), getattr(again, name)), name
    assert not torch.equal(first.grid, other.grid)
    assert not torch.equal(first.noise, other.noise)


def test_the_generator_of_everybody_else_is_left_alone() -> None:
    before = torch.get_rng_state()
    _motion(_images())
    assert torch.equal(torch.get_rng_state(), before)


def _stylized(image: Tensor) -> Tensor:
    return image


def _brighter(image: Tensor) -> Tensor:
    return 0.5 * image + 80


@pytest.mark.parametrize("network", [_stylized, _brighter])
def test_a_network_that_moves_with_the_image_has_no_loss(network: Callable[[Tensor], Tensor]) -> None:
    images = _images(4)
    motion = _quiet(_motion(images))
    assert steadiness_loss(network(images), network(motion.next_frame(images)), motion) < 1e-5


def test_noise_that_a_network_lets_through_is_a_loss() -> None:
    images = _images(4)
    motion = _motion(images)
    loud, quiet = (steadiness_loss(images, m.next_frame(images), m) for m in (motion, _quiet(motion)))
    assert loud > quiet + 1e-3


def test_the_loss_is_the_mean_change_as_a_share_of_the_range() -> None:
    images = _images(2)
    motion = _shift(images, right_px=2)
    loss = steadiness_loss(images, motion.moved(images) + 51, motion)
    assert loss.item() == pytest.approx(0.2, rel=1e-4)


def test_the_loss_grows_with_flicker() -> None:
    images = _images(2)
    motion = _quiet(_motion(images))
    flicker = torch.randn(images.shape, generator=torch.Generator().manual_seed(3))
    losses = [steadiness_loss(images, motion.moved(images) + size * flicker, motion).item() for size in (0, 5, 10, 40)]
    assert losses == sorted(losses)
    assert losses[2] == pytest.approx(2 * losses[1], rel=0.01)


def test_what_comes_from_outside_does_not_count() -> None:
    images = _images(2)
    motion = _shift(images, down_px=4)
    stylized = motion.moved(images)
    stylized[:, :, :4] = 0
    assert steadiness_loss(images, stylized, motion) < 1e-5


def test_a_static_pattern_on_the_screen_is_a_loss_when_the_image_moves() -> None:
    images = _images(2)
    pattern = torch.linspace(0, 200, 56).expand(images.shape)
    assert steadiness_loss(pattern, pattern, _shift(images, right_px=5)) > 0.05


def test_both_frames_are_trained() -> None:
    images = _images(2)
    motion = _motion(images)
    first, second = images.clone().requires_grad_(), motion.next_frame(images).requires_grad_()
    steadiness_loss(first, second, motion).backward()  # type: ignore[no-untyped-call]
    for frame in (first, second):
        assert frame.grad is not None
        assert frame.grad.isfinite().all()
        assert frame.grad.abs().sum() > 0
