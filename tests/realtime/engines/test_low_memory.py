"""Tests of what happens when memory is too small: a fake engine whose memory is counted in pixels."""

import numpy as np
import pytest
from fakes import IdentityEngine, make_catalogue, noise
from numpy.typing import NDArray

from realtime.engines import open_engine, selection
from realtime.engines.low_memory import LowMemoryEngine
from realtime.engines.protocol import Engine, EngineInfo, no_memory
from realtime.errors import EngineError, EngineMemoryError
from realtime.options import EngineOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue

STYLE = make_catalogue("a").styles[0]
INFO = EngineInfo("torch", "cuda:0", "fp16")


class SmallEngine(IdentityEngine):
    """Has memory for so many pixels at once; counts its batches."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels, self.closed_times, self.info = pixels, 0, INFO
        self.tried: list[int] = []

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self.tried.append(len(images))
        if images[..., 0].size > self.pixels:
            raise no_memory(INFO, images.shape)
        return 255 - images

    def close(self) -> None:
        self.closed_times += 1


class Tiles:
    """Opens engines that need memory for one part only."""

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        self.opened: list[tuple[int, SmallEngine]] = []

    def open(self, tile_px: int) -> Engine:
        engine = SmallEngine(10**9 if tile_px**2 <= self.pixels else 0)
        self.opened.append((tile_px, engine))
        return engine


def _batch(count: int, size_wh: tuple[int, int] = (40, 30)) -> NDArray[np.uint8]:
    return np.stack([noise(size_wh, seed) for seed in range(count)])


def test_batches_are_halved_until_they_fit_and_stay_so() -> None:
    said: list[str] = []
    inner = SmallEngine(2 * 40 * 30)
    engine = LowMemoryEngine(inner, Tiles(0).open, said.append)
    for _ in range(2):
        images = _batch(7)
        assert (engine.stylize(images, STYLE) == 255 - images).all(), "in the same order, none lost"
    assert inner.tried == [7, 3, 1, 1, 1, 1, 1, 1, 1, *[1] * 7]
    assert said == [
        "device cuda:0: no memory for 7 frames of 40x30 together; from now on 3",
        "device cuda:0: no memory for 3 frames of 40x30 together; from now on 1",
    ]
    assert len(engine.stylize(_batch(4, (20, 10)), STYLE)) == 4, "a smaller size is not limited"


def test_an_image_too_large_for_memory_is_stylized_in_parts_from_then_on() -> None:
    said: list[str] = []
    inner, tiles = SmallEngine(1000), Tiles(600**2)
    engine = LowMemoryEngine(inner, tiles.open, said.append)
    images = _batch(1, (3000, 1100))
    for _ in range(2):
        assert (engine.stylize(images, STYLE) == 255 - images).all()
    assert inner.tried == [1]
    assert [tile_px for tile_px, _ in tiles.opened] == [2048, 1024, 512]
    assert said == [
        "device cuda:0: no memory for a frame of 3000x1100 at once; from now on in parts of 512 px, which is slower"
    ]
    engine.close()
    assert inner.closed_times == 1
    assert all(tiled.closed_times == 1 for _, tiled in tiles.opened)


def test_memory_too_small_for_the_smallest_part_is_an_error() -> None:
    engine = LowMemoryEngine(SmallEngine(1000), Tiles(0).open, print)
    with pytest.raises(EngineMemoryError, match=r"cuda:0: its memory is too small for 1 frames of 3000x1100"):
        engine.stylize(_batch(1, (3000, 1100)), STYLE)


def test_a_style_without_weights_for_tiles_reports_the_missing_memory() -> None:
    def refuse(_: int) -> Engine:
        raise EngineError("engine torch: no style has a checkpoint")

    with pytest.raises(EngineMemoryError):
        LowMemoryEngine(SmallEngine(10), refuse, print).stylize(_batch(1, (3000, 1100)), STYLE)


def test_other_failures_pass_through() -> None:
    class Broken(SmallEngine):
        def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
            raise EngineError("boom")

    with pytest.raises(EngineError, match="boom"):
        LowMemoryEngine(Broken(0), Tiles(0).open, print).stylize(_batch(2), STYLE)


@pytest.mark.parametrize("batch_size", [None, 1])
def test_what_the_user_asked_for_is_not_changed(batch_size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = SmallEngine(40 * 30)

    def open_small(_: Catalogue, __: EngineOptions) -> Engine:
        return inner

    monkeypatch.setattr(selection, "open_named_engine", open_small)
    engine = open_engine(make_catalogue("a"), EngineOptions("torch", "cuda", batch_size=batch_size))
    if batch_size is None:
        assert len(engine.stylize(_batch(2), STYLE)) == 2
    else:
        with pytest.raises(EngineMemoryError, match="2 frames of 40x30 at once; use a smaller --batch-size"):
            engine.stylize(_batch(2), STYLE)
