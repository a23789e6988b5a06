"""Owns what every loss network gives, and the loss network EfficientNet-Lite0."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neural_style.networks.efficientnet import InvertedBottleneck, folded_convolution


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
    """EfficientNet-Lite0 (ImageNet) with batch norms folded.

    Layers are taken after an expansion convolution (with norm and ReLU6), where a block
    has the most channels. Zero padding would show as a frame around images: the first
    blocks, whose maps are large, do without padding, the others reflect.

    Args:
        state: the published weights, names as in `efficientnet-lite0-57934424.pth`.
    """

    style_weights = (0.3, 0.3, 0.3, 1.0, 1.0, 2.0, 2.0, 2.0)
    close_up = 2

    _STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1)
    _STYLE_BLOCKS = (1, 2, 3, 4, 5, 6, 8)
    _CONTENT_BLOCK = 5
    _FIRST_PADDED_BLOCK = 3

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.stem = folded_convolution(state, "_conv_stem", "_bn0", stride=2)
        blocks = []
        for index, stride in enumerate(self._STRIDES):
            padded = index >= self._FIRST_PADDED_BLOCK
            blocks.append(InvertedBottleneck(state, f"_blocks.{index}.", stride, padded))
        self.blocks = nn.ModuleList(blocks)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Features:
        """See `LossNetwork.forward`."""
        scaled = ((images - 127.0) / 128.0).to(self.stem.weight.dtype, memory_format=torch.channels_last)
        features = F.relu6(self.stem(scaled))
        style, content = [features], features
        for index, block in enumerate(self.blocks):
            features, expanded = block(features)
            if index in self._STYLE_BLOCKS:
                style.append(expanded)
            if index == self._CONTENT_BLOCK:
                content = expanded
        return Features([content], style)
