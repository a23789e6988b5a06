from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from fakes import make_catalogue

from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError
from speed import measurement
from speed.measurement import Measurement
from speed.options import BenchmarkOptions
from speed.results import BASELINE, Report
from speed.worker import EngineSetup, OpenedEngine


class FakeRemoteObject:
    """A process that answers at once; torch in fp32 ends in its second round, and onnx in int8 cannot be opened."""

    opened: ClassVar[list["FakeRemoteObject"]] = []
    checkpoint: ClassVar[Path | None] = None

    def __init__(self, name: str, _: object, what: Any) -> None:
        if isinstance(what, EngineSetup) and (what.engine, what.precision) == ("onnx", "int8"):
            raise EngineError("engine onnx: no such file")
        self.what, self.rounds, self.closed = what, 0, False
        self.opened.append(self)

    def ask(self, method: str, *arguments: Any) -> Any:
        if method == "found":
            style = "candy" if self.what.engine else BASELINE
            info = EngineInfo(self.what.engine or "torch", "cpu", self.what.precision)
            return OpenedEngine(info, self.what.network, {style: self.checkpoint}, [], 40.0, 100.0, 0.0)
        if method == "image":
            grey = {"fp32": 100, "bf16": 102}[self.what.precision]
            return np.full((4, 4, 3), grey, np.uint8)
        if method == "times_ms":
            self.rounds += 1
            if (self.what.engine, self.what.precision, self.rounds) == ("torch", "fp32", 2):
                raise EngineError("its process ended")
            return [10.0 * self.rounds, 20.0 * self.rounds]
        return {"loop_fps": 30.0, "copy_gb_per_s": 20.0, "matmul_gops": 100.0}[method]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def remotes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeRemoteObject]]:
    FakeRemoteObject.opened = []
    monkeypatch.setattr(measurement, "RemoteObject", FakeRemoteObject)
    monkeypatch.setattr(measurement, "write_clip", lambda *_: None)
    yield FakeRemoteObject.opened


def run(options: BenchmarkOptions) -> tuple[Report, list[str], list[Report]]:
    said: list[str] = []
    kept: list[Report] = []
    return Measurement(options, said.append, lambda _: None, kept.append).run(), said, kept


OPTIONS = BenchmarkOptions(engines=("torch", "onnx"), precisions=("fp32", "bf16", "int8"), rounds=2)


def test_what_cannot_be_opened_is_said_and_the_rest_is_measured(remotes: list[FakeRemoteObject]) -> None:
    report, said, kept = run(replace(OPTIONS, engines=("onnx",)))
    assert said == ["left out: engine onnx: no such file"]
    assert [(result.engine, result.precision) for result in report.results] == [
        ("onnx", "fp32"),
        ("onnx", "bf16"),
        ("torch", "fp32"),
    ]
    assert [len(one.results) for one in kept] == [1, 2, 3, 3, 3, 3]
    assert all(remote.closed for remote in remotes)


def test_medians_spread_and_differences_are_those_of_all_rounds(remotes: list[FakeRemoteObject]) -> None:
    report, _, _ = run(replace(OPTIONS, engines=("onnx",)))
    exact, half, baseline = report.results
    assert (half.rounds, half.runs, half.low_ms, half.high_ms, half.median_ms) == (2, 4, 15.0, 30.0, 20.0)
    assert (half.fps, half.loop_fps) == (50.0, 30.0)
    assert (half.mean_difference, exact.mean_difference, baseline.mean_difference) == (2.0, None, None)
    assert half.psnr_db == pytest.approx(20 * np.log10(255 / 2))
    assert baseline.loop_fps is None
    assert baseline.macs_per_pixel is not None
    pixels_per_s = 640 * 480 / 0.02
    assert baseline.compute_share == pytest.approx(2 * baseline.macs_per_pixel * pixels_per_s / 1e9 / 100)


def test_an_engine_that_fails_has_no_more_rounds_and_keeps_its_result(remotes: list[FakeRemoteObject]) -> None:
    report, said, _ = run(replace(OPTIONS, precisions=("fp32",)))
    rounds = {(result.style, result.engine): result.rounds for result in report.results}
    assert rounds == {("candy", "torch"): 1, ("candy", "onnx"): 2, (BASELINE, "torch"): 2}
    assert said == ["not measured any more: fast, torch fp32, 640x480, batch 1: its process ended"]


def test_nothing_to_measure_is_an_error(remotes: list[FakeRemoteObject]) -> None:
    with pytest.raises(EngineError, match="nothing that was asked for"):
        run(replace(OPTIONS, engines=("onnx",), precisions=("int8",)))
    assert all(remote.closed for remote in remotes)


def test_both_networks_are_results_of_one_run(remotes: list[FakeRemoteObject], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "open_style_list", lambda *_: (make_catalogue("candy"), [0]))
    options = BenchmarkOptions(networks=("fast", "fine"), engines=("onnx",), precisions=("fp32",), rounds=1)
    report, _, _ = run(options)
    assert [result.network for result in report.results] == ["fast", "fine", BASELINE]
    assert [result.label for result in report.results] == ["candy", "candy (fine)", BASELINE]
    assert len({result.key for result in report.results}) == 3
