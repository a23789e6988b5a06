"""Tests of the promise that what was asked for is what runs, or one line says why not.

Every device x engine x precision on every kind of machine: what its probes answer is a stand-in, and so is what
would compute there; that choosing and refusing is not.
"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import onnxruntime
import pytest
from machines import (
    GPU_NAME,
    NO_GPU,
    NO_LIBRARIES,
    OLD_DRIVER,
    ONLY_A_DRIVER,
    WHOLE,
    WITHOUT_ONNX,
    WITHOUT_TORCH,
    Machine,
)

from neural_style.weights import SAVED_MODELS
from realtime.engines import open_engine, openvino_engine, runs_on_gpu, selection
from realtime.engines.autotune import Autotune
from realtime.engines.torch_engine import TorchEngine
from realtime.errors import EngineError
from realtime.options import EngineOptions, FileOptions
from realtime.style_catalogue import Catalogue, load_catalogue
from realtime.videos import job as run
from realtime.videos.reporting import Reporter

pytestmark = pytest.mark.skipif(not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no styles")

PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")
MACHINES = {
    "no gpu": NO_GPU,
    "only a driver": ONLY_A_DRIVER,
    "old driver": OLD_DRIVER,
    "without torch": WITHOUT_TORCH,
    "without onnx": WITHOUT_ONNX,
    "whole": WHOLE,
}
TORCH_COMMAND = (
    "pip install torch==2.13.0+cu130 torchvision==0.28.0+cu130 --index-url https://download.pytorch.org/whl/cu130"
)
FOR_CPUS = f"PyTorch 2.13.0+cpu is built without CUDA; run {TORCH_COMMAND}"
TOO_OLD = "its driver runs CUDA up to 12.8 and {} needs 13.0; update the NVIDIA driver to 580 or newer"
NONE = "no NVIDIA driver shows a GPU; where there is one, install its driver"
FAULTS = {  # of PyTorch and of ONNX Runtime
    "no gpu": (NONE, NONE),
    "only a driver": (FOR_CPUS, NO_LIBRARIES),
    "old driver": (TOO_OLD.format("PyTorch 2.13.0+cu130"), TOO_OLD.format(f"ONNX Runtime {onnxruntime.__version__}")),
    "without torch": (FOR_CPUS, ""),
    "without onnx": ("", f"ONNX Runtime {onnxruntime.__version__} is built without CUDA; run pip uninstall"),
    "whole": ("", ""),
}

REMEDIES = ("use --", "use one of them", "run pip ", "update the NVIDIA driver", "install its driver")

# What opens, for each of PRECISIONS; "!" is an error with these words. {} is the GPU.
ON_CPU = {
    "auto": ("openvino cpu int8", "openvino cpu fp32", "!precision fp16", "openvino cpu bf16", "openvino cpu int8"),
    "torch": ("torch cpu fp32", "torch cpu fp32", "!precision fp16", "torch cpu bf16", "!precision int8"),
    "onnx": ("onnx cpu fp32", "onnx cpu fp32", "!precision fp16", "!precision bf16", "onnx cpu int8"),
    "openvino": ("openvino cpu int8", "openvino cpu fp32", "!precision fp16", "openvino cpu bf16", "openvino cpu int8"),
}
WITH_BOTH = {
    "auto": ("torch {} fp16", "torch {} fp32", "torch {} fp16", "torch {} bf16", "!precision int8"),
    "torch": ("torch {} fp16", "torch {} fp32", "torch {} fp16", "torch {} bf16", "!precision int8"),
    "onnx": ("onnx {} fp16", "onnx {} fp32", "onnx {} fp16", "!precision bf16", "!has no int8 there"),
    "openvino": ("!engine openvino runs on cpu only",) * 5,
}
NEITHER = {
    "auto": ("!engine torch cannot use ",) * 4 + ("!precision int8",),
    "torch": ("!engine torch cannot use ",) * 4 + ("!precision int8",),
    "onnx": ("!engine onnx cannot use ",) * 3 + ("!precision bf16", "!engine onnx cannot use "),
    "openvino": ("!engine openvino runs on cpu only",) * 5,
}
WITH_ONNX = NEITHER | {
    "auto": ("onnx {} fp16", "onnx {} fp32", "onnx {} fp16", "!engine torch cannot use ", "!precision int8"),
    "onnx": WITH_BOTH["onnx"],
}
WITH_TORCH = WITH_BOTH | {"onnx": NEITHER["onnx"]}
ON_GPU = {
    "no gpu": NEITHER,
    "only a driver": NEITHER,
    "old driver": NEITHER,
    "without torch": WITH_ONNX,
    "without onnx": WITH_TORCH,
    "whole": WITH_BOTH,
}
BY_ITSELF = {  # --device auto
    "no gpu": ON_CPU,
    "only a driver": ON_CPU,
    "old driver": ON_CPU,
    "without torch": ON_CPU
    | {
        "auto": (*WITH_ONNX["auto"][:3], "openvino cpu bf16", "openvino cpu int8"),
        "onnx": (*WITH_ONNX["onnx"][:4], "onnx cpu int8"),
    },
    "without onnx": ON_CPU | {"auto": (*WITH_TORCH["auto"][:4], "openvino cpu int8"), "torch": WITH_TORCH["torch"]},
    "whole": {
        "auto": (*WITH_BOTH["auto"][:4], "openvino cpu int8"),
        "torch": WITH_BOTH["torch"],
        "onnx": (*WITH_BOTH["onnx"][:4], "onnx cpu int8"),
        "openvino": ON_CPU["openvino"],
    },
}
NOT_THERE = {engine: row if engine == "openvino" else NEITHER[engine] for engine, row in WITH_BOTH.items()}
NO_MPS = {
    "auto": ("!device mps",) * 4 + ("!precision int8",),
    "torch": ("!device mps",) * 4 + ("!precision int8",),
    "onnx": ("!device mps", "!device mps", "!device mps", "!precision bf16", "!device mps"),
    "openvino": ("!engine openvino runs on cpu only",) * 5,
}
CELLS = [
    pytest.param(
        machine, (device, engine, precision), outcome.format(shown), id=f"{machine}-{device}-{engine}-{precision}"
    )
    for machine in MACHINES
    for device, shown, table in [
        ("auto", "cuda:0", BY_ITSELF[machine]),
        ("cpu", "cpu", ON_CPU),
        ("cuda", "cuda:0", ON_GPU[machine]),
        ("cuda:1", "cuda:1", ON_GPU[machine]),
        ("cuda:2", "cuda:2", NOT_THERE),
        ("mps", "mps", NO_MPS),
    ]
    for engine, outcomes in table.items()
    for precision, outcome in zip(PRECISIONS, outcomes, strict=True)
]


class Session:
    """An ONNX Runtime that runs with the provider it is asked for."""

    def __init__(self, _: bytes, __: object, providers: list[Any]) -> None:
        self._providers = [name for name, _ in providers]

    def get_providers(self) -> list[str]:
        return self._providers

    def disable_fallback(self) -> None: ...

    def run(self, _: object, inputs: dict[str, Any], *__: object) -> list[Any]:
        return [inputs["frames"]]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The styles of this project."""
    return load_catalogue()


