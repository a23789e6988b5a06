"""Owns stylizing single images, as arrays, with a network of any family."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neural_style.networks.fast_net import FastNet
from neural_style.weights.checkpoint import StyleNetwork


class ImageStylizer:
    """One style of a network, as a function of an image.

    Args:
        network: on its device.
        style: index of the style, or for a `FastNet` a style vector, float (vector_size,).
    """

    def __init__(self, network: StyleNetwork, style: int | Tensor) -> None:
        self._network, self._vector = network, None
        if isinstance(network, FastNet):
            self._vector = (network.style_vectors[style] if isinstance(style, int) else style)[None]

    @torch.inference_mode()
    def unrounded(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Stylizes float32 (H, W, 3) RGB, 0..255; the result may lie outside of 0..255."""
        device = next(self._network.parameters()).device
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(device)  # (1, 3, H, W)
        stylized = self._network(pixels, self._vector)
        return np.asarray(stylized[0].permute(1, 2, 0).cpu().numpy(), np.float32)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stylizes uint8 (H, W, 3) RGB."""
        return self.unrounded(image.astype(np.float32)).round().clip(0, 255).astype(np.uint8)
