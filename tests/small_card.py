"""Stands in for a GPU of little memory that a `TorchEngine` runs on: what is recorded holds memory, what runs needs it.

Engine, shape cache, halving and tiles are the real ones; memory is counted in frames' pixels.
"""

import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from realtime.engines import torch_engine
from realtime.engines.low_memory import LowMemoryEngine
from realtime.engines.protocol import EngineInfo
from realtime.engines.torch_engine import TorchEngine
from realtime.options import EngineOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue

_WORDS = ("CUDA out of memory. Tried to allocate 1 GiB", "GET was unable to find an engine to execute this computation")
STYLE = Style("negative", "fast", Path("negative.safetensors"), None, "")


class SmallCard:
    """A GPU.

    Args:
        pixels: of all frames that are held or computed at a time.

    Attributes:
        held: pixels in use now.
        most: that were ever in use.
        failures: how often memory was too small.
        recorded: shapes of all graphs that were recorded.
    """

    def __init__(self, pixels: int) -> None:
        self.pixels, self.held, self.most, self.failures = pixels, 0, 0, 0
        self.recorded: list[tuple[int, ...]] = []
        self._lock = threading.Lock()

    def take(self, pixels: int) -> None:
        with self._lock:
            if self.held + pixels > self.pixels:
                self.failures += 1
                raise RuntimeError(_WORDS[self.failures % 2])
            self.held += pixels
            self.most = max(self.most, self.held)

    def give_back(self, pixels: int) -> None:
        with self._lock:
            self.held -= pixels

    def runner(self, _: object, shape: tuple[int, ...], *__: object) -> "_Runner":
        return _Runner(self, shape)

    def open_engine(self, monkeypatch: pytest.MonkeyPatch, said: list[str], parallel_batches: int = 2) -> Any:
        """An engine on this card that gives the negative of frames, as `open_engine` gives it for a GPU."""
        monkeypatch.setattr(torch_engine, "CudaRunner", self.runner)
        monkeypatch.setattr(TorchEngine, "_can_record", staticmethod(lambda _: True))
        monkeypatch.setattr(TorchEngine, "_load_networks", lambda *_: {STYLE.checkpoint: _Network(self)})
        monkeypatch.setattr(torch_engine, "stylize_in_tiles", self._in_tiles)
        catalogue = Catalogue((STYLE,))
        options = EngineOptions("torch", "cpu", "fp32", parallel_batches=parallel_batches)
        engine = TorchEngine(catalogue, options)
        engine.info = EngineInfo("torch", "cuda:0", "fp16", parallel_batches=parallel_batches)
        return LowMemoryEngine(
            engine, lambda tile_px: TorchEngine(catalogue, options, tile_px, neighbour=engine), said.append
        )

    def _in_tiles(
        self, _: object, image: NDArray[np.uint8], __: object, tile_px: int, *_more: object
    ) -> NDArray[np.uint8]:
        pixels = min(tile_px, image.shape[0]) * min(tile_px, image.shape[1])
        self.take(pixels)
        self.give_back(pixels)
        return 255 - image


class _Runner:
    """A recorded graph, which holds its frames' memory until it is let go of."""

    def __init__(self, card: SmallCard, shape: tuple[int, ...]) -> None:
        pixels = shape[0] * shape[1] * shape[2]
        card.take(pixels)
        self.held_bytes = pixels
        weakref.finalize(self, card.give_back, pixels)
        card.recorded.append(shape)

    def run(self, images: NDArray[np.uint8], _: object) -> NDArray[np.uint8]:
        return 255 - images


class _Network:
    """Computed eagerly, it needs its frames' memory for as long as that takes."""

    vector_size = 0

    def __init__(self, card: SmallCard) -> None:
        self._card = card

    def __call__(self, images: torch.Tensor, _: object) -> torch.Tensor:
        pixels = images[:, 0].numel()
        self._card.take(pixels)
        self._card.give_back(pixels)
        return 255 - images
