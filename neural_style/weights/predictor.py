"""Owns the style predictor as it is used: its file, and from images to style vectors (Ghiasi et al. 2017).

The same computation as `neural_style.networks.style_predictor`, which is trained, in NumPy: it needs no PyTorch.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from neural_style.errors import CheckpointError
from neural_style.weights import SAVED_MODELS

Array = NDArray[np.float32]

PREDICTOR_FILE = SAVED_MODELS / "predictor.safetensors"

_BLOCK_PX = 4
"""Side of the pixel block that the stem folds into channels."""


@dataclass(frozen=True)
class Predictor:
    """A learned map from images to the style vectors of networks.

    Attributes:
        weights: float32, by the names of `neural_style.networks.style_predictor.StylePredictor`.
        trunks: for each network the hash of the trunk that its vectors are for.
        settings: short_side_px and max_aspect, of the images that it looks at; epsilon, largest.
    """

    weights: dict[str, Array]
    trunks: dict[str, str]
    settings: dict[str, float]

    def code(self, image: NDArray[np.uint8]) -> Array:
        """What all networks' vectors are made from.

        Args:
            image: uint8 (H, W, 3), RGB, its shorter side `short_side_px`, its longer at most `max_aspect` times that.

        Returns:
            float32 (code_size,).
        """
        return self._encode(self._describe(image.transpose(2, 0, 1).astype(np.float32) / 255.0))

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
def load_predictor(path: Path = PREDICTOR_FILE) -> Predictor:
    """Reads a predictor; once for each file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    advice = "an image as a style needs it; get the file again, or train one (neural_style/README.md)"
    if not path.is_file():
        raise CheckpointError(f"predictor {path}: no such file; {advice}")
    try:
        with safe_open(path, framework="numpy") as stored:
            header = stored.metadata() or {}
            weights = {name: stored.get_tensor(name).astype(np.float32) for name in stored.keys()}  # noqa: SIM118
        return Predictor(weights, json.loads(header["trunks"]), json.loads(header["settings"]))
    except (SafetensorError, OSError, LookupError, ValueError) as error:
        raise CheckpointError(f"predictor {path}: is damaged ({error}); {advice}") from error


def predicted_vector(trunk: str, image: NDArray[np.uint8], predictor: Path = PREDICTOR_FILE) -> Array | None:
    """The style vector that a predictor gives for an image.

    Args:
        trunk: the hash of the network that will stylize.
        image: as of `Predictor.code`.
        predictor: its file.

    Returns:
        float32 (vector_size,), or None where there is no predictor for this network.

    Raises:
        CheckpointError: the predictor's file is damaged.
    """
    if not predictor.is_file():
        return None
    loaded = load_predictor(predictor)
    names = [name for name, known in loaded.trunks.items() if known == trunk]
    return loaded.vector(loaded.code(image), names[0]) if names else None
