"""Owns the file of the style predictor, for PyTorch; `realtime.style_prediction` reads it without."""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from neural_style.networks.fast_net import FastNet
from neural_style.networks.style_predictor import EPSILON, INPUT_SHORT_SIDE_PX, LARGEST, MAX_ASPECT, StylePredictor
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import read_header, trunk_hash
from neural_style.weights.style_file import write_arrays

PREDICTOR = SAVED_MODELS / "predictor.safetensors"


def save_predictor(path: Path, weights: dict[str, Tensor], networks: dict[str, FastNet]) -> None:
    """Writes a predictor in fp16; the file appears only when whole.

    Args:
        path: ends in `.safetensors`.
        weights: the predictor's, by name.
        networks: whose vectors it predicts.

    Raises:
        OSError: the file cannot be written.
    """
    settings = {"short_side_px": INPUT_SHORT_SIDE_PX, "max_aspect": MAX_ASPECT, "epsilon": EPSILON, "largest": LARGEST}
    header = {
        "family": "predictor",
        "styles": "[]",
        "settings": json.dumps(settings),
        "trunks": json.dumps({name: trunk_hash(net.state_dict()) for name, net in networks.items()}),
    }
    write_arrays(path, {name: value.half().contiguous().numpy() for name, value in weights.items()}, header)


@torch.no_grad()
def predicted_vector(network: FastNet, image: NDArray[np.uint8], predictor: Path = PREDICTOR) -> Tensor | None:
    """The style vector that a predictor gives for an image.

    Args:
        network: that will stylize.
        image: uint8 (H, W, 3), RGB, its shorter side `INPUT_SHORT_SIDE_PX`.
        predictor: its file.

    Returns:
        float32 (vector_size,), or None where there is no predictor for this network.

    Raises:
        CheckpointError: the predictor's file is damaged.
    """
    if not predictor.is_file():
        return None
    trunks = json.loads(read_header(predictor)["trunks"])
    names = [name for name, trunk in trunks.items() if trunk == trunk_hash(network.state_dict())]
    if not names:
        return None
    weights = {name: value.float() for name, value in load_file(predictor).items()}
    predicts = StylePredictor({name: len(weights[f"heads.{name}.bias"]) for name in trunks})
    predicts.load_state_dict(weights)
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float()  # (1, 3, H, W)
    vector: Tensor = predicts(pixels)[names[0]][0]
    return vector
