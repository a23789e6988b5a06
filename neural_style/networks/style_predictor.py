"""Owns `StylePredictor`: any image in, the style vectors out that stylize like it (Ghiasi et al. 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neural_style.networks.fast_net import SPACE_TO_DEPTH_PX, FastNet

INPUT_SHORT_SIDE_PX, MAX_ASPECT = 256, 2.0
"""The shorter side that a style image is resized to before it is looked at, and what a longer one may be at most."""

_LEVELS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
"""How bright a pixel must be to count, 0..1: together they say how a colour channel is distributed."""

_PROJECTED = 16
"""Channels whose correlations are looked at; those of all would be too many numbers to learn from so few images."""

EPSILON, LARGEST = 1e-3, 4.0
"""What keeps a flat image's deviation above 0; and how far numbers may lie from the usual, in standard
deviations: an image unlike all that were learned from is taken for the most extreme of those."""


class StylePredictor(nn.Module):
    """Looks at an image with the first layers of a trunk, and maps what their statistics say to style vectors.

    The description of an image is the distribution of its colours and, at full and at half size, means, deviations
    and correlations of the features of a `FastNet`'s stem and first residual block. Two linear layers with a ReLU
    between make few numbers of it, and one linear layer for each network its style vector.

    Args:
        vector_sizes: the length of the style vectors of each network, by its name.
        width: channels of the trunk whose eyes are used.
        hidden: numbers after the first linear layer.
        code: numbers after the second.
    """

    def __init__(self, vector_sizes: dict[str, int], width: int = 48, hidden: int = 96, code: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3 * SPACE_TO_DEPTH_PX**2, width, 3)
        self.block = nn.ModuleList([nn.Conv2d(width, width, 3), nn.Conv2d(width, width, 3)])
        self.projections = nn.ModuleList(nn.Conv2d(width, _PROJECTED, 1, bias=False) for _ in range(2))
        for projection in self.projections:
            nn.init.orthogonal_(projection.weight)  # type: ignore[arg-type]
        upper = torch.triu_indices(_PROJECTED, _PROJECTED)
        self.upper = nn.Buffer(upper[0] * _PROJECTED + upper[1], persistent=False)
        size = 6 + 3 + 3 * len(_LEVELS) + 2 * (6 * width + 2 * len(self.upper))
        self.levels = nn.Buffer(torch.tensor(_LEVELS))
        self.usual, self.spread = nn.Buffer(torch.zeros(size)), nn.Buffer(torch.ones(size))
        self.hidden, self.code = nn.Linear(size, hidden), nn.Linear(hidden, code)
        self.heads = nn.ModuleDict({name: nn.Linear(code, length) for name, length in vector_sizes.items()})

    @torch.no_grad()
    def start_from(self, networks: dict[str, FastNet]) -> None:
        """Takes the eyes of the network `fast`, and starts each head with the main directions of known styles."""
        eyes = networks["fast"]
        self.stem.load_state_dict(eyes.stem.state_dict())
        for ours, theirs in zip(self.block, eyes.trunk[:2], strict=True):
            ours.load_state_dict(theirs.state_dict())
        for name, network in networks.items():
            head, known = self.heads[name], network.style_vectors
            if not isinstance(head, nn.Linear):
                raise TypeError(f"head {name}: {type(head).__name__} where a linear layer is needed")
            head.bias.copy_(known.mean(0))
            _, sizes, directions = torch.linalg.svd(known - known.mean(0), full_matrices=False)
            count = min(len(known) - 1, head.in_features)
            head.weight.normal_(std=0.02)
            head.weight[:, :count] = (sizes[:count, None] * directions[:count]).T / len(known) ** 0.5

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Predicts the style vectors of images.

        Args:
            images: float32 (N, 3, H, W), RGB, 0..255; both sides at least 64 px, best with a shorter side of
                `INPUT_SHORT_SIDE_PX`.

        Returns:
            For each network's name float32 (N, vector_size).
        """
        code = self.encode(self.describe(images))
        return {name: head(code) for name, head in self.heads.items()}

    def encode(self, description: Tensor) -> Tensor:
        """From what `describe` gives to the few numbers that the heads read, float32 (N, code)."""
        usual = ((description - self.usual) / self.spread).clamp(-LARGEST, LARGEST)
        code: Tensor = self.code(F.relu(self.hidden(usual)))
        return code

    def describe(self, images: Tensor) -> Tensor:
        """Statistics of the colours and features of images as in `forward`, float32 (N, size)."""
        scaled = images / 255.0
        halved = F.avg_pool2d(scaled, 2)
        return torch.cat([self._colours(scaled), self._strokes(scaled), self._strokes(halved)], dim=1)

    def _colours(self, scaled: Tensor) -> Tensor:
        """Means, covariances and the shares above each level, float (N, 3 + 6 + 21), of float (N, 3, H, W)."""
        pixels = scaled.flatten(2)  # (N, 3, H * W)
        mean = pixels.mean(2, keepdim=True)
        centred = pixels - mean
        red, green, blue = centred.unbind(1)
        products = [(a * b).mean(1) for a, b in ((red, red), (green, green), (blue, blue), (red, green), (red, blue))]
        products.append((green * blue).mean(1))
        above = [F.relu(pixels - level).mean(2) for level in self.levels]
        return torch.cat([mean[:, :, 0], torch.stack(products, 1), *above], dim=1)

    def _strokes(self, scaled: Tensor) -> Tensor:
        """Statistics of the features of images, float (N, 6 * width + 2 * correlations), of float (N, 3, H, W)."""
        height, width = (side // SPACE_TO_DEPTH_PX * SPACE_TO_DEPTH_PX for side in scaled.shape[2:])
        cells = F.pixel_unshuffle(scaled[:, :, :height, :width] * 2 - 1, SPACE_TO_DEPTH_PX)
        first, numbers = self._normalized(self.stem(_reflect(cells)))
        features = F.relu(first)
        inside, more = self._normalized(self.block[0](_reflect(features)))
        last, most = self._normalized(features + self.block[1](_reflect(F.relu(inside))))
        seen = [self._correlations(self.projections[0](features)), self._correlations(self.projections[1](last))]
        return torch.cat([*numbers, *more, *most, *seen], dim=1)

    @staticmethod
    def _normalized(features: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Features of mean 0 and deviation 1, and the two that they had, each (N, C)."""
        mean = features.mean((2, 3), keepdim=True)
        centred = features - mean
        deviation = (centred.square().mean((2, 3), keepdim=True) + EPSILON).sqrt()
        return centred / deviation, (mean[:, :, 0, 0], deviation.log()[:, :, 0, 0])

    def _correlations(self, features: Tensor) -> Tensor:
        """Mean products of channels, each once, float (N, correlations)."""
        flat = features.flatten(2)  # (N, C, H * W)
        products = flat @ flat.transpose(1, 2) / flat.shape[2]
        return products.flatten(1)[:, self.upper]


def _reflect(features: Tensor) -> Tensor:
    return F.pad(features, (1, 1, 1, 1), mode="reflect")
