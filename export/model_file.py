"""Owns writing a checked model file: exported, compared with PyTorch, and only then kept.

Must not know the command line.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from export.graph import build_model
from neural_style.atomic import whole_file
from neural_style.checkpoint import StyleNetwork, content_hash, load_checkpoint
from neural_style.errors import StylizationError
from neural_style.fast_net import FastNet

CHECKED_SIZES_NHW = ((1, 64, 96), (1, 67, 101), (1, 5, 6), (1, 130, 33), (3, 48, 50))
"""Batch, height and width of the pictures that the check compares: whole cells, odd, tiny, tall, a batch.

None is smaller than 5 px: the norms of a picture with equal rows divide rounding errors
by almost nothing, so that there even PyTorch in float32 and in float64 disagree.
"""

MAX_MEAN_DIFFERENCE = 0.1
MAX_DIFFERENCE = 2


class ExportError(StylizationError):
    """An exported model file does not give what PyTorch gives."""


@dataclass(frozen=True)
class Parity:
    """How far the model file is from PyTorch, over all checked sizes and styles, on the 0..255 scale."""

    mean_difference: float
    max_difference: float
    provider: str


def export_checkpoint(checkpoint: Path, output: Path | None = None) -> tuple[Path, Parity]:
    """Exports a checkpoint with all its styles, by default to the same name with `.onnx`.

    Returns:
        The file, and what the check measured.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        ExportError: the file's pictures differ from PyTorch's.
        OSError: the file cannot be written.
    """
    target = output or checkpoint.with_suffix(".onnx")
    style_credits = "[]"
    network = load_checkpoint(checkpoint)
    if checkpoint.suffix.lower() == ".safetensors":
        with safe_open(checkpoint, framework="pt") as stored:
            style_credits = (stored.metadata() or {}).get("credits", "[]")
    return target, export_network(network, target, style_credits)


def export_network(network: StyleNetwork, output: Path, style_credits: str = "[]") -> Parity:
    """Writes a network as one self-contained `.onnx` file with metadata, and checks it.

    Args:
        network: in float32, on the CPU.
        output: the file; it appears only when the check has passed.
        style_credits: JSON list of the style pictures' sources and licences.

    Returns:
        What the check measured.

    Raises:
        ExportError: the file's pictures differ from PyTorch's, or its name does not end in .onnx.
        OSError: the file cannot be written.
    """
    if output.suffix != ".onnx":
        raise ExportError(f"model file {output}: must end in .onnx")
    model = build_model(network)
    metadata = {
        "family": network.family,
        "styles": json.dumps(list(network.style_names)),
        "style_vectors": json.dumps(_rounded(network.style_vectors) if isinstance(network, FastNet) else []),
        "identity_vector": json.dumps(_rounded(network.identity_vector) if isinstance(network, FastNet) else []),
        "content_hash": content_hash({name: value.contiguous() for name, value in network.state_dict().items()}),
        "credits": style_credits,
        "frames": "uint8 (N, H, W, 3), RGB, 0..255",
    }
    onnx.helper.set_model_props(model, metadata)
    with whole_file(output) as partial:
        onnx.save(model, str(partial))
        parity = compare_with_torch(network, partial)
        if not (parity.mean_difference <= MAX_MEAN_DIFFERENCE and parity.max_difference <= MAX_DIFFERENCE):
            raise ExportError(
                f"model file {output}: differs from PyTorch by {parity.mean_difference:.3f} on average and by "
                f"{parity.max_difference:.0f} at most; allowed are {MAX_MEAN_DIFFERENCE} and {MAX_DIFFERENCE}; "
                "nothing was kept"
            )
    return parity


def compare_with_torch(network: StyleNetwork, model_file: Path) -> Parity:
    """Runs random pictures of several sizes through both, with every style and the identity."""
    session = onnxruntime.InferenceSession(str(model_file), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    differences = []
    vectors: list[Tensor | None] = [None]
    if isinstance(network, FastNet):
        vectors = [vector[None].detach() for vector in (*network.style_vectors, network.identity_vector)]
    for vector in vectors:
        for n, height, width in CHECKED_SIZES_NHW:
            frames = _smooth_noise(rng, n, height, width)
            inputs: dict[str, NDArray[np.generic]] = {"frames": frames}
            if vector is not None:
                inputs["style"] = np.repeat(vector.numpy(), n, axis=0)
            (exported,) = session.run(None, inputs)
            with torch.inference_mode():
                expected = network(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), vector)
            rounded = expected.clamp(0, 255).round().permute(0, 2, 3, 1).numpy()
            differences.append(np.abs(rounded - exported.astype(np.float32)).ravel())
    everything = np.concatenate(differences)
    return Parity(float(everything.mean()), float(everything.max()), session.get_providers()[0])


def _rounded(values: Tensor) -> list[Any]:
    """A tensor as nested lists of numbers with seven significant digits, which is what float32 holds."""
    if values.dim() > 1:
        return [_rounded(row) for row in values]
    return [float(f"{value:.7g}") for value in values.tolist()]


def _smooth_noise(rng: np.random.Generator, n: int, height: int, width: int) -> NDArray[np.uint8]:
    """Random pictures with large shapes as well as pixels: uint8 (N, H, W, 3)."""
    coarse = rng.integers(0, 256, (n, height // 16 + 1, width // 16 + 1, 3))
    large = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    mixed = 0.7 * large + 0.3 * rng.integers(0, 256, (n, height, width, 3))
    return mixed.astype(np.uint8)
