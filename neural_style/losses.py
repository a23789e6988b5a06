"""Owns the training losses: content, style, colour, contrast, smoothness, grid and range.

Must not know where the pictures come from or which network painted them.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from neural_style.loss_network import Features, LossNetwork

_CLOSE_UP_SHARE = 0.5
"""Side of the part that is looked at enlarged, as a share of the picture's side."""

_COLOUR_DIRECTIONS = 16
_COLOUR_SAMPLES = 1024

_PATCH_PX = 5
"""Side of the patches whose contrast is compared, and their distance: prime to the 4 px cells of `FastNet`."""

_PATCH_DIRECTIONS = 16
_PATCH_QUANTILES = 512
_NO_FEATURES = 1e-12
"""Keeps the statistics of a flat image, which are none, from a division by zero."""

_FLAT = 1e-5
"""Mean square contrast, pixels 0..1, below which a picture counts as flat."""


_GRID_PX = 8
"""Side of the largest cell that a network computes on."""

_GRID_WINDOW_CELLS = 16
"""Strokes of one window average out the better the more cells it has."""


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts.

    Attributes:
        content: low paints over the content, high leaves the photograph.
        style: weight of all Gram terms together.
        colour: match of the distribution of colours.
        contrast: match of the distribution of what differs within small patches; without it a
            network learns to be steady by painting fainter.
        smoothness: total variation.
        grid: patterns in step with the cells that a network computes on, see `grid_power`.
        range: pixels outside of 0..255, which a screen would cut off.
        steadiness: pictures that move with what they show (`neural_style.steadiness`).
    """

    content: float = 0.45
    style: float = 1.0
    colour: float = 50.0
    contrast: float = 1.5
    smoothness: float = 0.5
    grid: float = 0.0
    range: float = 20.0
    steadiness: float = 12.0


@dataclass(frozen=True)
class StyleTarget:
    """What the losses remember of one style picture.

    Attributes:
        statistics: for each style layer of each view its Gram matrix, float (C, C), or its covariance,
            float (C, C), and its mean, float (C, 1).
        colours: float (directions, samples), see `sorted_colours`.
        contrasts: float (directions, quantiles) for each scale, see `sorted_contrasts`.
    """

    statistics: list[Tensor]
    colours: Tensor
    contrasts: list[Tensor]


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


def sorted_colours(pictures: Tensor) -> Tensor:
    """Colours along fixed directions of the colour cube, in order: a quantile function for each direction.

    Two pictures' mean square difference of these is the squared sliced Wasserstein
    distance of their colours (Rabin et al. 2011).

    Args:
        pictures: float (N, 3, H, W), 0..255.

    Returns:
        float32 (N, directions, samples), of values scaled to 0..1.
    """
    generator = torch.Generator().manual_seed(0)
    directions = F.normalize(torch.randn(_COLOUR_DIRECTIONS, 3, generator=generator), dim=1).to(pictures.device)
    flat = pictures.flatten(2).float() / 255.0  # (N, 3, H * W)
    places = torch.arange(_COLOUR_SAMPLES, device=flat.device) * (flat.shape[2] - 1) // (_COLOUR_SAMPLES - 1)
    return (directions @ flat[:, :, places]).sort(dim=2).values


def sorted_contrasts(pictures: Tensor) -> list[Tensor]:
    """What small patches show beside their mean colour, along fixed directions, in order, at one and at half the size.

    As `sorted_colours` for patches of 5 x 5 px (of textures Heitz et al. 2021, arXiv 2006.07229).

    Args:
        pictures: float (N, 3, H, W), 0..255; both sides at least 10 px.

    Returns:
        For each scale float32 (N, directions, quantiles), of pixels scaled to 0..1.
    """
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(_PATCH_DIRECTIONS, 3, _PATCH_PX, _PATCH_PX, generator=generator)
    directions = directions - directions.mean((2, 3), keepdim=True)
    directions = F.normalize(directions.flatten(1), dim=1).view_as(directions).to(pictures.device)
    scaled = pictures.float() / 255.0
    quantiles = []
    for view in (scaled, F.avg_pool2d(scaled, 2)):
        contrasts = F.conv2d(view, directions, stride=_PATCH_PX).flatten(2).sort(dim=2).values
        places = torch.linspace(0, contrasts.shape[2] - 1, _PATCH_QUANTILES, device=view.device).round().long()
        quantiles.append(contrasts[:, :, places])
    return quantiles


class PerceptualLoss:
    """Compares stylized pictures with their content and their styles.

    A picture is looked at whole, and where the loss network asks for it, a part of it
    also enlarged: the whole shows large strokes and composition, the part the brush.

    Args:
        network: frozen, on the device of the pictures.
        style_pictures: float (1, 3, H, W) in 0..255, one for each style.
        weights: how much each term counts.
        content_weights: a factor on the content term for each style.
    """

    def __init__(
        self,
        network: LossNetwork,
        style_pictures: list[Tensor],
        weights: LossWeights,
        content_weights: tuple[float, ...],
    ) -> None:
        self._network, self._weights = network, weights
        targets = [self._target(picture) for picture in style_pictures]
        self._statistics = [torch.stack(values) for values in zip(*(t.statistics for t in targets), strict=True)]
        self._colours = torch.stack([t.colours for t in targets])
        self._contrasts = [torch.stack(scale) for scale in zip(*(t.contrasts for t in targets), strict=True)]
        self._content_weights = self._colours.new_tensor(content_weights)

    def __call__(
        self, stylized: Tensor, photographs: Tensor, styles: Tensor, strengths: Tensor, corner: tuple[float, float]
    ) -> dict[str, Tensor]:
        """Computes the weighted terms; their sum is what training minimizes.

        Args:
            stylized: float32 (N, 3, H, W), 0..255.
            photographs: what was stylized, alike.
            styles: int64 (N,), the row of `style_pictures` for each picture.
            strengths: float (N,), 0..1: the style's statistics count in this proportion, the
                photograph's own in the rest.
            corner: where the enlarged part lies, 0..1 down and right.

        Returns:
            Scalars by name: content, style, colour, smoothness, range, and where they count contrast and grid.
        """
        views = [self._network(view) for view in self._views(stylized, corner)]
        with torch.no_grad():
            originals = [self._network(view) for view in self._views(photographs, corner)]
        content = [_content_errors(a, b) for a, b in zip(views, originals, strict=True)]
        terms = {
            "content": self._weights.content * (torch.stack(content).mean(0) * self._content_weights[styles]).mean(),
            "style": self._weights.style * self._style_loss(views, originals, styles, strengths),
            "colour": self._weights.colour * self._colour_loss(stylized, photographs, styles, strengths),
            "smoothness": self._weights.smoothness * _total_variation(stylized),
            "range": self._weights.range * _excess(stylized),
        }
        if self._weights.contrast > 0:
            contrast = self._contrast_loss(stylized, photographs, styles, strengths)
            terms["contrast"] = self._weights.contrast * contrast
        if self._weights.grid > 0:
            terms["grid"] = self._weights.grid * grid_power(stylized).mean()
        return terms

    def _views(self, pictures: Tensor, corner: tuple[float, float]) -> list[Tensor]:
        """The whole picture, and for a network with a close-up also a part of it, enlarged."""
        if self._network.close_up == 1:
            return [pictures]
        sides = [round(_CLOSE_UP_SHARE * side) for side in pictures.shape[2:]]
        top, left = (
            round(c * (whole - part)) for c, whole, part in zip(corner, pictures.shape[2:], sides, strict=True)
        )
        return [pictures, self._enlarged(pictures[:, :, top : top + sides[0], left : left + sides[1]])]

    def _enlarged(self, pictures: Tensor) -> Tensor:
        return F.interpolate(pictures, scale_factor=self._network.close_up, mode="bilinear", align_corners=False)

    @torch.no_grad()
    def _target(self, picture: Tensor) -> StyleTarget:
        views = [picture] if self._network.close_up == 1 else [picture, self._enlarged(picture)]
        layers = [layer for view in views for layer in self._network(view).style]
        statistics = [values[0] for layer in layers for values in self._statistics_of(layer)]
        return StyleTarget(statistics, sorted_colours(picture)[0], [scale[0] for scale in sorted_contrasts(picture)])

    def _statistics_of(self, layer: Tensor) -> list[Tensor]:
        """What is compared of a style layer (N, C, H, W): its Gram matrix, or its covariance and its mean."""
        return (
            [covariance(layer), layer.mean((2, 3), dtype=torch.float32)[:, :, None]]
            if self._network.centred
            else [gram(layer)]
        )

    def _style_loss(
        self, views: list[Features], originals: list[Features], styles: Tensor, strengths: Tensor
    ) -> Tensor:
        """Square error of the statistics relative to their mean square, averaged over views and pictures."""
        layers = [layer for view in views for layer in view.style]
        photograph_layers = [layer for view in originals for layer in view.style]
        targets, weak = iter(self._statistics), strengths < 1
        total = strengths.new_zeros(())
        for number, (layer, photograph) in enumerate(zip(layers, photograph_layers, strict=True)):
            weight = self._network.style_weights[number % len(views[0].style)]
            photographs_own = self._statistics_of(photograph[weak]) if weak.any() else []
            for place, ours in enumerate(self._statistics_of(layer)):
                target = next(targets)[styles]  # (N, C, C) or (N, C, 1)
                if photographs_own:
                    target[weak] = torch.lerp(photographs_own[place], target[weak], strengths[weak, None, None])
                # By both sizes: beside a dark painting's alone, a bright image would outweigh all others of the batch.
                size = (target.square().sum((1, 2)) + ours.detach().square().sum((1, 2))) / 2
                error = (ours - target).square().sum((1, 2)) / size.clamp_min(_NO_FEATURES)
                total = total + weight * error.mean()
        return total / len(views)

    def _colour_loss(self, stylized: Tensor, photographs: Tensor, styles: Tensor, strengths: Tensor) -> Tensor:
        own = sorted_colours(photographs)
        target = torch.lerp(own, self._colours[styles], strengths[:, None, None])
        return (sorted_colours(stylized) - target).square().mean()

    def _contrast_loss(self, stylized: Tensor, photographs: Tensor, styles: Tensor, strengths: Tensor) -> Tensor:
        """Relative square distance of the contrasts, averaged over scales and pictures."""
        scales = zip(sorted_contrasts(stylized), sorted_contrasts(photographs), self._contrasts, strict=True)
        errors = []
        for ours, photograph, painting in scales:
            target = torch.lerp(photograph, painting[styles], strengths[:, None, None])
            size = target.square().mean((1, 2)).clamp_min(_FLAT)
            errors.append(((ours - target).square().mean((1, 2)) / size).mean())
        return torch.stack(errors).mean()


def _content_errors(stylized: Features, photographs: Features) -> Tensor:
    """Mean square difference of instance-normalized features, (N,): shape counts, contrast does not."""
    errors = []
    for ours, photograph in zip(stylized.content, photographs.content, strict=True):
        difference = F.instance_norm(ours.float()) - F.instance_norm(photograph.float())
        errors.append(difference.square().mean((1, 2, 3)))
    return torch.stack(errors).mean(0)


def grid_power(pictures: Tensor) -> Tensor:
    """How much of a picture repeats in step with cells of 8 px, and so of 4 and 2 px, too.

    In each window the pixels at the same place of their cells are averaged. Strokes that lie
    anywhere average out, and a plane is what a soft gradient leaves; the rest is a grid.

    Args:
        pictures: float (N, 3, H, W), 0..255; both sides at least a cell.

    Returns:
        float (N,), the mean square over the places of a cell, of pixels scaled to 0..1.
    """
    side = min(_GRID_WINDOW_CELLS, min(pictures.shape[2:]) // _GRID_PX)  # cells on a window's side
    rows, columns = (length // (side * _GRID_PX) for length in pictures.shape[2:])
    whole = pictures[:, :, : rows * side * _GRID_PX, : columns * side * _GRID_PX] / 255.0
    cells = whole.reshape(len(pictures), 3, rows, side, _GRID_PX, columns, side, _GRID_PX)
    means = cells.mean((3, 6)).transpose(3, 4)  # (N, 3, rows, columns, 8, 8)
    ramp = torch.linspace(-1.0, 1.0, _GRID_PX, device=means.device)
    ramp = ramp / ramp.square().mean().sqrt()
    down = ramp[:, None] * (means * ramp[:, None]).mean((4, 5), keepdim=True)
    right = ramp * (means * ramp).mean((4, 5), keepdim=True)
    rest = means - means.mean((4, 5), keepdim=True) - down - right
    return rest.square().flatten(1).mean(1)


def _total_variation(pictures: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, both ways, of 0..255 pictures scaled to 0..1."""
    scaled = pictures / 255.0
    down = (scaled[:, :, 1:] - scaled[:, :, :-1]).abs().mean()
    right = (scaled[:, :, :, 1:] - scaled[:, :, :, :-1]).abs().mean()
    return down + right


def _excess(pictures: Tensor) -> Tensor:
    """Mean square of how far pixels lie outside of 0..255, scaled to 0..1."""
    return ((pictures - pictures.clamp(0, 255)) / 255.0).square().mean()
