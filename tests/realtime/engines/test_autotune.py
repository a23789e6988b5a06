"""Tests of finding and remembering the fastest engine; time is a fake's."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import IdentityEngine, make_catalogue
from numpy.typing import NDArray

from realtime.engines.autotune import Autotune, Candidate, cache_path
from realtime.errors import EngineError
from realtime.style import Style

STYLE = make_catalogue("a").styles[0]
SLOW, FAST, GONE = Candidate("onnx", "fp32"), Candidate("openvino", "int8"), Candidate("torch", "bf16")


class TimedEngine(IdentityEngine):
    """Takes time of a fake clock."""

    def __init__(self, machine: "FakeMachine", cost_s: float) -> None:
        super().__init__()
        self.machine, self.cost_s = machine, cost_s

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self.machine.now_s += self.cost_s
        self.machine.runs += 1
        return super().stylize(images, style, strength)


class FakeMachine:
    """Opens engines by what they cost."""

    def __init__(self) -> None:
        self.now_s, self.runs, self.opened = 0.0, 0, 0
        self.costs_s = {SLOW: 0.04, FAST: 0.01}
        self.said: list[str] = []

    def open(self, candidate: Candidate) -> TimedEngine:
        self.opened += 1
        if candidate not in self.costs_s:
            raise EngineError("cannot be had")
        return TimedEngine(self, self.costs_s[candidate])

    def fastest(self, refresh: bool = False, size_wh: tuple[int, int] = (64, 48)) -> Candidate:
        return Autotune(self.open, STYLE, size_wh, refresh).fastest([SLOW, FAST, GONE], self.said.append)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMachine]:
    made = FakeMachine()
    monkeypatch.setattr("realtime.engines.autotune.cache_path", lambda: tmp_path / "cache" / "engines.json")
    monkeypatch.setattr("time.perf_counter", lambda: made.now_s)
    yield made


def test_the_fastest_that_can_be_had_is_found_and_said(machine: FakeMachine) -> None:
    assert machine.fastest() == FAST
    assert "which of 3 engines" in machine.said[0]
    assert "onnx fp32 40.0 ms; openvino int8 10.0 ms" in machine.said[1]


def test_it_is_remembered_for_machine_model_and_size(machine: FakeMachine) -> None:
    machine.fastest()
    opened = machine.opened
    assert machine.fastest() == FAST
    assert machine.opened == opened
    machine.fastest(size_wh=(128, 96))
    assert machine.opened > opened


def test_refresh_measures_again(machine: FakeMachine) -> None:
    machine.fastest()
    machine.costs_s = {SLOW: 0.01, FAST: 0.04}
    assert machine.fastest() == FAST
    assert machine.fastest(refresh=True) == SLOW
    assert machine.fastest() == SLOW


def test_each_takes_about_a_second_and_the_much_slower_less(machine: FakeMachine) -> None:
    machine.costs_s = {SLOW: 0.5, FAST: 0.01}
    machine.fastest()
    assert 1.0 <= machine.now_s <= 1.0 + 2 * 0.52
    assert machine.runs < 110


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}'])
def test_a_damaged_memory_is_measured_over(machine: FakeMachine, tmp_path: Path, content: str) -> None:
    path = tmp_path / "cache" / "engines.json"
    path.parent.mkdir()
    path.write_text(content)
    assert machine.fastest() == FAST
    assert "openvino int8" in json.loads(path.read_text()).values()


def test_a_place_that_cannot_be_written_is_said(machine: FakeMachine, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert machine.fastest() == FAST
    assert "cannot be remembered" in machine.said[-1]


def test_where_none_can_be_had_the_first_is_opened_and_says_why(machine: FakeMachine) -> None:
    machine.costs_s = {}
    assert machine.fastest() == SLOW


def test_it_lies_in_the_users_cache_folder() -> None:
    assert cache_path().name == "fastest_engines.json"
