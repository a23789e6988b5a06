"""Owns writing a network as a sealed TorchScript file, compared with the network before it is kept."""

import json
from pathlib import Path

import torch
from torch import Tensor

from export.exporter import CHECKED_SIZES_NHW, ExportError, style_metadata
from export.options import SCRIPT_PRECISIONS
from neural_style.atomic_file import whole_file
from neural_style.networks.fast_net import FastNet
from neural_style.networks.precision import in_precision
from neural_style.networks.transformer_net import MIN_SIDE_PX
from neural_style.weights.checkpoint import StyleNetwork, load_checkpoint, read_header
from neural_style.weights.script import DTYPES, ScriptedNetwork, loaded, saved, traced
from neural_style.weights.script_format import read_script_file

_MAX_DIFFERENCE = 0.05
"""Of 0..255, from the same network in the same precision: the operations are the same."""


def export_torchscript(checkpoint: Path, output: Path, precision: str = "fp32") -> str:
    """Writes a checkpoint as TorchScript, and gives a line that says what was written.

    The module takes float32 (N, 3, H, W), RGB, 0..255, and for a network of many styles their
    vectors, float32 (N, vector_size); it gives float32 (N, 3, H, W), not clamped. Whatever the
    precision, both are float32.

    Args:
        checkpoint: what to write.
        output: the file; it appears only when the check has passed.
        precision: one of `SCRIPT_PRECISIONS`; it becomes part of the code.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        ExportError: the file's images differ from the network's, its name does not end in .pt, or there is no such
            precision.
        OSError: the file cannot be written.
    """
    if output.suffix != ".pt":
        raise ExportError(f"TorchScript file {output}: must end in .pt")
    if precision not in SCRIPT_PRECISIONS:
        raise ExportError(f"precision {precision}: TorchScript has {', '.join(SCRIPT_PRECISIONS)}; use one of them")
    network = load_checkpoint(checkpoint)
    header = read_header(checkpoint) if checkpoint.suffix.lower() == ".safetensors" else {}
    min_side_px = network.shape.min_side_px if isinstance(network, FastNet) else MIN_SIDE_PX
    metadata = style_metadata(network, header.get("credits", "[]")) | {
        "precision": precision,
        "min_side_px": str(min_side_px),
    }
    with whole_file(output) as partial:
        partial.write_bytes(saved(traced(load_checkpoint(checkpoint), precision), metadata))
        file = read_script_file(partial)
        differences = _differences(network, loaded(file), precision)
        if not all(difference <= _MAX_DIFFERENCE for difference in differences.values()):
            raise ExportError(
                f"TorchScript file {output}: differs from the network by {max(differences.values()):.2f} of 255; "
                "nothing was kept"
            )
    shown = ", ".join(f"{size} {difference:.4f}" for size, difference in differences.items())
    return (
        f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB) in {precision} with "
        f"{', '.join(json.loads(metadata['styles']))}; from the network in {precision} it differs at most by, of 255: "
        f"{shown}"
    )


@torch.inference_mode()
def _differences(network: StyleNetwork, scripted: ScriptedNetwork, precision: str) -> dict[str, float]:
    """The largest difference, of 0..255, for each of the sizes that exports are checked at."""
    generator = torch.Generator().manual_seed(0)
    eager, differences = in_precision(network, DTYPES[precision]), {}
    for n, height, width in CHECKED_SIZES_NHW:
        images = torch.rand(n, 3, height, width, generator=generator) * 255
        vectors: Tensor | None = None
        if isinstance(network, FastNet):
            rows = torch.randint(len(network.style_names), (n,), generator=generator)
            vectors = network.style_vectors.detach()[rows].float()
        difference = float((scripted(images, vectors) - eager(images, vectors)).abs().max())
        differences[f"{width}x{height}" + (f" x{n}" if n > 1 else "")] = difference
    return differences
