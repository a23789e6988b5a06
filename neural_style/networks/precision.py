"""Owns a network in the number format that it is computed in, kept from overflowing in half precision."""

from typing import TypeVar

import torch
from torch import nn

from neural_style.networks.transformer_net import TransformerNet

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)

LARGEST_HALF = 65504.0
"""The largest number of fp16."""

_LARGEST_PIXEL = 255.0


def first_layer_peak(network: TransformerNet) -> float:
    """The largest value that the first convolution can give for any image: 255 times its weights, and its bias.

    Behind it all values are normalized, so no other convolution of a trained network comes near.
    """
    convolution = network.conv1.conv2d
    peaks = _LARGEST_PIXEL * convolution.weight.detach().float().abs().flatten(1).sum(1)  # (C,)
    if convolution.bias is not None:
        peaks = peaks + convolution.bias.detach().float().abs()
    return float(peaks.max())


def in_precision(network: AnyNetwork, dtype: torch.dtype) -> AnyNetwork:
    """Puts a network's weights into a dtype; a first layer that would overflow in fp16 stays in fp32, with its norm.

    `FastNet` takes pixels of -1 to 1, and cannot overflow there.
    """
    if not isinstance(network, TransformerNet) or dtype != torch.float16 or first_layer_peak(network) <= LARGEST_HALF:
        return network.to(dtype=dtype)
    for name, child in network.named_children():
        if name not in ("conv1", "in1"):
            child.to(dtype=dtype)
    return network
