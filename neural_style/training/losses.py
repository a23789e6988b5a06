"""Owns the training losses: content, style, strokes, colour, contrast, smoothness, grid and range."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from neural_style.training.image_statistics import (
    covariance,
    gram,
    grid_power,
    sorted_colours,
    sorted_contrasts,
    standardized_luminance,
)
from neural_style.training.loss_network import Features, LossNetwork
from neural_style.training.options import LossWeights

_CLOSE_UP_SHARE = 0.5
"""Side of the part that is looked at enlarged, as a share of the image's side."""

_NO_FEATURES = 1e-12
"""Keeps a flat image, whose statistics are all zero, from a division by zero."""

_FLAT = 1e-5
"""Mean square contrast, pixels 0..1, below which an image counts as flat."""


class PerceptualLoss:
    """Compares stylized images with their content and their styles.

    An image is looked at whole, and where the loss network asks for it, a part of it
    also enlarged: the whole shows large strokes and composition, the part the brush.

    Args:
        network: frozen, on the device of the images.
        style_images: float (1, 3, H, W) in 0..255, one for each style.
        weights: how much each term counts.
        content_weights: a factor on the content term for each style.
    """

    def __init__(
        self, network: LossNetwork, style_images: list[Tensor], weights: LossWeights, content_weights: tuple[float, ...]
    ) -> None:
        self._network, self._weights = network, weights
        # What is compared with the style images; in each tensor the first axis is the style.
        self._statistics = _of_all(self._style_statistics, style_images)
        self._colours = torch.cat([sorted_colours(image) for image in style_images])
        self._contrasts = _of_all(sorted_contrasts, style_images)
        self._strokes = _of_all(self._strokes_of, style_images) if weights.strokes > 0 else []
        self._content_weights = self._colours.new_tensor(content_weights)

    def __call__(
        self, stylized: Tensor, photographs: Tensor, styles: Tensor, strengths: Tensor, corner: tuple[float, float]
    ) -> dict[str, Tensor]:
        """Computes the weighted terms; their sum is what training minimizes.

        Args:
            stylized: float32 (N, 3, H, W), 0..255.
            photographs: what was stylized, alike.
            styles: int64 (N,), the row of `style_images` for each image.
            strengths: float (N,), 0..1: the style's statistics count in this proportion, the
                photograph's own in the rest.
            corner: where the enlarged part lies, 0..1 down and right.

        Returns:
            Scalars by name: content, style, colour, smoothness, range, and where they count contrast, strokes
            and grid.
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
        if self._weights.strokes > 0:
            terms["strokes"] = self._weights.strokes * self._stroke_loss(stylized, styles, strengths)
        if self._weights.grid > 0:
            terms["grid"] = self._weights.grid * grid_power(stylized).mean()
        return terms

    def _views(self, images: Tensor, corner: tuple[float, float]) -> list[Tensor]:
        """The whole image, and for a network with a close-up also a part of it, enlarged."""
        if self._network.close_up == 1:
            return [images]
        sides = [round(_CLOSE_UP_SHARE * side) for side in images.shape[2:]]
        top, left = (round(c * (whole - part)) for c, whole, part in zip(corner, images.shape[2:], sides, strict=True))
        return [images, self._enlarged(images[:, :, top : top + sides[0], left : left + sides[1]])]

    def _enlarged(self, images: Tensor) -> Tensor:
        return F.interpolate(images, scale_factor=self._network.close_up, mode="bilinear", align_corners=False)

    def _style_statistics(self, image: Tensor) -> list[Tensor]:
        """What is compared of a style image, view after view and layer after layer: float (1, C, C) or (1, C, 1)."""
        views = [image] if self._network.close_up == 1 else [image, self._enlarged(image)]
        return [
            values for view in views for layer in self._network(view).style for values in self._statistics_of(layer)
        ]

    def _statistics_of(self, layer: Tensor) -> list[Tensor]:
        """What is compared of a style layer (N, C, H, W): its Gram matrix, or its covariance and its mean."""
        if not self._network.centred:
            return [gram(layer)]
        return [covariance(layer), layer.mean((2, 3), dtype=torch.float32)[:, :, None]]

    def _strokes_of(self, images: Tensor) -> list[Tensor]:
        """Covariances (N, C, C) of the style layers, of Frobenius norm 1, of the standardized luminance."""
        covariances = [covariance(layer) for layer in self._network(standardized_luminance(images)).style]
        return [c / (c.square().sum((1, 2), keepdim=True) + _NO_FEATURES).sqrt() for c in covariances]

    def _stroke_loss(self, stylized: Tensor, styles: Tensor, strengths: Tensor) -> Tensor:
        """Square distance of the strokes, 0..2, averaged over images and summed over layers as for style.

        The distance counts in proportion to the strength, because a weak style has weak strokes of the same kind.
        """
        total = strengths.new_zeros(())
        for weight, ours, aims in zip(
            self._network.style_weights, self._strokes_of(stylized), self._strokes, strict=True
        ):
            total = total + weight * (strengths * (ours - aims[styles]).square().sum((1, 2))).mean()
        return total

    def _style_loss(
        self, views: list[Features], originals: list[Features], styles: Tensor, strengths: Tensor
    ) -> Tensor:
        """Square error of the statistics relative to their mean square, averaged over views and images."""
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
                # Divided by both sizes: by that of a dark style image alone, a bright image would outweigh the batch.
                size = (target.square().sum((1, 2)) + ours.detach().square().sum((1, 2))) / 2
                error = (ours - target).square().sum((1, 2)) / size.clamp_min(_NO_FEATURES)
                total = total + weight * error.mean()
        return total / len(views)

    def _colour_loss(self, stylized: Tensor, photographs: Tensor, styles: Tensor, strengths: Tensor) -> Tensor:
        own = sorted_colours(photographs)
        target = torch.lerp(own, self._colours[styles], strengths[:, None, None])
        return (sorted_colours(stylized) - target).square().mean()

    def _contrast_loss(self, stylized: Tensor, photographs: Tensor, styles: Tensor, strengths: Tensor) -> Tensor:
        """Relative square distance of the contrasts, averaged over scales and images."""
        scales = zip(sorted_contrasts(stylized), sorted_contrasts(photographs), self._contrasts, strict=True)
        errors = []
        for ours, photograph, style_image in scales:
            target = torch.lerp(photograph, style_image[styles], strengths[:, None, None])
            size = target.square().mean((1, 2)).clamp_min(_FLAT)
            errors.append(((ours - target).square().mean((1, 2)) / size).mean())
        return torch.stack(errors).mean()


@torch.no_grad()
def _of_all(look: Callable[[Tensor], list[Tensor]], style_images: list[Tensor]) -> list[Tensor]:
    """What is seen in each style image, joined to one tensor for each thing that is looked at."""
    return [torch.cat(parts) for parts in zip(*(look(image) for image in style_images), strict=True)]


def _content_errors(stylized: Features, photographs: Features) -> Tensor:
    """Mean square difference of instance-normalized features, (N,): shape counts, contrast does not."""
    errors = []
    for ours, photograph in zip(stylized.content, photographs.content, strict=True):
        difference = F.instance_norm(ours.float()) - F.instance_norm(photograph.float())
        errors.append(difference.square().mean((1, 2, 3)))
    return torch.stack(errors).mean(0)


def _total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, both ways, of 0..255 images scaled to 0..1."""
    scaled = images / 255.0
    down = (scaled[:, :, 1:] - scaled[:, :, :-1]).abs().mean()
    right = (scaled[:, :, :, 1:] - scaled[:, :, :, :-1]).abs().mean()
    return down + right


def _excess(images: Tensor) -> Tensor:
    """Mean square of how far pixels lie outside of 0..255, scaled to 0..1."""
    return ((images - images.clamp(0, 255)) / 255.0).square().mean()
