"""Owns the network that all others are compared with: the public example's, as its users run it."""

import numpy as np
import torch
from numpy.typing import NDArray

from neural_style.networks.transformer_net import TransformerNet
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError
from realtime.style import Style
from speed.results import BASELINE


class PublicNetwork:
    """Johnson's network with random weights, which cost the same as trained ones, in eager PyTorch and fp32.

    Args:
        device: "auto" is the GPU where PyTorch finds one.

    Attributes:
        info: see `Engine.info`.

    Raises:
        EngineError: PyTorch cannot use that device.
    """

    def __init__(self, device: str) -> None:
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise EngineError(f"device {device}: this PyTorch can use no NVIDIA GPU; use --device cpu")
        name = "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
        self._network = TransformerNet(BASELINE).eval().to(name)
        self._device = torch.device(name)
        self.info = EngineInfo("torch", name, "fp32")

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`; there is nothing to prepare."""
        return 0.0

    @torch.inference_mode()
    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`; style and strength are ignored."""
        frames = torch.from_numpy(np.ascontiguousarray(images)).to(self._device).permute(0, 3, 1, 2).float()
        stylized = self._network(frames).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return np.ascontiguousarray(stylized.cpu().numpy())

    def close(self) -> None:
        """See `Engine.close`."""
