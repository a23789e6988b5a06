"""Owns the statistics of images and features that losses compare: Gram matrices, colours, contrasts, grids."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_COLOUR_DIRECTIONS = 16
_COLOUR_SAMPLES = 1024

_PATCH_PX = 5
"""Side of the patches whose contrast is compared, and their distance: prime to the 4 px cells of `FastNet`."""

_PATCH_DIRECTIONS = 16
_PATCH_QUANTILES = 512

_GRID_PX = 8
"""Side of the largest cell that a network computes on."""

_GRID_WINDOW_CELLS = 16
"""More cells average strokes out better."""


class _Gram(torch.autograd.Function):
    """Products of channels, with a gradient in one multiplication and in the layout that convolutions want."""

    @staticmethod
    def forward(context: Any, features: Tensor) -> Tensor:
        context.save_for_backward(features)
        rows = features.permute(0, 2, 3, 1).flatten(1, 2)  # (N, H * W, C)
        return (rows.transpose(1, 2) @ rows).float() / rows.shape[1]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (features,) = context.saved_tensors
        rows = features.permute(0, 2, 3, 1).flatten(1, 2)
        both_ways = ((gradients[0] + gradients[0].transpose(1, 2)) / rows.shape[1]).to(rows.dtype)
        gradient: Tensor = (rows @ both_ways).unflatten(1, features.shape[2:]).permute(0, 3, 1, 2)
        return gradient


def gram(features: Tensor) -> Tensor:
    """Mean over pixels of the products of channels (Johnson et al. 2016, eq. 3, without the C).

    Args:
        features: float (N, C, H, W); computed in its dtype, fastest in channels-last layout.

    Returns:
        float32 (N, C, C).
    """
    products: Tensor = _Gram.apply(features)  # type: ignore[no-untyped-call]
    return products


def covariance(features: Tensor) -> Tensor:
    """Covariance of the channels over pixels.

    Args:
        features: as for `gram`.

    Returns:
        float32 (N, C, C).
    """
    return gram(features - features.mean((2, 3), keepdim=True))


def sorted_colours(images: Tensor) -> Tensor:
    """Colours along fixed directions of the colour cube, in order: a quantile function for each direction.

    Two images' mean square difference of these is the squared sliced Wasserstein
    distance of their colours (Rabin et al. 2011).

    Args:
        images: float (N, 3, H, W), 0..255.

    Returns:
        float32 (N, directions, samples), of values scaled to 0..1.
    """
    generator = torch.Generator().manual_seed(0)
    directions = F.normalize(torch.randn(_COLOUR_DIRECTIONS, 3, generator=generator), dim=1).to(images.device)
    flat = images.flatten(2).float() / 255.0  # (N, 3, H * W)
    places = torch.arange(_COLOUR_SAMPLES, device=flat.device) * (flat.shape[2] - 1) // (_COLOUR_SAMPLES - 1)
    return (directions @ flat[:, :, places]).sort(dim=2).values


def sorted_contrasts(images: Tensor) -> list[Tensor]:
    """Small patches without their mean colour, along fixed directions, in order, at full and at half size.

    As `sorted_colours` for patches of 5 x 5 px (of textures Heitz et al. 2021, arXiv 2006.07229).

    Args:
        images: float (N, 3, H, W), 0..255; both sides at least 10 px.

    Returns:
        For each scale float32 (N, directions, quantiles), of pixels scaled to 0..1.
    """
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(_PATCH_DIRECTIONS, 3, _PATCH_PX, _PATCH_PX, generator=generator)
    directions = directions - directions.mean((2, 3), keepdim=True)
    directions = F.normalize(directions.flatten(1), dim=1).view_as(directions).to(images.device)
    scaled = images.float() / 255.0
    quantiles = []
    for view in (scaled, F.avg_pool2d(scaled, 2)):
        contrasts = F.conv2d(view, directions, stride=_PATCH_PX).flatten(2).sort(dim=2).values
        places = torch.linspace(0, contrasts.shape[2] - 1, _PATCH_QUANTILES, device=view.device).round().long()
        quantiles.append(contrasts[:, :, places])
    return quantiles


def standardized_luminance(images: Tensor) -> Tensor:
    """The luminance (ITU-R BT.601) brought to the same mean and spread in every image.

    Args:
        images: float (N, 3, H, W), 0..255.

    Returns:
        float (N, 3, H, W), three equal channels of mean 127.5 and deviation 64; a flat image stays flat.
    """
    weights = images.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    luminance = (images * weights).sum(1, keepdim=True)
    centred = luminance - luminance.mean((2, 3), keepdim=True)
    deviation = (centred.square().mean((2, 3), keepdim=True) + 1.0).sqrt()
    return (127.5 + 64.0 * centred / deviation).expand(-1, 3, -1, -1)


def grid_power(images: Tensor) -> Tensor:
    """How much of an image repeats every 8 px, which includes what repeats every 4 or 2 px.

    In each window, pixels at the same place of their cells are averaged, which averages strokes out.
    A soft gradient leaves a plane, which is subtracted; what remains is a grid.

    Args:
        images: float (N, 3, H, W), 0..255; both sides at least a cell.

    Returns:
        float (N,), the mean square over the places of a cell, of pixels scaled to 0..1.
    """
    side = min(_GRID_WINDOW_CELLS, min(images.shape[2:]) // _GRID_PX)  # cells on a window's side
    rows, columns = (length // (side * _GRID_PX) for length in images.shape[2:])
    whole = images[:, :, : rows * side * _GRID_PX, : columns * side * _GRID_PX] / 255.0
    cells = whole.reshape(len(images), 3, rows, side, _GRID_PX, columns, side, _GRID_PX)
    means = cells.mean((3, 6)).transpose(3, 4)  # (N, 3, rows, columns, 8, 8)
    ramp = torch.linspace(-1.0, 1.0, _GRID_PX, device=means.device)
    ramp = ramp / ramp.square().mean().sqrt()
    down = ramp[:, None] * (means * ramp[:, None]).mean((4, 5), keepdim=True)
    right = ramp * (means * ramp).mean((4, 5), keepdim=True)
    rest = means - means.mean((4, 5), keepdim=True) - down - right
    return rest.square().flatten(1).mean(1)
