"""Tests of signals that wait: a native library is loaded to its end before Ctrl-C ends the run."""

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from realtime.engines.selection import open_named_engine
from realtime.interrupts import signals_delayed
from realtime.options import EngineOptions
from realtime.style_catalogue import Catalogue


@pytest.fixture(autouse=True)
def raising() -> Iterator[None]:
    """Ctrl-C raises, as in a run."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_waits_for_the_end_of_the_block() -> None:
    went_on = False
    with pytest.raises(KeyboardInterrupt), signals_delayed():
        signal.raise_signal(signal.SIGINT)
        went_on = True
    assert went_on


def test_a_signal_comes_before_an_error_of_the_block() -> None:
    with pytest.raises(KeyboardInterrupt), signals_delayed():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("half-way")


def test_without_a_signal_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="own"), signals_delayed():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is before


def test_an_engine_is_opened_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def open_engine(*_: object) -> object:
        signal.raise_signal(signal.SIGINT)
        opened.append(True)
        return object()

    monkeypatch.setattr("realtime.engines.onnx_engine.OnnxEngine", open_engine)
    with pytest.raises(KeyboardInterrupt):
        open_named_engine(Catalogue(()), EngineOptions(engine="onnx"))
    assert opened
