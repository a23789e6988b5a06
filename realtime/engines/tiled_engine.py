"""Owns stylizing images in tiles with PyTorch, for those larger than memory."""

import numpy as np
import torch
from numpy.typing import NDArray

from neural_style.networks.tiles import stylize_in_tiles
from neural_style.weights.checkpoint import StyleNetwork
from realtime.engines.torch_engine import TorchEngine
from realtime.options import EngineOptions
from realtime.style_catalogue import Catalogue


class TiledEngine(TorchEngine):
    """Stylizes in tiles of at most `tile_px` a side; the images are those of `TorchEngine` up to rounding.

    Args:
        catalogue: as of `TorchEngine`.
        options: as of `TorchEngine`.
        tile_px: side of a tile.

    Raises:
        EngineError: as `TorchEngine`.
    """

    def __init__(self, catalogue: Catalogue, options: EngineOptions, tile_px: int) -> None:
        super().__init__(catalogue, options)
        self._tile_px = tile_px

    @staticmethod
    def _can_record(device: torch.device) -> bool:
        """False: tiles of an image differ in size, so a recorded graph could not be replayed."""
        return False

    def _run(self, network: StyleNetwork, images: NDArray[np.uint8], vectors: torch.Tensor | None) -> NDArray[np.uint8]:
        per_image = [None] * len(images) if vectors is None else [vector[None] for vector in vectors]
        pairs = zip(images, per_image, strict=True)
        return np.stack([stylize_in_tiles(network, image, vector, self._tile_px) for image, vector in pairs])
