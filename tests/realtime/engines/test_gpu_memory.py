"""Tests of a GPU's memory that is too small: its many words, and that what failed is let go of before a retry."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import IdentityEngine, make_catalogue, noise
from numpy.typing import NDArray

from realtime.engines import torch_engine
from realtime.engines.gpu_memory import is_out_of_memory, let_go_of, with_room
from realtime.engines.low_memory import LowMemoryEngine
from realtime.engines.protocol import Engine, EngineInfo, no_memory
from realtime.engines.torch_engine import TorchEngine
from realtime.errors import EngineError, EngineMemoryError
from realtime.options import EngineOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue

WORDS = [
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 3.81 GiB",
    "GET was unable to find an engine to execute this computation",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "input tensor must fit into 32-bit index math",
    "Expected canUse32BitIndexMath(input) && canUse32BitIndexMath(output) to be true, but got false.",
    "upsample_nearest2d_nhwc only supports output tensors with less than INT_MAX elements",
    "BFCArena::AllocateRawInternal: Failed to allocate memory for requested buffer of size 4294967296",
]
STYLE = Style("a", "fast", Path("a.safetensors"), None, "")


@pytest.mark.parametrize("words", WORDS)
def test_libraries_say_in_many_words_that_memory_is_too_small(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _engine(monkeypatch, lambda: words)
    with pytest.raises(EngineMemoryError, match="its memory is too small for 1 frames of 64x48"):
        engine.stylize(noise()[None], STYLE)


def test_another_failure_is_none_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _engine(monkeypatch, lambda: "CUDA error: an illegal memory access was encountered")
    with pytest.raises(EngineError, match="illegal memory access") as refused:
        engine.stylize(noise()[None], STYLE)
    assert not isinstance(refused.value, EngineMemoryError)


def test_an_invalid_recording_is_one_of_memory_if_that_came_before() -> None:
    """When the recording of a graph fails, ending it fails, too."""
    try:
        try:
            raise RuntimeError(WORDS[0])
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
    except RuntimeError as error:
        assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("operation failed due to a previous error during capture"))


def test_the_cache_is_emptied_when_nothing_holds_the_tensors_of_the_failed_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    alive_when_emptied: list[bool] = []

    def allocate() -> str:
        large = torch.zeros(1000)
        held.append(weakref.ref(large))
        raise RuntimeError(WORDS[0])

    engine = _engine(monkeypatch, allocate)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: alive_when_emptied.append(held[0]() is not None))
    with pytest.raises(EngineMemoryError) as refused:
        engine.stylize(noise()[None], STYLE)
    assert alive_when_emptied == [False]
    assert held[0]() is None, refused.value


def test_room_is_made_until_it_fits_and_what_failed_is_gone_by_then() -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    room = [0]

    def run() -> str:
        large = torch.zeros(10)
        held.append(weakref.ref(large))
        if room[0] < 2:
            raise RuntimeError(WORDS[1])
        return "done"

    def make_room() -> bool:
        assert all(each() is None for each in held)
        room[0] += 1
        return True

    assert with_room(run, make_room) == "done"
    with pytest.raises(RuntimeError, match="find an engine"):
        with_room(lambda: _raise(WORDS[1]), lambda: False)
    with pytest.raises(ValueError, match="boom"):
        with_room(lambda: _raise_value("boom"), lambda: pytest.fail("that is no matter of memory"))


class Holding(IdentityEngine):
    """Has no memory; what it allocated hangs on the error that it raises."""

    def __init__(self, held: list[weakref.ref[torch.Tensor]]) -> None:
        super().__init__()
        self.info, self._held = EngineInfo("torch", "cuda:0", "fp16"), held

    def prepare(self, shape: tuple[int, ...], _: Style) -> float:
        large = torch.zeros(10)
        self._held.append(weakref.ref(large))
        raise no_memory(self.info, shape)

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self.prepare(images.shape, style)
        raise AssertionError


@pytest.mark.parametrize("first", ["prepare", "stylize"])
def test_tiles_are_tried_when_nothing_holds_what_the_whole_image_needed(first: str) -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def open_tiled(_: int) -> Engine:
        assert held
        assert all(each() is None for each in held)
        return IdentityEngine()

    engine = LowMemoryEngine(Holding(held), open_tiled, lambda _: None)
    images = np.zeros((1, 300, 300, 3), np.uint8)
    if first == "prepare":
        engine.prepare(images.shape, STYLE)
    assert engine.stylize(images, STYLE).shape == images.shape


def test_what_is_known_not_to_fit_is_not_prepared_again() -> None:
    class Small(IdentityEngine):
        def prepare(self, shape: tuple[int, ...], style: Style) -> float:
            super().prepare(shape, style)
            if shape[0] > 1:
                raise no_memory(self.info, shape)
            return 0.0

        def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
            if len(images) > 1:
                raise no_memory(self.info, images.shape)
            return super().stylize(images, style, strength)

    inner = Small()
    engine = LowMemoryEngine(inner, lambda _: IdentityEngine(), lambda _: None)
    style = make_catalogue("a").styles[0]
    for _ in range(3):
        engine.prepare((4, 30, 40, 3), style)
    assert [shape[0] for shape in inner.prepared] == [4, 1, 1]


def test_let_go_clears_the_whole_chain() -> None:
    def fail() -> None:
        large = torch.zeros(10)
        kept.append(weakref.ref(large))
        raise RuntimeError("a")

    kept: list[weakref.ref[torch.Tensor]] = []
    try:
        try:
            fail()
        except RuntimeError as error:
            raise ValueError("b") from error
    except ValueError as caught:
        let_go_of(caught)
        assert kept[0]() is None


def _engine(monkeypatch: pytest.MonkeyPatch, fail: Any) -> TorchEngine:
    """An engine whose network fails with the words that a function gives."""

    def network(*_: object) -> None:
        raise RuntimeError(fail())

    monkeypatch.setattr(TorchEngine, "_load_networks", lambda *_: {STYLE.checkpoint: network})
    monkeypatch.setattr(torch_engine, "first_reason", str)
    return TorchEngine(Catalogue((STYLE,)), EngineOptions("torch", "cpu", "fp32"))


def _raise(words: str) -> None:
    raise RuntimeError(words)


def _raise_value(words: str) -> None:
    raise ValueError(words)
