"""Tests of what `--engine auto` chooses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import machines
import pytest
from fakes import IdentityEngine

from realtime.engines import open_engine, selection
from realtime.engines.autotune import Autotune, Candidate
from realtime.options import EngineOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue

CHECKPOINT, MODEL_FILE = Path("fast.safetensors"), Path("fast.onnx")
BOTH = Style("both", "fast", CHECKPOINT, MODEL_FILE, "")
ONLY_CHECKPOINT = Style("new", "fast", Path("new.safetensors"), None, "")
ONLY_MODEL_FILE = Style("exported", "fast", None, MODEL_FILE, "")


@dataclass
class Machine:
    """What a machine has, and how long its engines take in a fake's milliseconds."""

    has_bf16: bool = False
    has_cuda: bool = False
    has_openvino: bool = True
    has_int8_files: bool = True
    has_torch: bool = True
    times_ms: dict[str, float] = field(default_factory=dict)


Choose = Callable[..., str]


class _Opened(IdentityEngine):
    """Tells how it was opened."""

    def __init__(self, options: EngineOptions) -> None:
        super().__init__()
        self._options = options

    def __str__(self) -> str:
        return f"{self._options.engine} {self._options.precision}"


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Engine and precision that are opened on some machine; the likely fastest comes first in a tie."""

    def _choose(machine: Machine, *styles: Style, first: int = 0, **wish: Any) -> str:
        def fastest(_: Autotune, candidates: Sequence[Candidate], __: object) -> Candidate:
            return min(candidates, key=lambda candidate: machine.times_ms.get(str(candidate), 99.0))

        monkeypatch.setattr(selection, "cpu_has_bf16", lambda: machine.has_bf16)
        (machines.WHOLE if machine.has_cuda else machines.NO_GPU).take_place(monkeypatch)
        installed = {"openvino": machine.has_openvino, "torch": machine.has_torch}
        monkeypatch.setattr(selection, "_is_installed", installed.__getitem__)
        monkeypatch.setattr(selection, "_is_there", lambda *_: machine.has_int8_files)
        monkeypatch.setattr(Autotune, "fastest", fastest)
        monkeypatch.setattr(selection, "open_named_engine", lambda _, options: _Opened(options))
        return str(open_engine(Catalogue(styles or (BOTH,)), EngineOptions(**wish, batch_size=1), first))

    return _choose


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
@pytest.mark.parametrize("rich", [True, False])
def test_what_is_named_is_opened(choose: Choose, name: str, rich: bool) -> None:
    assert choose(Machine(rich, rich, rich, rich), engine=name) == f"{name} auto"


def test_what_is_fastest_is_taken(choose: Choose) -> None:
    assert choose(Machine()) == "openvino int8"
    assert choose(Machine(times_ms={"onnx int8": 5.0})) == "onnx int8"
    assert choose(Machine(has_bf16=True, times_ms={"torch bf16": 5.0})) == "torch bf16"


def test_without_openvino_the_others_are_measured(choose: Choose) -> None:
    assert choose(Machine(has_openvino=False)) == "onnx int8"
    assert choose(Machine(has_openvino=False, has_int8_files=False)) == "onnx fp32"


def test_without_torch_the_others_are_measured_and_only_what_nothing_else_runs_asks_for_it(choose: Choose) -> None:
    bare = Machine(has_torch=False, has_openvino=False, times_ms={"torch fp32": 1.0})
    assert choose(bare) == "onnx int8"
    assert choose(replace(bare, has_int8_files=False)) == "onnx fp32"
    assert choose(bare, ONLY_CHECKPOINT) == "torch fp32"


@pytest.mark.parametrize(
    ("precision", "expected"), [("fp32", "openvino fp32"), ("int8", "openvino int8"), ("fp16", "torch fp16")]
)
def test_a_precision_that_was_asked_for_is_kept(choose: Choose, precision: str, expected: str) -> None:
    assert choose(Machine(), precision=precision) == expected


def test_fp32_is_kept_where_bf16_would_be_faster(choose: Choose) -> None:
    assert choose(Machine(has_bf16=True), precision="fp32") == "openvino fp32"


def test_bf16_needs_a_cpu_that_has_it(choose: Choose) -> None:
    assert choose(Machine(has_bf16=True), precision="bf16") == "openvino bf16"
    assert choose(Machine(), precision="bf16") == "torch bf16"


def test_candidates_are_measured_one_batch_at_a_time_and_the_best_is_opened_as_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[EngineOptions] = []

    def measure(autotune: Autotune, candidates: Sequence[Candidate], _: object) -> Candidate:
        autotune.open_candidate(candidates[0])
        return candidates[0]

    machines.NO_GPU.take_place(monkeypatch)
    monkeypatch.setattr(selection, "_is_installed", lambda _: True)
    monkeypatch.setattr(selection, "_is_there", lambda *_: True)
    monkeypatch.setattr(Autotune, "fastest", measure)

    def open_named(_: object, options: EngineOptions) -> IdentityEngine:
        opened.append(options)
        return IdentityEngine()

    monkeypatch.setattr(selection, "open_named_engine", open_named)
    open_engine(Catalogue((BOTH,)), EngineOptions(parallel_batches=2))
    assert [options.parallel_batches for options in opened] == [1, 2]


def test_a_gpu_takes_torch_unless_the_cpu_was_asked_for(choose: Choose) -> None:
    assert choose(Machine(has_cuda=True)) == "torch auto"
    assert choose(Machine(has_cuda=True), device="cuda:1") == "torch auto"
    assert choose(Machine(has_cuda=True), device="cpu") == "openvino int8"
    assert choose(Machine(has_cuda=True), ONLY_MODEL_FILE) == "onnx auto"
    assert choose(Machine(), device="mps") == "torch auto"


def test_a_style_without_a_model_file_takes_torch(choose: Choose) -> None:
    assert choose(Machine(has_int8_files=False), ONLY_CHECKPOINT) == "torch fp32"
    assert choose(Machine(has_bf16=True), BOTH, ONLY_CHECKPOINT, first=1) == "torch bf16"


def test_a_model_file_alone_does_without_torch(choose: Choose) -> None:
    machine = Machine(has_bf16=True, has_int8_files=False, times_ms={"torch bf16": 1.0})
    assert choose(machine, ONLY_MODEL_FILE) == "openvino bf16"
