"""Owns the training losses: content, style, colour and smoothness.

Must not know where the pictures come from or which network painted them.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from neural_style.loss_network import Features, LossNetwork

_FLAT_COVARIANCE = 1e-4
"""Keeps a style picture of a single colour from dividing by zero."""


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts.

    Attributes:
        content: low paints over the content, high leaves the photograph.
        style: weight of all Gram terms together.
        colour: match of the pixels' mean and covariance.
        smoothness: total variation.
        range: pixels outside of 0..255, which a screen would cut off.
    """

    content: float = 1.0
    style: float = 1.0
    colour: float = 0.5
    smoothness: float = 0.5
    range: float = 20.0


@dataclass(frozen=True)
class StyleTarget:
    """What the losses remember of one style picture.

    Attributes:
        grams: float (C, C) for each style layer.
        pixel_mean: float (3,), 0..1.
        pixel_covariance: float (3, 3).
    """

    grams: list[Tensor]
    pixel_mean: Tensor
    pixel_covariance: Tensor


def gram(features: Tensor) -> Tensor:
    """Mean over pixels of the products of channels (Johnson et al. 2016, eq. 3, without the C).

    Args:
        features: float (N, C, H, W).

    Returns:
        float32 (N, C, C).
    """
    flat = features.flatten(2).float()
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def pixel_statistics(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, 3) and covariance (N, 3, 3) of float (N, 3, H, W) pictures in 0..255, scaled to 0..1."""
    flat = pictures.flatten(2).float() / 255.0
    mean = flat.mean(2)
    centred = flat - mean[:, :, None]
    return mean, centred @ centred.transpose(1, 2) / flat.shape[2]


@torch.no_grad()
def style_target(loss_network: LossNetwork, picture: Tensor) -> StyleTarget:
    """Reads the statistics of one style picture, float (1, 3, H, W) in 0..255."""
    mean, covariance = pixel_statistics(picture)
    grams = [gram(layer)[0] for layer in loss_network(picture).style]
    return StyleTarget(grams, mean[0], covariance[0])


class PerceptualLoss:
    """Compares stylized pictures with their content and their styles.

    Args:
        loss_network: frozen, on the device of the pictures.
        targets: one for each style.
        weights: how much each term counts.
    """

    def __init__(self, loss_network: LossNetwork, targets: list[StyleTarget], weights: LossWeights) -> None:
        self._network = loss_network
        self._weights = weights
        self._grams = [torch.stack(layer) for layer in zip(*(t.grams for t in targets), strict=True)]
        self._means = torch.stack([t.pixel_mean for t in targets])
        self._covariances = torch.stack([t.pixel_covariance for t in targets])

    def __call__(self, stylized: Tensor, content: Features, styles: Tensor) -> dict[str, Tensor]:
        """Computes the weighted terms; their sum is what training minimizes.

        Args:
            stylized: float (N, 3, H, W), 0..255.
            content: features of the photographs that were stylized.
            styles: int64 (N,), the row of `targets` for each picture.

        Returns:
            Scalars by name: content, style, colour, smoothness, range.
        """
        features = self._network(stylized)
        return {
            "content": self._weights.content * _content_loss(features.content, content.content),
            "style": self._weights.style * self._style_loss(features.style, styles),
            "colour": self._weights.colour * self._colour_loss(stylized, styles),
            "smoothness": self._weights.smoothness * _total_variation(stylized),
            "range": self._weights.range * _excess(stylized),
        }

    def _style_loss(self, layers: list[Tensor], styles: Tensor) -> Tensor:
        terms = []
        for layer, targets, weight in zip(layers, self._grams, self._network.style_weights, strict=True):
            target = targets[styles]  # (N, C, C)
            error = (gram(layer) - target).square().sum((1, 2)) / target.square().sum((1, 2))
            terms.append(weight * error.mean())
        return torch.stack(terms).sum()

    def _colour_loss(self, stylized: Tensor, styles: Tensor) -> Tensor:
        mean, covariance = pixel_statistics(stylized)
        mean_error = (mean - self._means[styles]).square().sum(1)
        spread_error = (covariance - self._covariances[styles]).square().sum((1, 2))
        size = self._covariances[styles].square().sum((1, 2)) + _FLAT_COVARIANCE
        return (mean_error / 0.05 + spread_error / size).mean()


def _content_loss(stylized: Tensor, photograph: Tensor) -> Tensor:
    """Mean square difference of instance-normalized features: shape counts, contrast does not."""
    return F.mse_loss(F.instance_norm(stylized.float()), F.instance_norm(photograph.float()))


def _total_variation(pictures: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, both ways, of 0..255 pictures scaled to 0..1."""
    scaled = pictures / 255.0
    down = (scaled[:, :, 1:] - scaled[:, :, :-1]).abs().mean()
    right = (scaled[:, :, :, 1:] - scaled[:, :, :, :-1]).abs().mean()
    return down + right


def _excess(pictures: Tensor) -> Tensor:
    """Mean square of how far pixels lie outside of 0..255, scaled to 0..1."""
    return ((pictures - pictures.clamp(0, 255)) / 255.0).square().mean()
