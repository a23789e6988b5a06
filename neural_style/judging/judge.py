"""Owns the figures of a stylized image: distance to its style image and to its photograph."""

from dataclasses import asdict, dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from neural_style.errors import EvaluationError, MissingPackageError
from neural_style.judging.judge_network import MIN_SIDE_PX, JudgeNetwork
from neural_style.judging.strokes import Strokes, strokes_of

Image = NDArray[np.uint8]
Luminance = NDArray[np.float32]

_PARTS_LAYER, _THINGS_LAYER = 5, 7
"""288 channels at an eighth of the resolution see parts and where they are, 528 at a sixteenth what things are."""

_PATCH_PX = 7
_PATCH_SCALES = 3
_PATCH_DIRECTIONS = 256
_MAX_PATCHES = 20_000
_QUANTILES = 512


@dataclass(frozen=True)
class ImageFigures:
    """How far a stylized image is from what it should be; 0 is equal in all of them.

    Attributes:
        style_features: mean over layers of (|m - m*| / |m*| + |C - C*| / |C*|) / 2, with m the mean
            of each channel, C their covariances (Frobenius norm) and the star the style image's. Not Gram
            matrices, which the training compares: features are never negative, so their means
            make nearly all of a Gram matrix, and how channels go together would hardly count.
        style_patches: sliced Wasserstein distance of 7 x 7 pixel patches, of pixels 0..1, to the
            style image's: mean over three scales and 256 directions of the one-dimensional distance.
        content_parts: mean square difference of instance-normalized features to the photograph's,
            in a layer that sees parts of things: 2 where nothing is alike.
        content_things: the same in a layer that sees things.
        content_structure: 1 - SSIM of luminance to the photograph's.
        colour: mean of the Wasserstein distances of L, a and b to the style image's, in CIELAB units.
    """

    style_features: float
    style_patches: float
    content_parts: float
    content_things: float
    content_structure: float
    colour: float

    @property
    def style_distance(self) -> float:
        """Geometric mean of both style figures: a factor in either counts the same, whatever their units."""
        return float(np.sqrt(self.style_features * self.style_patches))

    @property
    def content_distance(self) -> float:
        """Mean of both layers, without structure, which also faint styles and small strokes keep."""
        return (self.content_parts + self.content_things) / 2

    def numbers(self) -> dict[str, float]:
        """All figures by name, the two combined ones first."""
        combined = {"style_distance": self.style_distance, "content_distance": self.content_distance}
        return {**combined, **asdict(self)}


@dataclass(frozen=True)
class Impression:
    """What the judge keeps of an image.

    Attributes:
        moments: mean, float32 (C,), and covariance, float32 (C, C), of the channels of each layer,
            first of the image as it is, then of it enlarged twice unless the look is quick.
        strokes: without colour, see `neural_style.judging.strokes`.
        content: float32 (1, C, h, w) of two layers, instance-normalized features.
        patches: float32 (directions, quantiles) for each scale.
        colours: float32 (quantiles, 3), of L, a and b.
        luminance: float32 (H, W), 0..255.
    """

    moments: list[tuple[Tensor, Tensor]]
    strokes: Strokes
    content: tuple[Tensor, Tensor]
    patches: list[NDArray[np.float32]]
    colours: NDArray[np.float32]
    luminance: Luminance


