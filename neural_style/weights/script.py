"""Owns a network in TorchScript: traced from a checkpoint's network, or loaded from a file."""

import io
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from neural_style.errors import CheckpointError
from neural_style.networks.fast_net import FastNet
from neural_style.networks.precision import in_precision
from neural_style.networks.transformer_net import MIN_SIDE_PX
from neural_style.weights.checkpoint import StyleNetwork
from neural_style.weights.script_format import METADATA, ScriptFile, metadata_with_seal

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_TRACED_SIDE_PX = 64


class ScriptedNetwork:
    """A TorchScript module that is called like a network.

    Args:
        module: takes float32 (N, 3, H, W), RGB, 0..255, and where there are style vectors those, float32
            (N, vector_size); gives float32 (N, 3, H, W), not clamped.
        vector_size: values of a style vector; 0 for a module that takes none.
        min_side_px: the smallest side that it takes; smaller images get their last row and column repeated.

    Attributes:
        vector_size: see above.
    """

    def __init__(self, module: Any, vector_size: int, min_side_px: int) -> None:
        self.module, self.vector_size, self._min_side_px = module, vector_size, min_side_px

    def __call__(self, images: Tensor, vectors: Tensor | None = None) -> Tensor:
        """Stylizes a batch; see `FastNet.forward`."""
        height, width = images.shape[2:]
        bottom, right = max(0, self._min_side_px - height), max(0, self._min_side_px - width)
        if bottom or right:
            images = F.pad(images, (0, right, 0, bottom), mode="replicate")
        stylized: Tensor = self.module(images, vectors) if self.vector_size else self.module(images)
        return stylized[:, :, :height, :width]


def traced(network: StyleNetwork, precision: str) -> ScriptedNetwork:
    """Traces a network, on the device where it is, in a precision: a dtype becomes part of the code.

    Args:
        network: in float32; it is converted.
        precision: one of `DTYPES`.
    """
    device = next(network.parameters()).device
    network = in_precision(network, DTYPES[precision])
    inputs: tuple[Tensor, ...] = (torch.rand(1, 3, _TRACED_SIDE_PX, _TRACED_SIDE_PX, device=device) * 255,)
    min_side_px = MIN_SIDE_PX
    if isinstance(network, FastNet):
        inputs = *inputs, network.style_vectors[:1].detach().float()
        min_side_px = network.shape.min_side_px
    with torch.inference_mode(), without_warnings():
        module = torch.jit.trace(network, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        return ScriptedNetwork(torch.jit.freeze(module), network.vector_size, min_side_px)


def saved(scripted: ScriptedNetwork, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a sealed TorchScript file.

    Args:
        scripted: what it holds.
        metadata: what it says of itself.
    """
    stated = metadata_with_seal(_bytes_of(scripted.module, {}), metadata)
    return _bytes_of(scripted.module, {METADATA: json.dumps(stated)})


def loaded(file: ScriptFile, device: str = "cpu") -> ScriptedNetwork:
    """Loads a file that was checked.

    Raises:
        CheckpointError: PyTorch cannot load it.
    """
    try:
        with without_warnings():
            module = torch.jit.load(io.BytesIO(file.content), map_location=device)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise CheckpointError("PyTorch cannot load it; write it again") from error
    return ScriptedNetwork(module.eval(), file.vector_size, file.min_side_px)


@contextmanager
def without_warnings() -> Iterator[None]:
    """PyTorch calls TorchScript deprecated, and tracing warns of each size that becomes a number: see the checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _bytes_of(module: Any, extra: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with without_warnings():
        torch.jit.save(module, buffer, _extra_files=extra)
    return buffer.getvalue()
