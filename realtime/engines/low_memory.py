"""Owns what happens when a GPU's memory is too small: smaller batches, then images in tiles."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from realtime.engines.protocol import Engine, no_memory
from realtime.errors import EngineError, EngineMemoryError
from realtime.style import Style

_TILES_PX = (2048, 1024, 512, 256)

_Size = tuple[int, int]


class LowMemoryEngine:
    """Gives an engine as much at once as its memory holds, and says so when that is less than was asked for.

    What fits is remembered for each size of image: the memory runs out once, not for every batch.

    Args:
        engine: closed with this one.
        open_tiled: opens an engine that stylizes in tiles of at most so many px a side.
        say: takes lines for people.

    Attributes:
        info: see `Engine.info`.
    """

    def __init__(self, engine: Engine, open_tiled: Callable[[int], Engine], say: Callable[[str], None]) -> None:
        self.info = engine.info
        self._engine, self._open_tiled, self._say = engine, open_tiled, say
        self._max_batch: dict[_Size, int] = {}
        self._tiled: dict[_Size, Engine] = {}
        self._by_tile_px: dict[int, Engine] = {}
        self._changing = threading.RLock()

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`; finds out here already what fits into memory."""
        size = shape[1], shape[2]
        if size in self._tiled:
            return 0.0
        fitting = min(shape[0], self._max_batch.get(size, shape[0]))
        with suppress(EngineMemoryError):
            return self._engine.prepare((fitting, *shape[1:]), style)
        start_s = time.perf_counter()
        self.stylize(np.zeros(shape, np.uint8), style)
        return time.perf_counter() - start_s

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`; raises EngineMemoryError when not even small tiles fit."""
        size, count = images.shape[1:3], len(images)
        if size in self._tiled:
            return self._tiled[size].stylize(images, style, strength)
        most = self._max_batch.get(size, count)
        if most < count:
            batches = [images[first : first + most] for first in range(0, count, most)]
            return np.concatenate([self.stylize(batch, style, strength) for batch in batches])
        # What comes next must not run while an error is handled: it would hold what the failed attempt had allocated.
        with suppress(EngineMemoryError):
            return self._engine.stylize(images, style, strength)
        if count == 1:
            return self._in_tiles(images, style, strength)
        self._halve_batches(size, count)
        return self.stylize(images, style, strength)

    def close(self) -> None:
        """See `Engine.close`."""
        for engine in (*self._by_tile_px.values(), self._engine):
            engine.close()

    def _halve_batches(self, size: _Size, count: int) -> None:
        with self._changing:
            fewer = count // 2
            if self._max_batch.get(size, count) > fewer:
                self._max_batch[size] = fewer
                self._say(
                    f"device {self.info.device}: no memory for {count} frames of {size[1]}x{size[0]} together; "
                    f"from now on {fewer}"
                )

    def _in_tiles(self, images: NDArray[np.uint8], style: Style, strength: float) -> NDArray[np.uint8]:
        height, width = size = images.shape[1:3]
        with self._changing:
            for tile_px in (px for px in _TILES_PX if px < max(size)):
                try:
                    if tile_px not in self._by_tile_px:
                        self._by_tile_px[tile_px] = self._open_tiled(tile_px)
                    stylized = self._by_tile_px[tile_px].stylize(images, style, strength)
                except EngineMemoryError:
                    continue
                except EngineError as error:
                    raise no_memory(self.info, images.shape) from error
                if size not in self._tiled:
                    self._tiled[size] = self._by_tile_px[tile_px]
                    self._say(
                        f"device {self.info.device}: no memory for a frame of {width}x{height} at once; "
                        f"from now on in parts of {tile_px} px, which is slower"
                    )
                return stylized
        raise no_memory(self.info, images.shape)
