"""Owns the comparison of strokes without colour: how much styles differ, and how near each is to its style image."""

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neural_style.judging.judge_network import JudgeNetwork

Image = NDArray[np.uint8]

STROKE_LAYERS = slice(1, 7)
"""The judge's layers but the shallowest, which sees edges, and the deepest, which sees things."""


Strokes = list[Tensor]
"""Correlations of the judging network's channels in an image without colour: float32 (C, C) for each of
`STROKE_LAYERS`, of Frobenius norm 1; zeros of a flat image."""


@torch.inference_mode()
def strokes_of(network: JudgeNetwork, image: Image) -> Strokes:
    """Looks at an image's strokes.

    With F (C, pixels) the features of a layer of the equalised luminance, less the mean of each channel,
    its Gram matrix is G = F F' / |F F'|, which knows neither brightness, contrast nor colours.

    Args:
        network: the judging network.
        image: uint8 (H, W, 3) RGB, sides of `MIN_SIDE_PX` or more.
    """
    grey = torch.from_numpy(equalized_luminance(image)).expand(1, 3, -1, -1)  # (1, 3, H, W)
    return [_gram(layer) for layer in network(grey)[STROKE_LAYERS]]


def equalized_luminance(image: Image) -> NDArray[np.float32]:
    """The luminance of an image, uint8 (H, W, 3) RGB, with a uniform histogram: float32 (H, W), 0..255.

    Each pixel is its mid-rank among all: 255 (P(Y < y) + P(Y = y) / 2). Equal pixels stay equal.
    """
    luminance = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    share = np.bincount(luminance.ravel(), minlength=256) / luminance.size
    ranks = np.asarray(255.0 * (share.cumsum() - share / 2), np.float32)
    return np.asarray(ranks[luminance])


def stroke_distance(first: Strokes, second: Strokes) -> float:
    """Mean over layers of |G1 - G2| (Frobenius): 0 for the same strokes, at most the square root of 2."""
    pairs = zip(first, second, strict=True)
    return float(np.mean([float((one - other).norm()) for one, other in pairs]))


def stroke_diversity(stylized: Sequence[Strokes], style_images: Sequence[Strokes]) -> float:
    """How much stylized images of one photograph differ, over how much their style images do.

    The ratio of the mean distances over all pairs; 1: styles are as different as the style images, 0: all have
    the same strokes; nan with fewer than two.

    Args:
        stylized: one photograph in each style.
        style_images: theirs, in the same order, with the photograph's shorter side.
    """
    if len(stylized) < 2:
        return float("nan")
    between = [_mean_of_pairs(strokes) for strokes in (stylized, style_images)]
    return between[0] / between[1] if between[1] > 0 else float("nan")


def stroke_fit(stylized: Strokes, style_images: Sequence[Strokes], own: int) -> float:
    """Distance to the own style image over the mean distance to the others; nan when there are none.

    0: the style image's own strokes; 1: no nearer to them than to those of the others.

    Args:
        stylized: a stylized image.
        style_images: of all styles.
        own: the index of its own among them.
    """
    distances = [stroke_distance(stylized, style_image) for style_image in style_images]
    others = distances[:own] + distances[own + 1 :]
    return distances[own] / float(np.mean(others)) if others and sum(others) > 0 else float("nan")


def _mean_of_pairs(strokes: Sequence[Strokes]) -> float:
    return float(np.mean([stroke_distance(*pair) for pair in combinations(strokes, 2)]))


def _gram(layer: Tensor) -> Tensor:
    """The normalised Gram matrix (C, C) of a layer (1, C, h, w)."""
    flat = layer[0].flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    products: Tensor = centred @ centred.T
    return products.div_(products.norm().clamp_min(1e-9))
