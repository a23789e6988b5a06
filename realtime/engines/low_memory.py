"""Owns what happens when a GPU's memory is too small: smaller batches, then images in tiles."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from realtime.engines.protocol import Engine, KeepsShapes, no_memory
from realtime.errors import EngineError, EngineMemoryError
from realtime.style import Style

_TILES_PX = (2048, 1024, 512, 256)

_ALONE_WITHIN_S = 30.0
"""How long others may take to end what they do; then the attempt is made beside them."""

_Size = tuple[int, int]
Result = TypeVar("Result")


class _Gate:
    """Lets calls run beside each other, or one of them alone.

    Attributes:
        entered: how many calls there were that might run beside others.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside, self._closed, self.entered = 0, False, 0

    @contextmanager
    def shared(self) -> Iterator[int]:
        """Inside, others may run, too; gives `entered`, or -1 where others do at the beginning."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed, _ALONE_WITHIN_S)
            self._inside += 1
            self.entered += 1
            entered = self.entered if self._inside == 1 else -1
        try:
            yield entered
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, nobody else runs."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed, _ALONE_WITHIN_S)
            self._closed = True
            self._changed.wait_for(lambda: not self._inside, _ALONE_WITHIN_S)
        try:
            yield
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()


class LowMemoryEngine:
    """Gives an engine as much at once as its memory holds, and says so when that is less than was asked for.

    What fits is remembered for each size of image: the memory runs out once, not for every batch. It counts as too
    small when an attempt failed that nothing else ran beside.

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
        self._tiled: dict[_Size, int] = {}
        self._by_tile_px: dict[int, Engine] = {}
        self._changing, self._gate = threading.RLock(), _Gate()

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`; finds out here already what fits into memory."""
        size = shape[1], shape[2]
        if size in self._tiled:
            return 0.0
        fitting = min(shape[0], self._max_batch.get(size, shape[0]))
        once_s = self._attempt(partial(self._engine.prepare, (fitting, *shape[1:]), style))
        if once_s is not None:
            return once_s
        start_s = time.perf_counter()
        self.stylize(np.zeros(shape, np.uint8), style)
        return time.perf_counter() - start_s

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`; raises EngineMemoryError when not even small tiles fit."""
        size, count = images.shape[1:3], len(images)
        if size in self._tiled:
            return self._in_tiles(images, style, strength)
        most = self._max_batch.get(size, count)
        if most < count:
            batches = [images[first : first + most] for first in range(0, count, most)]
            return np.concatenate([self.stylize(batch, style, strength) for batch in batches])
        stylized = self._attempt(partial(self._engine.stylize, images, style, strength))
        if stylized is not None:
            return stylized
        if count == 1:
            return self._in_tiles(images, style, strength)
        self._halve_batches(size, count)
        return self.stylize(images, style, strength)

    def release_unprepared(self) -> None:
        """See `KeepsShapes`."""
        if isinstance(self._engine, KeepsShapes):
            self._engine.release_unprepared()

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

    def _attempt(self, run: Callable[[], Result]) -> Result | None:
        """What a call of an engine gives; None where memory is too small for it even when nothing else runs.

        The second attempt does not run while an error is handled, which would hold what the first had allocated.
        """
        with suppress(EngineMemoryError), self._gate.shared() as entered:
            return run()
        if entered == self._gate.entered:  # it was alone
            return None
        with suppress(EngineMemoryError), self._gate.alone():
            return run()
        return None

    def _in_tiles(self, images: NDArray[np.uint8], style: Style, strength: float) -> NDArray[np.uint8]:
        size = images.shape[1:3]
        with self._changing:
            known = [self._tiled[size]] if size in self._tiled else [px for px in _TILES_PX if px < max(size)]
        for tile_px in known:
            try:
                stylized = self._attempt(partial(self._tiled_engine(tile_px).stylize, images, style, strength))
            except EngineMemoryError:
                continue
            except EngineError as error:
                raise no_memory(self.info, images.shape) from error
            if stylized is not None:
                self._note_tiles(size, tile_px)
                return stylized
        raise no_memory(self.info, images.shape)

    def _tiled_engine(self, tile_px: int) -> Engine:
        with self._changing:
            if tile_px not in self._by_tile_px:
                self._by_tile_px[tile_px] = self._open_tiled(tile_px)
            return self._by_tile_px[tile_px]

    def _note_tiles(self, size: _Size, tile_px: int) -> None:
        with self._changing:
            if size not in self._tiled:
                self._tiled[size] = tile_px
                self._say(
                    f"device {self.info.device}: no memory for a frame of {size[1]}x{size[0]} at once; "
                    f"from now on in parts of {tile_px} px, which is slower"
                )
