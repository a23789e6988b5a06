"""Owns what happens when a GPU's memory is too small: fewer frames together, then parts of images.

Must not know how an engine works.
"""

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from realtime.engines.protocol import Engine, EngineInfo
from realtime.errors import EngineError, EngineMemoryError
from realtime.style_catalogue import Style

_TILES_PX = (2048, 1024, 512, 256)

_Size = tuple[int, int]


class SparingEngine:
    """Gives an engine as much at once as its memory holds, and says so when that is less than was asked for.

    What was found for a size of image is kept: the memory runs out once, not for every batch.

    Args:
        engine: closed with this one.
        open_tiled: opens an engine that stylizes in parts of so many px a side.
        say: takes lines for people.
    """

    def __init__(self, engine: Engine, open_tiled: Callable[[int], Engine], say: Callable[[str], None]) -> None:
        self._engine, self._open_tiled, self._say = engine, open_tiled, say
        self._most_frames: dict[_Size, int] = {}
        self._tiled: dict[_Size, Engine] = {}
        self._by_tile: dict[int, Engine] = {}
        self._changing = threading.RLock()

    @property
    def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return self._engine.info

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`; finds out already here what there is memory for."""
        try:
            return self._engine.prepare(shape, style)
        except EngineMemoryError:
            start_s = time.perf_counter()
            self.stylize(np.zeros(shape, np.uint8), style)
            return time.perf_counter() - start_s

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`; raises EngineMemoryError when not even small parts have room."""
        size = images.shape[1:3]
        if size in self._tiled:
            return self._tiled[size].stylize(images, style, strength)
        most = self._most_frames.get(size, len(images))
        if most < len(images):
            parts = [images[at : at + most] for at in range(0, len(images), most)]
            return np.concatenate([self.stylize(part, style, strength) for part in parts])
        try:
            return self._engine.stylize(images, style, strength)
        except EngineMemoryError as error:
            if len(images) == 1:
                return self._in_parts(images, style, strength, error)
            self._use_fewer(size, len(images))
        return self.stylize(images, style, strength)

    def close(self) -> None:
        """See `Engine.close`."""
        for engine in (*self._by_tile.values(), self._engine):
            engine.close()

    def _use_fewer(self, size: _Size, frames: int) -> None:
        with self._changing:
            fewer = frames // 2
            if self._most_frames.get(size, frames) > fewer:
                self._most_frames[size] = fewer
                self._say(
                    f"device {self.info.device}: no memory for {frames} frames of {size[1]}x{size[0]} together; "
                    f"from now on {fewer}"
                )

    def _in_parts(
        self, images: NDArray[np.uint8], style: Style, strength: float, failure: EngineMemoryError
    ) -> NDArray[np.uint8]:
        height, width = size = images.shape[1:3]
        with self._changing:
            for tile_px in _TILES_PX:
                if tile_px >= max(size):
                    continue
                try:
                    if tile_px not in self._by_tile:
                        self._by_tile[tile_px] = self._open_tiled(tile_px)
                    stylized = self._by_tile[tile_px].stylize(images, style, strength)
                except EngineMemoryError:
                    continue
                except EngineError as error:
                    raise failure from error
                if size not in self._tiled:
                    self._tiled[size] = self._by_tile[tile_px]
                    self._say(
                        f"device {self.info.device}: no memory for a frame of {width}x{height} at once; "
                        f"from now on in parts of {tile_px} px, which is slower"
                    )
                return stylized
        raise failure
