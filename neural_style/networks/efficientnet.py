"""Owns the blocks of the EfficientNet-Lite networks, batch norms folded into the convolutions."""

import torch.nn.functional as F
from torch import Tensor, nn


class InvertedBottleneck(nn.Module):
    """A block of an EfficientNet-Lite with batch norms folded; gives its output and its expanded features.

    Args:
        state: the network's published weights.
        prefix: of the block's names in it, such as "_blocks.3.".
        stride: of the depthwise convolution.
        padded: reflect at the border; without, the output is smaller.
    """

    def __init__(self, state: dict[str, Tensor], prefix: str, stride: int, padded: bool) -> None:
        super().__init__()
        self.expand: nn.Conv2d | None = None
        if f"{prefix}_expand_conv.weight" in state:
            self.expand = folded_convolution(state, f"{prefix}_expand_conv", f"{prefix}_bn0")
        self.depthwise = folded_convolution(state, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride)
        self.project = folded_convolution(state, f"{prefix}_project_conv", f"{prefix}_bn2")
        self.margin = self.depthwise.kernel_size[0] // 2
        in_channels = (self.expand or self.depthwise).in_channels
        self.padded, self.adds = padded, stride == 1 and self.project.out_channels == in_channels

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Takes float (N, C, H, W); gives the output and the features after the expansion."""
        expanded = features if self.expand is None else F.relu6(self.expand(features))
        margin = self.margin
        inner = F.relu6(self.depthwise(_reflect(expanded, margin) if self.padded else expanded))
        output = self.project(inner)
        if self.adds:
            output = output + (features if self.padded else features[:, :, margin:-margin, margin:-margin])
        return output, expanded


def folded_convolution(state: dict[str, Tensor], name: str, norm: str, stride: int = 1) -> nn.Conv2d:
    """A convolution with the batch norm that follows it (epsilon 1e-3) multiplied in."""
    weight = state[f"{name}.weight"]  # (out, in / groups, k, k)
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-3).sqrt()
    out_channels, in_per_group, kernel, _ = weight.shape
    groups = out_channels if in_per_group == 1 and kernel > 1 else 1
    convolution = nn.Conv2d(in_per_group * groups, out_channels, kernel, stride, groups=groups)
    convolution.weight.data = weight * gain[:, None, None, None]
    convolution.bias = nn.Parameter(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)
    return convolution


def _reflect(features: Tensor, margin: int) -> Tensor:
    return F.pad(features, (margin, margin, margin, margin), mode="reflect")
