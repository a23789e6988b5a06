"""Tests of what `--engine auto` chooses.

Must not depend on the machine.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime.engines import open_engine, selection
from realtime.options import EngineName, EngineOptions
from realtime.styles import Catalogue, Style, load_catalogue

CHECKPOINT, MODEL_FILE = Path("fast.safetensors"), Path("fast.onnx")
BOTH = Style("both", "fast", CHECKPOINT, MODEL_FILE, "")
ONLY_CHECKPOINT = Style("new", "fast", Path("new.safetensors"), None, "")
ONLY_MODEL_FILE = Style("exported", "fast", None, MODEL_FILE, "")

Choose = Callable[..., str]


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Which engine is opened, on a machine with or without bf16 instructions and a GPU."""
    monkeypatch.setattr("realtime.engines.torch_engine.TorchEngine", lambda *_: "torch")
    monkeypatch.setattr("realtime.engines.onnx_engine.OnnxEngine", lambda *_: "onnx")

    def _choose(*styles: Style, first: int = 0, has_bf16: bool = False, has_cuda: bool = False, **wish: Any) -> str:
        monkeypatch.setattr(selection, "_cpu_has_bf16", lambda: has_bf16)
        monkeypatch.setattr(selection, "_has_cuda", lambda: has_cuda)
        return str(open_engine(Catalogue(styles or (BOTH,)), EngineOptions(**wish), first))

    return _choose


@pytest.mark.parametrize("name", ["torch", "onnx"])
@pytest.mark.parametrize("has_half_precision", [True, False])
def test_what_is_named_is_opened(choose: Choose, name: str, has_half_precision: bool) -> None:
    assert choose(engine=name, has_bf16=has_half_precision, has_cuda=has_half_precision) == name


def test_without_half_precision_it_is_onnx(choose: Choose) -> None:
    assert choose() == "onnx"
    assert choose(device="cpu") == "onnx"


def test_a_cpu_with_bf16_instructions_takes_torch(choose: Choose) -> None:
    assert choose(has_bf16=True) == "torch"
    assert choose(has_bf16=True, device="cpu") == "torch"


def test_a_gpu_takes_torch_unless_the_cpu_was_asked_for(choose: Choose) -> None:
    assert choose(has_cuda=True) == "torch"
    assert choose(has_cuda=True, device="cuda:1") == "torch"
    assert choose(has_cuda=True, device="cpu") == "onnx"


def test_fp32_takes_onnx_even_where_half_precision_is_there(choose: Choose) -> None:
    assert choose(precision="fp32", has_bf16=True, has_cuda=True) == "onnx"


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_takes_torch(choose: Choose, precision: str) -> None:
    assert choose(precision=precision) == "torch"


def test_mps_takes_torch(choose: Choose) -> None:
    assert choose(device="mps") == "torch"


def test_a_style_without_a_model_file_takes_torch(choose: Choose) -> None:
    assert choose(ONLY_CHECKPOINT) == "torch"
    assert choose(ONLY_CHECKPOINT, precision="fp32") == "torch"
    assert choose(BOTH, ONLY_CHECKPOINT, first=1) == "torch"


@pytest.mark.parametrize(
    "machine",
    [
        {},
        pytest.param({"has_bf16": True}),
        pytest.param({"has_cuda": True}),
    ],
)
def test_an_onnx_file_alone_takes_onnx(choose: Choose, machine: dict[str, bool]) -> None:
    assert choose(ONLY_MODEL_FILE, **machine) == "onnx"


@pytest.mark.parametrize(
    ("content", "expected"),
    [("flags : fpu avx512_bf16 sse", True), ("flags : amx_bf16", True), ("flags : avx512f", False), ("", False)],
)
def test_the_system_tells_whether_the_cpu_has_bf16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: bool
) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(content)
    monkeypatch.setattr(selection, "Path", lambda _: cpu_info)
    assert selection._cpu_has_bf16() is expected
    cpu_info.unlink()
    assert selection._cpu_has_bf16() is False


@pytest.mark.parametrize(("engine", "precision"), [("auto", "bf16"), ("torch", "fp32")])
def test_auto_computes_in_bf16_on_a_cpu_that_has_it(
    monkeypatch: pytest.MonkeyPatch, engine: EngineName, precision: str
) -> None:
    monkeypatch.setattr(selection, "_cpu_has_bf16", lambda: True)
    monkeypatch.setattr(selection, "_has_cuda", lambda: False)
    opened = open_engine(load_catalogue(), EngineOptions(engine=engine, device="cpu"))
    assert (opened.info.engine, opened.info.precision) == ("torch", precision)
    opened.close()
