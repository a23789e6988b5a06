"""Tests of bettering the current style, with a process that is a fake and in simulated time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import CollectingSink, make_catalogue, make_stylized, noise

from realtime.controls import AddStyle, Controls, SelectStyle
from realtime.options import LookOptions
from realtime.style import Style, Vector
from realtime.style_refiner import BEFORE_S, StyleRefiner


class _Process:
    """Gives the vectors and the end that a test puts there."""

    def __init__(self, style: Style) -> None:
        self.style, self.runs, self.closed = style, True, False
        self.vector: Vector | None = None
        self.ended, self.fault = False, ""

    def let_run(self, runs: bool) -> None:
        self.runs = runs

    def newer_vector(self) -> Vector | None:
        vector, self.vector = self.vector, None
        return vector

    def end(self) -> None:
        self.closed = True


class _Show:
    """Two styles of images among others, and a refiner that is asked 50 times a second."""

    def __init__(self, fails: OSError | None = None) -> None:
        catalogue = make_catalogue("candy", "rust", "moss", "udnie", identity=0.0)
        for style in catalogue.styles[1:3]:
            catalogue.put(replace(style, file=Path(f"{style.name}.jpg"), checkpoint=Path("fast.safetensors")))
        self.controls = Controls(catalogue, 0, LookOptions())
        self.now_s, self.said, self.fails = 50.0, list[str](), fails
        self.processes: list[_Process] = []
        self.refiner = StyleRefiner(self.controls, self._start, self.said.append, lambda: self.now_s)

    def _start(self, style: Style) -> _Process:
        if self.fails:
            raise self.fails
        self.processes.append(_Process(style))
        return self.processes[-1]

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.now_s += 0.02
            self.refiner.write(make_stylized(noise((8, 8))))
            for command in self.refiner.commands():
                self.controls.apply(command)

    @property
    def value(self) -> float:
        vector = self.controls.look.style.vector
        assert vector is not None
        return float(vector[0])


def _vector(value: float) -> Vector:
    return np.array([value], np.float32)


def test_the_style_of_an_image_is_bettered_while_it_is_shown() -> None:
    show = _Show()
    show.wait(10)
    assert show.processes == [], "candy is of no image"
    show.controls.apply(SelectStyle(2))
    show.wait(BEFORE_S - 0.1)
    assert show.processes == []
    show.wait(1)
    (process,) = show.processes
    assert process.style.name == "rust"
    process.vector = _vector(11)
    show.wait(1.1)
    assert show.value == 11
    assert show.refiner.fields() == ["style refining 2 s"]
    process.vector, process.ended = _vector(12), True
    show.wait(1.1)
    assert (show.value, process.closed) == (12, True), "its last vector is taken, too"
    assert show.said == ["style rust is refined"]
    assert show.refiner.fields() == ["style refined"]
    show.wait(60)
    assert len(show.processes) == 1, "it is done"


def test_a_switch_ends_it_and_a_switch_back_goes_on() -> None:
    show = _Show()
    show.controls.apply(SelectStyle(2))
    show.wait(3)
    show.processes[0].vector = _vector(11)
    show.wait(1)
    show.controls.apply(SelectStyle(3))
    show.wait(3)
    assert [process.style.name for process in show.processes] == ["rust", "moss"]
    assert show.processes[0].closed
    show.controls.apply(SelectStyle(2))
    show.wait(3)
    assert show.processes[2].style.vector == pytest.approx([11])
    assert show.said == []


def test_a_style_that_is_predicted_anew_is_refined_again() -> None:
    show = _Show()
    show.controls.apply(SelectStyle(2))
    show.wait(3)
    show.processes[0].ended = True
    show.wait(1.1)
    assert show.refiner.fields() == ["style refined"]
    show.controls.apply(AddStyle(replace(show.controls.look.style, vector=_vector(40))))
    show.wait(3)
    assert show.processes[1].style.vector == pytest.approx([40])


def test_what_fails_is_told_in_a_line_and_not_tried_again() -> None:
    show = _Show()
    show.controls.apply(SelectStyle(2))
    show.wait(3)
    show.processes[0].ended, show.processes[0].fault = True, "loss network efficientnet: is not installed"
    show.wait(60)
    assert show.said == ["style rust cannot be refined: loss network efficientnet: is not installed"]
    assert len(show.processes) == 1
    lost = _Show(OSError(12, "Cannot allocate memory"))
    lost.controls.apply(SelectStyle(2))
    lost.wait(60)
    assert lost.said == ["style rust cannot be refined: Cannot allocate memory"]


def test_a_vector_of_another_size_is_not_taken() -> None:
    show = _Show()
    show.controls.apply(SelectStyle(2))
    show.wait(3)
    show.processes[0].vector = np.zeros(7, np.float32)
    show.wait(2)
    assert show.value == 10


def test_it_rests_at_first_and_runs_by_turns() -> None:
    show = _Show()
    show.controls.apply(SelectStyle(2))
    show.wait(BEFORE_S + 0.5)
    assert not show.processes[0].runs, "what the loop reaches without it is measured first"
    seen = set()
    for _ in range(400):
        show.wait(0.1)
        seen.add(show.processes[0].runs)
    assert seen == {True, False}


def test_it_ends_with_the_show() -> None:
    show = _Show()
    show.controls.apply(SelectStyle(2))
    show.wait(3)
    assert isinstance(show.refiner, CollectingSink) or show.refiner.close() == ""
    assert show.processes[0].closed
    assert show.refiner.close() == ""
