"""Owns the prediction of styles: any image in, the vector out that stylizes like it (Ghiasi et al. 2017).

The same computation as `neural_style.networks.style_predictor`, which trains, in NumPy: it needs no PyTorch.
"""

import json
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from neural_style.weights import SAVED_MODELS
from realtime.errors import StyleError
from realtime.frame import Image
from realtime.media.image_file import IMAGE_SUFFIXES
from realtime.media.image_memory import ImageLimits
from realtime.media.opaque_image import read_on_white
from realtime.media.resize import middle_part, with_short_side
from realtime.style import Style, trunk_hash_of

Array = NDArray[np.float32]

PREDICTOR_FILE = SAVED_MODELS / "predictor.safetensors"
STYLE_IMAGE_LIMITS = ImageLimits(pixels=2**26, side_px=2**14, aspect=32)
"""Of 67 megapixels the decoding alone takes a second."""

_REMEMBERED_CODES = 8
"""A run asks for its style several times: for each network that it measures."""

_BLOCK_PX = 4
"""Side of the pixel block that the stem folds into channels."""


@dataclass(frozen=True)
class StylePredictor:
    """A learned map from images to the style vectors of the shipped networks.

    Attributes:
        weights: float32, by the names of `neural_style.networks.style_predictor.StylePredictor`.
        trunks: for each network the hash of the trunk that its vectors are for.
        settings: short_side_px, max_aspect, levels, epsilon, largest.
    """

    weights: dict[str, Array]
    trunks: dict[str, str]
    settings: dict[str, float]

    def __call__(self, image: Image, network: str) -> Array:
        """Predicts a style vector.

        Args:
            image: uint8 (H, W, 3), RGB, of any size; of a long one the middle is looked at.
            network: "fast" or "fine".

        Returns:
            float32 (vector_size,).
        """
        return self.vector(self.code(image), network)

    def code(self, image: Image) -> Array:
        """What all networks' vectors are made from: float32 (code_size,) of an image as of a call."""
        part = middle_part(image, self.settings["max_aspect"])
        sized = with_short_side(part, int(self.settings["short_side_px"]))
        return self._encode(self._describe(sized.transpose(2, 0, 1).astype(np.float32) / 255.0))

    def vector(self, code: Array, network: str) -> Array:
        """The style vector of a code, float32 (vector_size,)."""
        return self._linear(f"heads.{network}", code)

    def _encode(self, description: Array) -> Array:
        usual = (description - self.weights["usual"]) / self.weights["spread"]
        usual = usual.clip(-self.settings["largest"], self.settings["largest"])
        return self._linear("code", np.maximum(self._linear("hidden", usual), 0))

    def _linear(self, name: str, numbers: Array) -> Array:
        result: Array = self.weights[f"{name}.weight"] @ numbers + self.weights[f"{name}.bias"]
        return result

    def _describe(self, scaled: Array) -> Array:
        """Statistics of the colours and features of an image, float32 (3, H, W), 0..1."""
        height, width = (side // 2 * 2 for side in scaled.shape[1:])
        halved = scaled[:, :height, :width].reshape(3, height // 2, 2, width // 2, 2).mean((2, 4))
        return np.concatenate([self._colours(scaled), self._strokes(scaled), self._strokes(halved)])

    def _colours(self, scaled: Array) -> Array:
        pixels = scaled.reshape(3, -1)
        covariances = np.cov(pixels, bias=True)[(0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)]
        above = [np.maximum(pixels - level, 0).mean(1) for level in self.weights["levels"]]
        return np.concatenate([pixels.mean(1), covariances, *above])

    def _strokes(self, scaled: Array) -> Array:
        """Means and deviations of the features after each convolution, and correlations of two of them."""
        rows, columns = (side // _BLOCK_PX for side in scaled.shape[1:])
        blocks = scaled[:, : rows * _BLOCK_PX, : columns * _BLOCK_PX].reshape(3, rows, _BLOCK_PX, columns, _BLOCK_PX)
        cells = blocks.transpose(0, 2, 4, 1, 3).reshape(3 * _BLOCK_PX**2, rows, columns) * 2 - 1
        first, numbers = self._normalized(self._convolved("stem", cells))
        features = np.maximum(first, 0)
        inside, more = self._normalized(self._convolved("block.0", features))
        last, most = self._normalized(features + self._convolved("block.1", np.maximum(inside, 0)))
        seen = [self._correlations(place, values) for place, values in enumerate((features, last))]
        return np.concatenate([*numbers, *more, *most, *seen])

    def _convolved(self, name: str, features: Array) -> Array:
        """A 3x3 convolution with reflection padding, float32 (C, H, W) to (D, H, W)."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]  # (D, C, 3, 3), (D,)
        padded = np.pad(features, ((0, 0), (1, 1), (1, 1)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))  # (C, H, W, 3, 3)
        rows = windows.transpose(0, 3, 4, 1, 2).reshape(weight[0].size, -1)  # (C * 9, H * W)
        result = weight.reshape(len(weight), -1) @ rows + bias[:, None]
        return result.reshape(-1, *features.shape[1:])

    def _normalized(self, features: Array) -> tuple[Array, tuple[Array, Array]]:
        """Features of mean 0 and deviation 1, the means, and the logarithms of the deviations."""
        mean = features.mean((1, 2), keepdims=True)
        centred = features - mean
        deviation = np.sqrt(np.square(centred).mean((1, 2), keepdims=True) + np.float32(self.settings["epsilon"]))
        return centred / deviation, (mean[:, 0, 0], np.log(deviation)[:, 0, 0])

    def _correlations(self, place: int, features: Array) -> Array:
        """Mean products of projected channels, each once."""
        weight = self.weights[f"projections.{place}.weight"][:, :, 0, 0]
        flat = weight @ features.reshape(len(features), -1)
        products: Array = flat @ flat.T / flat.shape[1]
        return products[np.triu_indices(len(flat))]


@cache
def load_predictor(path: Path = PREDICTOR_FILE) -> StylePredictor:
    """Reads a predictor; once for each file.

    Raises:
        StyleError: the file is missing or damaged.
    """
    advice = "an image as a style needs it; get the file again, or train one (neural_style/README.md)"
    if not path.is_file():
        raise StyleError(f"predictor {path}: no such file; {advice}")
    try:
        with safe_open(path, framework="numpy") as stored:
            header = stored.metadata() or {}
            weights = {name: stored.get_tensor(name).astype(np.float32) for name in stored.keys()}  # noqa: SIM118
        return StylePredictor(weights, json.loads(header["trunks"]), json.loads(header["settings"]))
    except (SafetensorError, OSError, LookupError, ValueError) as error:
        raise StyleError(f"predictor {path}: is damaged ({error}); {advice}") from error


def is_style_image(text: str) -> bool:
    """Whether what stands for a style is the name of an image file; there may be none of this name."""
    return "+" not in text and Path(text).suffix.lower() in IMAGE_SUFFIXES


def is_of_image(style: Style) -> bool:
    """Whether a style was predicted for an image file."""
    return style.file is not None and style.file.suffix.lower() in IMAGE_SUFFIXES


def read_style_image(path: Path) -> Image:
    """Reads an image to be a style, uint8 (H, W, 3), RGB.

    Raises:
        SourceError: it is missing, no image, damaged, or larger than `STYLE_IMAGE_LIMITS`.
    """
    return read_on_white(path, "style image", STYLE_IMAGE_LIMITS)


def is_predicted(like: Style) -> bool:
    """Whether styles can be predicted for the network that a style is of."""
    try:
        _predictor_for(like, "")
    except StyleError:
        return False
    return True


def predict_style(image: Image, name: str, like: Style) -> Style:
    """The style of an image, for the shipped network that another style is of.

    Args:
        image: uint8 (H, W, 3), RGB, of any size.
        name: of the new style.
        like: any style of the network.

    Raises:
        StyleError: there is no predictor for the network.
    """
    predictor = _predictor_for(like, name)
    return replace(like, name=name, vector=predictor(image, like.network), file=None, parts=())


def predict_style_of_file(path: Path, name: str, like: Style) -> Style:
    """The style of an image file, as `predict_style`; the file is read again only when it has changed.

    Raises:
        SourceError: the file is missing, no image, damaged, or larger than `STYLE_IMAGE_LIMITS`.
        StyleError: there is no predictor for the network.
    """
    predictor = _predictor_for(like, name)
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError:
        changed_ns = 0
    vector = predictor.vector(_code_of_file(path, changed_ns), like.network)
    return replace(like, name=name, vector=vector, file=path, parts=())


@lru_cache(_REMEMBERED_CODES)  # a changed file has another code
def _code_of_file(path: Path, changed_ns: int) -> Array:
    return load_predictor().code(read_style_image(path))


def _predictor_for(like: Style, name: str) -> StylePredictor:
    predictor = load_predictor()
    if like.checkpoint is None or predictor.trunks.get(like.network) != trunk_hash_of(like.checkpoint):
        raise StyleError(
            f"style {name}: styles of images are predicted for the networks {' and '.join(predictor.trunks)} as they "
            f"are shipped, not for {like.checkpoint or like.model_file}; train one with train_style.py --trunk"
        )
    return predictor
