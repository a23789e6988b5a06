"""Owns stylizing images in parts with PyTorch, for those larger than memory.

Must not know where images come from.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from neural_style.networks.tiles import stylize_in_tiles
from neural_style.weights.checkpoint import StyleNetwork
from realtime.engines.torch_engine import TorchEngine
from realtime.options import EngineOptions
from realtime.style_catalogue import Catalogue


class TiledEngine(TorchEngine):
    """Stylizes in parts of at most `tile_px` a side; the images are those of `TorchEngine` up to rounding.

    Args:
        catalogue: as of `TorchEngine`.
        options: as of `TorchEngine`.
        tile_px: side of a part.

    Raises:
        EngineError: as `TorchEngine`.
    """

    def __init__(self, catalogue: Catalogue, options: EngineOptions, tile_px: int) -> None:
        super().__init__(catalogue, options)
        self._tile_px = tile_px

    @staticmethod
    def _can_record(device: torch.device) -> bool:
        """Parts of an image differ in size, so there is nothing to replay."""
        return False

    def _run(self, network: StyleNetwork, images: NDArray[np.uint8], vector: torch.Tensor | None) -> NDArray[np.uint8]:
        rows = [None] * len(images) if vector is None else [row[None] for row in vector]
        parts = zip(images, rows, strict=True)
        return np.stack([stylize_in_tiles(network, image, row, self._tile_px) for image, row in parts])
