"""Owns writing a network as TorchScript, compared with the network before it is kept."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from export.exporter import CHECKED_SIZES_NHW, ExportError
from neural_style.atomic_file import whole_file
from neural_style.networks.fast_net import FastNet
from neural_style.weights.checkpoint import load_checkpoint

_MAX_DIFFERENCE = 0.05


def export_torchscript(checkpoint: Path, output: Path) -> str:
    """Writes a checkpoint as TorchScript, and gives a line that says what was written.

    The module takes float32 (N, 3, H, W), RGB, 0..255, and for a network of many styles their
    vectors, float32 (N, vector_size); it gives float32 (N, 3, H, W), not clamped.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        ExportError: the file's images differ from the network's, or its name does not end in .pt.
        OSError: the file cannot be written.
    """
    if output.suffix != ".pt":
        raise ExportError(f"TorchScript file {output}: must end in .pt")
    network = load_checkpoint(checkpoint)
    generator = torch.Generator().manual_seed(0)

    def inputs(n: int, height: int, width: int) -> tuple[Tensor, ...]:
        images = torch.rand(n, 3, height, width, generator=generator) * 255
        if isinstance(network, FastNet):
            return images, network.style_vectors[:1].detach().expand(n, -1)
        return (images,)

    with torch.inference_mode(), warnings.catch_warnings(), whole_file(output) as partial:
        # Tracing warns of each size that becomes a number; the check below covers them.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, inputs(*CHECKED_SIZES_NHW[0]))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(partial))
        loaded = torch.jit.load(str(partial))  # type: ignore[no-untyped-call]
        worst = 0.0
        for size in CHECKED_SIZES_NHW:
            given = inputs(*size)
            worst = max(worst, float((loaded(*given) - network(*given)).abs().max()))
        if not worst <= _MAX_DIFFERENCE:
            raise ExportError(f"TorchScript file {output}: differs from the network by {worst:.2f}; nothing was kept")
    return f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB); it differs from the network by {worst:.4f} at most"
