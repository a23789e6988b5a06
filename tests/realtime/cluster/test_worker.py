"""Tests of what a worker has of its machine: cores, networks, inputs."""

import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from neural_style.weights import SAVED_MODELS
from realtime.cluster import worker_machine
from realtime.cluster.units import Outcome, ScanUnit, Setup, VideoUnit
from realtime.cluster.worker import Worker
from realtime.cluster.worker_machine import style_here, use_cores
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError, EngineMemoryError, EngineTimeoutError, StyleError
from realtime.options import EngineOptions, FileOptions
from realtime.style_catalogue import load_catalogue

pytestmark = pytest.mark.skipif(
    not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"
)


def setup_with(**engine: str) -> Setup:
    options = FileOptions(("a.mp4",), "b.mp4", network="fast", engine=EngineOptions(**engine))  # type: ignore[arg-type]
    return Setup(options, load_catalogue(), (0,), str(SAVED_MODELS))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives processes their cores")
@pytest.mark.parametrize(("rank", "cores", "expected"), [(0, 1, {4}), (1, 2, {6, 7}), (2, 2, None), (0, None, None)])
def test_a_worker_keeps_to_its_share_of_the_cores(
    rank: int, cores: int | None, expected: set[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_for: list[tuple[int, set[int]]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 6, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, chosen: set_for.append((thread, set(chosen))))
    use_cores(rank, cores)
    assert all(chosen == expected for _, chosen in set_for)
    assert (os.getpid() in dict(set_for)) == (expected is not None)


def test_networks_are_those_of_the_workers_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = setup_with()
    style = setup.catalogue.styles[0]
    assert style_here(style, setup) == style
    monkeypatch.setattr(worker_machine, "SAVED_MODELS", tmp_path)
    with pytest.raises(StyleError, match=rf"there is no {tmp_path}/fast\.safetensors; install the same version"):
        style_here(style, setup)
    monkeypatch.undo()
    with pytest.raises(StyleError, match="is another version; install the same one everywhere"):
        style_here(replace(style, content_hash="of another"), setup)


def test_an_engine_that_cannot_be_had_names_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "host", lambda _: "far")
    with pytest.raises(EngineError, match=r"worker on far: .*fp16"):
        Worker().open(setup_with(engine="openvino", precision="fp16"), 0)


def test_an_input_that_is_not_seen_names_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "host", lambda _: "far")
    (tmp_path / "a.mp4").write_bytes(b"")
    seen, missing = str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")
    assert Worker().unseen((seen,), seen) == ""
    assert Worker().unseen((missing,), seen).startswith(f"worker on far: input {missing}: cannot be read (No such file")
    assert Worker().unseen((seen,), missing).startswith(f"worker on far: output {missing}: cannot be seen;")


class Lost:
    """An engine of a device."""

    def __init__(self, device: str) -> None:
        self.info = EngineInfo("torch", device, "fp16")


@pytest.mark.parametrize(
    ("device", "error", "kind"),
    [
        ("cuda:0", EngineError("CUDA error: device lost"), "fault"),
        ("cuda:0", EngineMemoryError("too small"), "failed"),
        ("cpu", EngineError("cannot take this shape"), "failed"),
        ("cpu", EngineTimeoutError("did not come back"), "fault"),
    ],
)
def test_what_another_worker_may_do_is_a_fault(
    device: str, error: EngineError, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stylize(*_: object) -> Outcome:
        raise error

    worker = Worker()
    worker._engine = Lost(device)  # type: ignore[assignment]
    monkeypatch.setattr("realtime.cluster.unit_stylizer.UnitStylizer.stylize", stylize)
    outcome = worker.run(setup_with(), 0, VideoUnit("a.mp4", ".mp4", "attempts", ("b",)))
    assert (outcome.kind, outcome.text) == (kind, str(error))


def test_a_worker_that_can_open_no_engine_any_more_says_so_and_still_looks_through(tmp_path: Path) -> None:
    worker, setup = Worker(), setup_with(engine="openvino", precision="fp16")
    assert worker.run(setup, 0, VideoUnit("a.mp4", ".mp4", str(tmp_path), ("b",))).kind == "unfit"
    assert worker.run(setup, 0, ScanUnit(str(tmp_path / "a.mp4"), ".mp4")).kind == "failed"


def test_a_full_disk_is_said_with_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Outcome:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Worker, "_stylize", full)
    outcome = Worker().run(setup_with(), 99, VideoUnit("a.mp4", ".mp4", "/out/attempts", ("/out/a.mp4",)))
    assert outcome.text == "output /out/attempts: No space left on device; choose another place, or make room"
