"""Owns the loss networks of the VGG family: VGG-16, VGG-19, and an encoder distilled from VGG-19."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neural_style.training.loss_network import Features, LossNetwork


@dataclass(frozen=True)
class VggLayers:
    """Which convolutions a VGG loss network computes, and which of their outputs the losses compare.

    Attributes:
        convolutions: names of the 3x3 convolutions in the weights, in order; each is followed by a ReLU.
        pooled_before: those that a 2x2 maximum pooling comes before.
        style: those whose output is a style layer, each with its weight.
        content: those whose output is a content layer, all weighing the same.
    """

    convolutions: tuple[str, ...]
    pooled_before: tuple[str, ...]
    style: dict[str, float]
    content: tuple[str, ...]


def _numbered(*numbers: int) -> tuple[str, ...]:
    """The names that torchvision gives to convolutions."""
    return tuple(f"features.{number}" for number in numbers)


_STYLE_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 0.3)
"""Of relu1_1 to relu5_1; the last has few pixels in a crop, so its covariances are mostly noise."""

VGG16_LAYERS = VggLayers(
    convolutions=_numbered(0, 2, 5, 7, 10, 12, 14, 17, 19, 21),
    pooled_before=_numbered(5, 10, 17),
    style=dict.fromkeys(_numbered(2, 7, 14, 21), 1.0),
    content=_numbered(7),
)
"""relu1_2, relu2_2, relu3_3, relu4_3; content relu2_2 (Johnson et al. 2016)."""

VGG19_LAYERS = VggLayers(
    convolutions=_numbered(0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28),
    pooled_before=_numbered(5, 10, 19, 28),
    style=dict(zip(_numbered(0, 5, 10, 19, 28), _STYLE_WEIGHTS, strict=True)),
    content=_numbered(10, 19),
)
"""relu1_1 to relu5_1 (Gatys et al. 2016); content relu3_1 and relu4_1."""

DISTILLED_LAYERS = VggLayers(
    convolutions=tuple(f"conv{n}" for n in (11, 12, 21, 22, 31, 32, 33, 34, 41, 42, 43, 44, 51)),
    pooled_before=("conv21", "conv31", "conv41", "conv51"),
    style=dict(zip(("conv11", "conv21", "conv31", "conv41", "conv51"), _STYLE_WEIGHTS, strict=True)),
    content=("conv31", "conv41"),
)
"""The layers of `VGG19_LAYERS` with a quarter of the channels (Wang et al. 2020, arXiv 2003.08436)."""

_MEAN = (0.485, 0.456, 0.406)
_SPREAD = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, 0..1, as torchvision's networks expect them."""


class VggLoss(LossNetwork):
    """A VGG with reflection padding; the zero padding of torchvision's own would show as a frame around images.

    Args:
        state: the network's weights by name. `conv0` (out, 3, 1, 1), where there is one, prepares
            0..1 RGB; without it, pixels are normalized as torchvision does.
        layers: the network's shape, and what is compared.
    """

    centred = True
    close_up = 1

    def __init__(self, state: dict[str, Tensor], layers: VggLayers) -> None:
        super().__init__()
        self._layers = layers
        self.style_weights = tuple(layers.style.values())
        weight, bias = _first(state)
        self.first_weight, self.first_bias = nn.Buffer(weight), nn.Buffer(bias)
        self.convolutions = nn.ModuleList(_convolution(state, name) for name in layers.convolutions)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Features:
        """See `LossNetwork.forward`."""
        scaled = (images / 255.0).to(memory_format=torch.channels_last)
        # In float32: with half the bits the mean colour would swallow faint strokes.
        features = F.conv2d(scaled, self.first_weight.float(), self.first_bias.float())
        features = features.to(self.first_weight.dtype)
        found: dict[str, Tensor] = {}
        for name, convolution in zip(self._layers.convolutions, self.convolutions, strict=True):
            if name in self._layers.pooled_before:
                features = F.max_pool2d(features, 2)
            features = F.relu(convolution(F.pad(features, (1, 1, 1, 1), mode="reflect")))
            found[name] = features
        return Features([found[name] for name in self._layers.content], [found[name] for name in self._layers.style])


def _convolution(state: dict[str, Tensor], name: str) -> nn.Conv2d:
    weight = state[f"{name}.weight"]  # (out, in, k, k)
    convolution = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    convolution.load_state_dict({"weight": weight, "bias": state[f"{name}.bias"]})
    return convolution


def _first(state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The 1x1 convolution of 0..1 RGB that comes first: the network's own, or ImageNet's mean and spread taken out."""
    if "conv0.weight" in state:
        return state["conv0.weight"], state["conv0.bias"]
    mean, spread = torch.tensor(_MEAN), torch.tensor(_SPREAD)
    return torch.diag(1 / spread)[:, :, None, None], -mean / spread
