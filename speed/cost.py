"""Owns what a network costs by its definition: multiplications and bytes."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}


@dataclass(frozen=True)
class Cost:
    """What a network does for one pixel of a frame, whichever engine runs it.

    Attributes:
        macs: multiply-accumulate operations of all convolutions.
        values: numbers that the convolutions read and write: input and output.
    """

    macs: float
    values: float

    def bytes_in(self, precision: str) -> float:
        """Bytes for one pixel if each of these numbers went to memory once in a precision."""
        return self.values * _BYTES[precision]


def cost_per_pixel(network: nn.Module, size_wh: tuple[int, int]) -> Cost:
    """Counts one frame without computing it.

    Args:
        network: takes float (N, 3, H, W) and consists of convolutions.
        size_wh: width and height in px of the frame.
    """
    macs, values = 0, 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal macs, values
        assert isinstance(layer, nn.Conv2d)
        kernel_height, kernel_width = layer.kernel_size
        macs += output.numel() * (layer.in_channels // layer.groups) * kernel_height * kernel_width
        values += inputs[0].numel() + output.numel()

    network = network.to("meta")
    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    width, height = size_wh
    with torch.inference_mode():
        network(torch.empty(1, 3, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    return Cost(macs / (width * height), values / (width * height))
