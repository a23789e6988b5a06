"""Owns running a style network with PyTorch, on a CPU, an NVIDIA GPU or Apple's MPS.

Must not know sources, sinks or keys.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from neural_style.checkpoint import StyleNetwork, load_checkpoint
from neural_style.fast_net import FastNet
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError
from realtime.options import EngineOptions
from realtime.styles import Catalogue, Style

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TorchEngine:
    """Loads every network of a catalogue and runs them in eager mode.

    Args:
        catalogue: the styles to keep loaded; one without a checkpoint is left out.
        options: device and precision; "auto" is fp16 on a GPU, and on a CPU bf16 where
            its instructions know it, else fp32.

    Raises:
        EngineError: the device or precision cannot be had, or there is no checkpoint.
        CheckpointError: a checkpoint cannot be read.
    """

    def __init__(self, catalogue: Catalogue, options: EngineOptions) -> None:
        self._device = _device(options.device)
        precision = _precision(options.precision, self._device)
        self._dtype = _DTYPES[precision]
        self._networks = _load_networks(catalogue)
        if not self._networks:
            raise EngineError("engine torch: no style has a checkpoint; use --engine onnx for .onnx files")
        for network in self._networks.values():
            network.to(self._device, self._dtype)
        self._info = EngineInfo("torch", str(self._device), precision)

    @property
    def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return self._info

    @torch.inference_mode()
    def stylize(self, pictures: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
        """See `Engine.stylize`."""
        if style.checkpoint is None or style.checkpoint not in self._networks:
            raise EngineError(f"engine torch: style {style.name!r} has no checkpoint; use --engine onnx")
        network = self._networks[style.checkpoint]
        vector = network.style_vectors[style.index : style.index + 1] if isinstance(network, FastNet) else None
        frames = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device)  # (N, H, W, 3)
        stylized = network(frames.permute(0, 3, 1, 2).float(), vector)  # (N, 3, H, W)
        rounded = stylized.clamp(0, 255).round().to(torch.uint8)
        return np.asarray(rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy(), np.uint8)

    def close(self) -> None:
        """See `Engine.close`."""
        self._networks.clear()


def _load_networks(catalogue: Catalogue) -> dict[Path, StyleNetwork]:
    checkpoints = dict.fromkeys(s.checkpoint for s in catalogue.styles if s.checkpoint is not None)
    return {checkpoint: load_checkpoint(checkpoint) for checkpoint in checkpoints}


def _device(name: str) -> torch.device:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if gpus else "cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise EngineError("device mps: this machine or this PyTorch has none; use --device cpu")
    device = torch.device("cuda:0" if name == "cuda" else name)
    if device.type == "cuda" and (device.index or 0) >= gpus:
        found = f"{gpus} CUDA devices" if gpus else "no CUDA device"
        raise EngineError(f"device {name}: PyTorch found {found}; use --device cpu or install a CUDA driver and build")
    return device


def _precision(name: str, device: torch.device) -> str:
    if name == "auto":
        if device.type == "cpu":
            return "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"
        return "fp16"
    if name == "fp16" and device.type == "cpu":
        raise EngineError("precision fp16: not on device cpu; use fp32 or bf16, or --device cuda")
    return name