@pytest.fixture(autouse=True)
def nothing_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for what loads a network onto a device, and for what times engines."""
    monkeypatch.setattr(TorchEngine, "_load_networks", lambda *_: {Path("a"): object()})
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(openvino_engine, "_has_bf16", lambda: True)
    monkeypatch.setattr(selection, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(Autotune, "fastest", lambda _, candidates, __: candidates[0])


def _opened(catalogue: Catalogue, options: EngineOptions, said: list[str]) -> str:
    """Engine, device and precision that run, or "!" and why nothing does."""
    try:
        info = open_engine(catalogue, options, say=said.append).info
    except EngineError as error:
        return f"!{error}"
    if info.engine == "onnx":
        assert info.provider == ("CPUExecutionProvider" if info.device == "cpu" else "CUDAExecutionProvider")
    return f"{info.engine} {info.device} {info.precision}"


@pytest.mark.parametrize(("machine", "asked", "expected"), CELLS)
def test_what_was_asked_for_runs_or_one_line_says_why_not(
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    asked: Any,
    expected: str,
) -> None:
    MACHINES[machine].take_place(monkeypatch)
    said: list[str] = []
    device, engine, precision = asked
    options = EngineOptions(engine, device, precision)
    opened = _opened(catalogue, options, said)
    if not expected.startswith("!"):
        assert opened == expected
        on_cpu = " cpu " in opened
        assert runs_on_gpu(options) != on_cpu
        is_unused = on_cpu and device == "auto" and engine != "openvino" and machine != "no gpu"
        assert [line.partition(":")[0] for line in said] == [f"GPU {GPU_NAME} is not used"] * is_unused
        return
    assert opened.startswith("!")
    assert expected[1:] in opened
    assert "\n" not in opened
    assert re.search(rf"^!(device {device}|precision {precision}): ", opened)
    assert any(words in opened for words in REMEDIES)
    assert said == []


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("engine", ["auto", "torch", "onnx"])
def test_a_gpu_that_cannot_be_had_is_refused_with_its_name_the_reason_and_the_remedy(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, machine: str, engine: Any
) -> None:
    MACHINES[machine].take_place(monkeypatch)
    torch_fault, onnx_fault = FAULTS[machine]
    fault = onnx_fault if engine == "onnx" else torch_fault
    opened = _opened(catalogue, EngineOptions(engine, "cuda"), [])
    if not fault or (engine == "auto" and not onnx_fault):
        assert not opened.startswith("!")
        return
    name = "an NVIDIA GPU" if machine == "no gpu" else f"GPU {GPU_NAME}"
    assert opened.startswith(f"!device cuda: engine {engine.replace('auto', 'torch')} cannot use {name}: {fault}")
    assert opened.endswith(", or use --device cpu")


@pytest.mark.parametrize("engine", ["auto", "torch", "onnx"])
@pytest.mark.parametrize("machine", ["only a driver", "old driver"])
def test_a_gpu_that_is_not_used_is_reported_with_its_name_the_reason_and_the_remedy(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, machine: str, engine: Any
) -> None:
    MACHINES[machine].take_place(monkeypatch)
    said: list[str] = []
    assert " cpu " in _opened(catalogue, EngineOptions(engine), said)
    assert said == [f"GPU {GPU_NAME} is not used: {FAULTS[machine][engine == 'onnx']}"]


def test_what_only_a_cpu_has_is_reported_where_there_is_a_gpu(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    WHOLE.take_place(monkeypatch)
    said: list[str] = []
    assert _opened(catalogue, EngineOptions(precision="int8"), said) == "openvino cpu int8"
    assert said == [f"GPU {GPU_NAME} is not used: engine torch has no int8 there; use --precision fp32 or fp16 or bf16"]


@pytest.mark.parametrize("machine", [machine for machine, faults in FAULTS.items() if faults[0]])
def test_half_precision_without_a_gpu_says_why_there_is_none(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    MACHINES[machine].take_place(monkeypatch)
    opened = _opened(catalogue, EngineOptions("torch", "auto", "fp16"), [])
    reason = FAULTS[machine][0]
    assert opened == (f"!precision fp16: engine torch has it only on a GPU, and {reason}; use --precision fp32 or bf16")


@pytest.mark.parametrize("device", ["auto", "cuda", "cpu"])
def test_a_provider_needs_a_gpu(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    NO_GPU.take_place(monkeypatch)
    opened = _opened(catalogue, EngineOptions("auto", device, provider="cuda"), [])
    words = {"auto": "provider cuda: engine onnx", "cuda": "device cuda: engine onnx", "cpu": "device cpu was chosen"}
    assert opened.startswith("!")
    assert words[device] in opened
    WHOLE.take_place(monkeypatch)
    if device != "cpu":
        assert _opened(catalogue, EngineOptions("auto", device, provider="cuda"), []) == "onnx cuda:0 fp16"


def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    WHOLE.take_place(monkeypatch)
    opened = _opened(catalogue, EngineOptions("auto", "cuda:2"), [])
    assert f"there is only cuda:0 ({GPU_NAME}), cuda:1 (NVIDIA RTX A2000); use --device cuda:0" in opened


@pytest.mark.parametrize(
    "machine", [Machine(torch_fault="PyTorch finds no CUDA device; restart", onnx_fault="it fails")]
)
def test_what_fails_only_when_tried_counts(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    machine.take_place(monkeypatch)
    said: list[str] = []
    assert _opened(catalogue, EngineOptions(), said) == "openvino cpu int8"
    assert said == [f"GPU {GPU_NAME} is not used: PyTorch finds no CUDA device; restart"]


def test_tiles_report_it_too(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    ONLY_A_DRIVER.take_place(monkeypatch)
    said: list[str] = []
    reporter = SimpleNamespace(report=lambda _, __, text: said.append(text))
    engine = run.open_file_engine(
        catalogue, FileOptions(("a.png",), "b.png", tile_px=1024), 0, cast(Reporter, reporter)
    )
    assert engine.info.device == "cpu"
    assert said == [f"GPU {GPU_NAME} is not used: {FOR_CPUS}"]
