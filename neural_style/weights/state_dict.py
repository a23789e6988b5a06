"""Owns reading the weights of any network by name, and why they could not be read."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neural_style.errors import TrainingError


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads the weights of a loss network from a `.pth` or `.safetensors` file.

    Raises:
        TrainingError: it cannot be read, or is no state dict.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise TrainingError(f"loss network weights {path}: cannot be read as safetensors ({error})") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(f"loss network weights {path}: cannot be read as a PyTorch state dict") from error
    if not isinstance(state, dict):
        raise TrainingError(f"loss network weights {path}: hold no state dict but a {type(state).__name__}")
    return state


def first_reason(error: Exception) -> str:
    """The first line of an error that gives a reason; PyTorch puts a headline before them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith("Error(s) in loading state_dict")]
    return (reasons or lines or [type(error).__name__])[0]
