"""Owns what every loss network gives, and the loss network EfficientNet-Lite0."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neural_style.networks.efficientnet import EfficientNetLite


@dataclass(frozen=True)
class Features:
    """What a loss network sees in a batch.

    Attributes:
        content: float (N, C, H, W) each, one layer or more.
        style: float (N, C, H, W) each, from shallow to deep.
    """

    content: list[Tensor]
    style: list[Tensor]


class LossNetwork(nn.Module):
    """The one interface of all loss networks. Weights may be half precision; they decide the features' dtype.

    Attributes:
        style_weights: weight of the Gram term of each style layer, in `Features.style` order.
        centred: whether styles are compared by the means and the covariances of channels, or by their
            Gram matrices; where features are never negative, means make nearly all of a Gram matrix, and
            strokes hardly count.
        close_up: how many times images are to be enlarged so that the network sees brush
            strokes; 1 where it does anyway.
    """

    style_weights: tuple[float, ...]
    centred: bool = False
    close_up: int

    def forward(self, images: Tensor) -> Features:
        """Computes features of float32 (N, 3, H, W) RGB images in 0..255."""
        raise NotImplementedError


class EfficientNetLoss(LossNetwork):
    """EfficientNet-Lite0; its first blocks, whose maps are large, do without padding.

    Args:
        state: the published weights, names as in `efficientnet-lite0-57934424.pth`.
    """

    style_weights = (0.3, 0.3, 0.3, 1.0, 1.0, 2.0, 2.0, 2.0)
    close_up = 2

    _STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1)
    _STYLE_BLOCKS = (1, 2, 3, 4, 5, 6, 8)
    _CONTENT_BLOCK = 5

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.network = EfficientNetLite(state, self._STRIDES, self._STYLE_BLOCKS, first_padded=3)

    def forward(self, images: Tensor) -> Features:
        """See `LossNetwork.forward`."""
        style = self.network(images.to(memory_format=torch.channels_last))
        return Features([style[1 + self._STYLE_BLOCKS.index(self._CONTENT_BLOCK)]], style)
