"""Owns `FastNet`: one small trunk, every style a vector of norm scales and shifts."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SPACE_TO_DEPTH_PX = 4
"""Side of the pixel block that the stem folds into channels."""


@dataclass(frozen=True)
class FastNetShape:
    """Sizes of a `FastNet`; stored with its weights.

    Attributes:
        width: channels of the trunk at a quarter of the resolution.
        num_blocks: residual blocks in the trunk.
        head_width: channels at half the resolution.
        inner_width: channels at an eighth of the resolution.
        num_inner_blocks: residual blocks at an eighth of the resolution; 0 is a network without that part.
    """

    width: int = 48
    num_blocks: int = 3
    head_width: int = 16
    inner_width: int = 96
    num_inner_blocks: int = 0

    @property
    def cell_px(self) -> int:
        """Side of the largest cell that the network computes on; images are padded to whole cells."""
        return SPACE_TO_DEPTH_PX * (2 if self.num_inner_blocks else 1)

    @property
    def min_side_px(self) -> int:
        """The smallest side without padding: a reflection by one cell needs two of them."""
        return 2 * self.cell_px


FAST, FINE = FastNetShape(), FastNetShape(head_width=32, num_inner_blocks=5)
"""The sizes of the two networks that are shipped."""


NORM_EPSILON = 1e-2
"""Far below the variance of features on an image, far above that of rounding errors on a single colour."""

KERNEL_SIZE = 4.0
"""The norm that `settle` cuts kernels down to; features then vary by about 10."""


class ConditionalInstanceNorm(nn.Module):
    """Instance norm whose scale and shift come from outside (Dumoulin et al. 2017, eq. 5)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels, self.eps = channels, NORM_EPSILON

    def forward(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Normalizes each channel of each image over its pixels.

        Args:
            features: float (N, C, H, W).
            scale: float (N, C).
            shift: float (N, C).

        Returns:
            float (N, C, H, W).
        """
        normalized = F.instance_norm(features, eps=self.eps)
        return normalized * scale[:, :, None, None] + shift[:, :, None, None]


class FastNet(nn.Module):
    """Stylizes images with a small network at a quarter of their resolution.

    Space-to-depth by 4, a 3x3 convolution, residual blocks of two dense 3x3
    convolutions (Johnson et al. 2016), nearest 2x with a 3x3 convolution, then a
    3x3 convolution to 12 channels and depth-to-space by 2. Every convolution but
    the last is followed by a conditional instance norm. All padding is reflection.
    Where the shape asks for inner blocks, what the stem gives also goes through a 3x3
    convolution of stride 2, residual blocks at an eighth of the resolution, nearest 2x and
    a 3x3 convolution, and is added to what the stem gave: it sees 250 px instead of 70.

    To the output the input is added, times a number of the style, its share of the photograph.
    A style may learn to keep a little. The identity vector keeps all and its head gives 0, so that
    it returns the input exactly; a vector between it and a style gives that style at part of its strength.

    Attributes:
        shape: the sizes that the weights have.
        style_names: one name for each row of `style_vectors`.
        style_vectors: float (num_styles, vector_size); a row holds, norm by norm,
            all scales and then all shifts, and last the share of the photograph.
        identity_trunk: float (vector_size - 2 * head_width - 1,), the part of the
            identity vector that is trained.
    """

    family = "fast"

    def __init__(self, style_names: tuple[str, ...], shape: FastNetShape | None = None) -> None:
        super().__init__()
        self.shape = shape or FastNetShape()
        self.style_names = style_names
        width, head = self.shape.width, self.shape.head_width
        self.stem = nn.Conv2d(3 * SPACE_TO_DEPTH_PX**2, width, 3)
        self.inner_down, self.inner, self.inner_up = self._inner_convolutions()
        self.trunk = nn.ModuleList(nn.Conv2d(width, width, 3) for _ in range(2 * self.shape.num_blocks))
        self.head = nn.Conv2d(width, head, 3)
        self.to_pixels = nn.Conv2d(head, 12, 3, bias=False)
        self._spread_evenly(self.to_pixels)
        self.norms = nn.ModuleList(
            ConditionalInstanceNorm(c)
            for c in [width] + self._inner_norm_channels() + [width] * 2 * self.shape.num_blocks + [head]
        )
        neutral = self.neutral_vector()
        self.style_vectors = nn.Parameter(neutral.repeat(len(style_names), 1))
        self.identity_trunk = nn.Parameter(neutral[0, : -2 * head - 1].clone())

    def _inner_convolutions(self) -> tuple[nn.ModuleList, nn.ModuleList, nn.ModuleList]:
        """Down to an eighth of the resolution, the blocks there, and up again; empty without inner blocks."""
        count, width, inner = self.shape.num_inner_blocks, self.shape.width, self.shape.inner_width
        ends = 1 if count else 0
        return (
            nn.ModuleList(nn.Conv2d(width, inner, 3, stride=2) for _ in range(ends)),
            nn.ModuleList(nn.Conv2d(inner, inner, 3) for _ in range(2 * count)),
            nn.ModuleList(nn.Conv2d(inner, width, 3) for _ in range(ends)),
        )

    def _inner_norm_channels(self) -> list[int]:
        count = self.shape.num_inner_blocks
        return [self.shape.inner_width] * (1 + 2 * count) + [self.shape.width] if count else []

    @property
    def first_trunk_norm(self) -> int:
        """The number of the norm after the trunk's first convolution."""
        return 1 + len(self._inner_norm_channels())

    @property
    def vector_size(self) -> int:
        """Number of values in one style vector."""
        return int(self.style_vectors.shape[1])

    @property
    def norm_channels(self) -> list[int]:
        """Channels of each conditional instance norm, in the order of a style vector."""
        return [norm.channels for norm in self.norms if isinstance(norm, ConditionalInstanceNorm)]

    @property
    def identity_vector(self) -> Tensor:
        """The style vector that gives back the image that came in: float (vector_size,)."""
        silent_head = self.identity_trunk.new_zeros(2 * self.shape.head_width)
        return torch.cat([self.identity_trunk, silent_head, self.identity_trunk.new_ones(1)])

    @torch.no_grad()
    def settle(self) -> None:
        """Makes features small without changing an image, so that few bits hold them.

        Two things have no effect, because the next norm takes them out again: what the last norm of a
        block adds to all pixels, and the size of a kernel. In training they drift to large values; here
        the first becomes 0 and the second at most `KERNEL_SIZE`.
        """
        self.settle_styles()
        identity = self._settled(self.identity_vector[None])[0]
        self.identity_trunk.copy_(identity[: len(self.identity_trunk)])
        for convolution in (self.stem, *self.inner_down, *self.inner, *self.inner_up, *self.trunk, self.head):
            size = convolution.weight.flatten(1).norm(dim=1)  # (D,)
            convolution.weight.mul_((KERNEL_SIZE / size).clamp(max=1)[:, None, None, None])

    @torch.no_grad()
    def settle_styles(self) -> None:
        """The part of `settle` that leaves the network's other weights as they are."""
        self.style_vectors.copy_(self._settled(self.style_vectors))

    def _settled(self, style_vectors: Tensor) -> Tensor:
        """The same styles, float (N, vector_size), without the shifts that the next norm takes out again."""
        first, head = self.first_trunk_norm, len(self.norms) - 1
        added = {*range(first + 1, head, 2), *range(3, first - 1, 2), *([first - 1] if first > 1 else [])}
        kept = style_vectors.clone()
        start = 0
        for norm, channels in enumerate(self.norm_channels):
            start += 2 * channels
            if norm in added:
                kept[:, start - channels : start] = 0
        return kept

    def neutral_vector(self) -> Tensor:
        """Scale 1 and shift 0 at every norm, nothing of the photograph: float (1, vector_size)."""
        parts = [torch.cat([torch.ones(c), torch.zeros(c)]) for c in self.norm_channels]
        return torch.cat([*parts, torch.zeros(1)])[None]

    @staticmethod
    @torch.no_grad()
    def _spread_evenly(convolution: nn.Conv2d) -> None:
        """Starts the four pixels of a depth-to-space cell equal, so that no grid is there to unlearn.

        Initialization "ICNR" of Aitken et al. 2017, arXiv 1707.02937.
        """
        weight = convolution.weight  # (3 colours * 4 cells, C, 3, 3)
        one_cell = weight[::4].clone()
        weight.copy_(one_cell.repeat_interleave(4, dim=0))

    def forward(self, images: Tensor, style_vectors: Tensor | None = None) -> Tensor:
        """Stylizes a batch.

        Args:
            images: float32 (N, 3, H, W), RGB, 0..255; any height and width. They are
                scaled before they are rounded to the weights' dtype.
            style_vectors: float (N, vector_size) or (1, vector_size); without it
                the first style is used.

        Returns:
            float32 (N, 3, H, W), RGB, not clamped to 0..255.
        """
        height, width = images.shape[2:]
        if style_vectors is None:
            style_vectors = self.style_vectors[:1]
        modulations = self.by_norm(style_vectors.to(self.stem.weight.dtype).expand(images.shape[0], -1))
        scaled = _pad_to_cells(images, self.shape) / 127.5 - 1.0
        cells = scaled.to(self.stem.weight.dtype)
        features = F.pixel_unshuffle(cells, SPACE_TO_DEPTH_PX)  # (N, 48, H/4, W/4)
        features = F.relu(self._conv_norm(self.stem, features, 0, modulations))
        if self.shape.num_inner_blocks:
            features = features + self._inner_branch(features, modulations)
        features = self._residual_blocks(self.trunk, features, self.first_trunk_norm, modulations)
        features = F.interpolate(features, scale_factor=2.0, mode="nearest")
        features = F.relu(self._conv_norm(self.head, features, len(self.norms) - 1, modulations))
        pixels = F.pixel_shuffle(self.to_pixels(_reflect(features)), 2).float()  # (N, 3, H, W)
        pixels = pixels + style_vectors[:, -1, None, None, None].float() * scaled
        return ((pixels + 1.0) * 127.5)[:, :, :height, :width]

    def _inner_branch(self, features: Tensor, modulations: list[tuple[Tensor, Tensor]]) -> Tensor:
        """What is seen at an eighth of the resolution, brought back to a quarter, float (N, width, H / 4, W / 4)."""
        inner = F.relu(self._conv_norm(self.inner_down[0], features, 1, modulations))
        inner = self._residual_blocks(self.inner, inner, 2, modulations)
        inner = F.interpolate(inner, scale_factor=2.0, mode="nearest")
        return self._conv_norm(self.inner_up[0], inner, self.first_trunk_norm - 1, modulations)

    def _residual_blocks(
        self, convolutions: nn.ModuleList, features: Tensor, first_norm: int, modulations: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        for block in range(len(convolutions) // 2):
            first, second, norm = convolutions[2 * block], convolutions[2 * block + 1], first_norm + 2 * block
            inside = F.relu(self._conv_norm(first, features, norm, modulations))
            features = features + self._conv_norm(second, inside, norm + 1, modulations)
        return features

    def by_norm(self, style_vectors: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Cuts (N, vector_size) into a (scale, shift) pair, each (N, C), for every norm; they share its memory."""
        sizes = [c for channels in self.norm_channels for c in (channels, channels)]
        parts = torch.split(style_vectors[:, :-1], sizes, dim=1)
        return list(zip(parts[::2], parts[1::2], strict=True))

    def _conv_norm(
        self, convolution: nn.Module, features: Tensor, norm: int, modulations: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        normalized: Tensor = self.norms[norm](convolution(_reflect(features)), *modulations[norm])
        return normalized


def _reflect(features: Tensor) -> Tensor:
    return F.pad(features, (1, 1, 1, 1), mode="reflect")


def _pad_to_cells(images: Tensor, shape: FastNetShape) -> Tensor:
    """Repeats the last row and column until both sides are whole cells, at least two of them."""
    height, width = images.shape[2:]
    bottom = max(shape.min_side_px - height, -height % shape.cell_px)
    right = max(shape.min_side_px - width, -width % shape.cell_px)
    return F.pad(images, (0, right, 0, bottom), mode="replicate")
