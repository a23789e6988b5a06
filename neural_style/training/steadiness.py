"""Owns what makes styles steady in video: random small motions of still images, and the loss on them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_MAX_SHIFT_PX = 6.0
_MAX_WARP_PX = 4.0
_WARP_CELLS = 4
_MAX_TURN = 0.04
"""Largest change of the two axes by rotation, scale and shear, as a share of the side."""

_MAX_GAIN = 0.08
_MAX_NOISE = 10.0


@dataclass(frozen=True)
class Motion:
    """How the images of a batch move between two frames of an imagined video.

    Attributes:
        grid: float (N, H, W, 2), where each pixel comes from, as `grid_sample` takes it.
        inside: float (N, 1, H, W), 1 where it comes from inside of the image.
        gain: float (N, 1, 1, 1), change of exposure.
        noise: float (N, 3, H, W), on the 0..255 scale.
    """

    grid: Tensor
    inside: Tensor
    gain: Tensor
    noise: Tensor

    def moved(self, images: Tensor) -> Tensor:
        """The images after the motion, float (N, 3, H, W); reflected where nothing is known."""
        return F.grid_sample(images, self.grid, padding_mode="reflection", align_corners=False)

    def next_frame(self, images: Tensor) -> Tensor:
        """What a camera would see next: moved, with another exposure and fresh noise."""
        return (self.moved(images) * self.gain + self.noise).clamp(0, 255)


def random_motion(images: Tensor, generator: torch.Generator) -> Motion:
    """Draws a shift, a mild affine change, a smooth warp, a gain and noise for each image.

    Every second image stays still, as most of what a camera on a desk sees does.

    Args:
        images: float (N, 3, H, W), for shape and device.
        generator: on the CPU.
    """
    count, _, height, width = images.shape
    size = torch.tensor([width, height], dtype=torch.float32)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    first = torch.randint(2, (1,), generator=generator)  # so that batches of one image move every other time, too
    moves = ((torch.arange(count) + first) % 2).float()[:, None, None]
    affine = torch.eye(2, 3) + _MAX_TURN * moves * uniform(count, 2, 3) * torch.tensor([1.0, 1.0, 0.0])
    affine[:, :, 2:] += moves * uniform(count, 2, 1) * 2 * _MAX_SHIFT_PX / size[:, None]
    grid = F.affine_grid(affine, [count, 3, height, width], align_corners=False)
    knots = uniform(count, 2, _WARP_CELLS, _WARP_CELLS) * 2 * _MAX_WARP_PX / size[:, None, None]
    warp = F.interpolate(knots, (height, width), mode="bicubic", align_corners=False)
    grid = grid + (moves[..., None] * warp).permute(0, 2, 3, 1)
    fine = torch.randn(images.shape, generator=generator)
    coarse = torch.randn(count, 3, height // 3, width // 3, generator=generator)
    noise = fine + F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    level = _MAX_NOISE * torch.rand(count, 1, 1, 1, generator=generator).square()
    gain = 1 + _MAX_GAIN * uniform(count, 1, 1, 1)
    inside = (grid.abs().amax(3) < 1)[:, None].float()
    parts = (grid, inside, gain, level * noise)
    return Motion(*(part.to(images.device) for part in parts))


def steadiness_loss(stylized: Tensor, stylized_next: Tensor, motion: Motion) -> Tensor:
    """Compound regularization (Wang et al., AAAI 2020): |W S(x) - S(W x + n)|, scaled to 0..1.

    Args:
        stylized: float (N, 3, H, W), S(x), 0..255.
        stylized_next: S of `motion.next_frame(x)`, alike.
        motion: W and n.

    Returns:
        The mean over pixels that come from inside of the image.
    """
    difference = (motion.moved(stylized) - stylized_next).abs() * motion.inside
    return difference.sum() / (motion.inside.sum() * stylized.shape[1] * 255.0)