class Judge:
    """Looks at images. Two looks at an image give the same impression.

    Args:
        quick: leave out the enlarged image, which takes most of the time. Figures compare only
            with those of looks of the same kind.

    Raises:
        MissingPackageError: the package with the weights of its network is not installed.
        TrainingError: those weights cannot be read.
    """

    def __init__(self, quick: bool = False) -> None:
        self._network, self._quick = JudgeNetwork(), quick
        generator = torch.Generator().manual_seed(1)
        directions = torch.randn(_PATCH_DIRECTIONS, 3 * _PATCH_PX**2, generator=generator)
        self._directions = F.normalize(directions, dim=1)

    @torch.inference_mode()
    def look(self, image: Image) -> Impression:
        """Sees an image at its size and enlarged twice, where brush strokes fill the view.

        Args:
            image: uint8 (H, W, 3) RGB.

        Raises:
            EvaluationError: it is too small.
        """
        height, width = image.shape[:2]
        if min(height, width) < MIN_SIDE_PX:
            raise EvaluationError(
                f"image of {width}x{height} px: too small to be judged; both sides must be {MIN_SIDE_PX} px or more"
            )
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float()  # (1, 3, H, W)
        layers = self._network(pixels)
        content = F.instance_norm(layers[_PARTS_LAYER]), F.instance_norm(layers[_THINGS_LAYER])
        moments = [_moments(layer) for layer in layers]
        if not self._quick:
            enlarged = F.interpolate(pixels, scale_factor=2.0, mode="bilinear", align_corners=False)
            moments += [_moments(layer) for layer in self._network(enlarged)]
        strokes = strokes_of(self._network, image)
        return Impression(moments, strokes, content, self._patches(pixels), _colours(image), _luminance(image))

    def _patches(self, pixels: Tensor) -> list[NDArray[np.float32]]:
        """Quantile functions of an image's patches along fixed random directions, at one, a half and a quarter.

        Optimal transport along a line matches what has the same rank, so the mean absolute
        difference of two quantile functions is a one-dimensional Wasserstein distance, and the mean over
        directions the sliced one (Rabin et al. 2011; Bonneel et al. 2015; of textures Heitz et al. 2021,
        arXiv 2006.07229). Quantiles let images of different sizes be compared.
        """
        pyramid = pixels / 255.0
        quantiles = []
        for _ in range(_PATCH_SCALES):
            rows, columns = (side - _PATCH_PX + 1 for side in pyramid.shape[2:])
            chosen = torch.randperm(rows * columns, generator=torch.Generator().manual_seed(0))[:_MAX_PATCHES]
            windows = pyramid[0].unfold(1, _PATCH_PX, 1).unfold(2, _PATCH_PX, 1)  # (3, rows, columns, 7, 7)
            patches = windows[:, chosen // columns, chosen % columns]  # (3, patches, 7, 7)
            flat = patches.permute(0, 2, 3, 1).flatten(0, 2)  # (3 * 7 * 7, patches)
            ordered = np.sort((self._directions @ flat).numpy(), axis=1)  # ten times as fast as PyTorch's
            places = np.linspace(0, ordered.shape[1] - 1, _QUANTILES).round().astype(int)
            quantiles.append(ordered[:, places])
            pyramid = F.avg_pool2d(pyramid, 2)
        return quantiles


def compare(stylized: Impression, photograph: Impression, style_image: Impression) -> ImageFigures:
    """Compares impressions; the photograph has the size of the stylized image, and the style image its shorter side."""
    layers = zip(stylized.moments, style_image.moments, strict=True)
    scales = zip(stylized.patches, style_image.patches, strict=True)
    parts, things = (
        float((ours - own).square().mean()) for ours, own in zip(stylized.content, photograph.content, strict=True)
    )
    errors = [_relative_error(ours, aim) for pair in layers for ours, aim in zip(*pair, strict=True)]
    return ImageFigures(
        style_features=float(np.mean(errors)),
        style_patches=float(np.mean([np.abs(ours - aim).mean() for ours, aim in scales])),
        content_parts=parts,
        content_things=things,
        content_structure=1.0 - structural_similarity(stylized.luminance, photograph.luminance),
        colour=float(np.abs(stylized.colours - style_image.colours).mean()),
    )


def structural_similarity(first: Luminance, second: Luminance) -> float:
    """Mean SSIM (Wang et al. 2004) with the paper's Gaussian window of sigma 1.5.

    Args:
        first: float32 (H, W), 0..255, at least 11 px high and wide.
        second: alike. Where the window would reach over the border, nothing is measured.

    Raises:
        MissingPackageError: scikit-image is not installed.
    """
    try:
        from skimage.metrics import structural_similarity as mean_ssim
    except ImportError as error:
        raise MissingPackageError(
            "structural similarity: scikit-image is not installed; run: pip install scikit-image==0.26.0"
        ) from error
    pair = first.astype(np.float64), second.astype(np.float64)  # variances are small differences of large squares
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255.0}
    return float(mean_ssim(*pair, **options))  # type: ignore[no-untyped-call]


def _moments(layer: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (C,) and covariance (C, C) of the channels of (1, C, h, w)."""
    flat = layer[0].flatten(1)
    mean = flat.mean(1)
    centred = flat - mean[:, None]
    return mean, centred @ centred.T / flat.shape[1]


def _relative_error(value: Tensor, aim: Tensor) -> float:
    return float((value - aim).norm() / aim.norm().clamp_min(1e-6))


def _luminance(image: Image) -> Luminance:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def _colours(image: Image) -> NDArray[np.float32]:
    """Quantile functions of L, a and b; the mean difference of two is a Wasserstein distance, as of patches."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    return np.asarray(np.quantile(lab, np.linspace(0, 1, _QUANTILES), axis=0), np.float32)
