"""Tests of the GPU's acceptance run. No GPU is needed: what runners record is replayed on the CPU."""

import json
import signal
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_cuda import OUT_OF_MEMORY, FakeCuda
from rich.console import Console
from safetensors import safe_open

import benchmark
from neural_style.errors import MissingPackageError
from neural_style.training.options import TrainOptions
from neural_style.training.trainer import Trainer
from neural_style.weights import SAVED_MODELS
from realtime.engines.cuda_runner import CudaRunner
from realtime.errors import EngineError
from realtime.sources.selection import SAMPLE_CLIP
from speed import gpu, gpu_timing
from speed.acceptance import GpuReport, GpuResult, Requirement, gpu_table, requirement_table
from speed.benchmark import accept
from speed.gpu import FULL_HD, UHD, GpuAcceptance, speed_requirements

SIZES_WH = ((16, 8), (8, 8))


def _result(name: str, size_wh: tuple[int, int], resident_ms: float, host_fps: float = 500.0) -> GpuResult:
    return GpuResult(name, size_wh, 1, resident_ms, resident_ms, resident_ms, host_fps, 0.1, 0.1)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    cuda = FakeCuda()
    cuda.take_place(monkeypatch)
    return cuda


@pytest.fixture
def acceptance(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> GpuAcceptance:
    if not (SAVED_MODELS / "fast.safetensors").is_file():
        pytest.skip("saved_models/ holds no styles")
    monkeypatch.setattr(gpu_timing, "_RUNS", 3)
    monkeypatch.setattr(gpu_timing, "_WINDOW_S", 0.0)
    monkeypatch.setattr(gpu, "_COMPARED_FRAMES", 1)
    monkeypatch.setattr(gpu, "_COMPARED_WH", (48, 32))
    monkeypatch.setattr("speed.ceilings._SIDE", {"cpu": 64})
    return GpuAcceptance("cpu", SAMPLE_CLIP, lambda _: None, SIZES_WH)


@pytest.mark.slow
def test_both_networks_are_measured_in_every_size_and_batch(acceptance: GpuAcceptance) -> None:
    results = list(acceptance.results(100.0, 20.0))
    keys = [(result.network, result.size_wh, result.batch_size) for result in results]
    assert keys == [(n, s, b) for n in ("TransformerNet", "FastNet") for s in SIZES_WH for b in (1, 2, 4)]
    for result in results:
        assert result.resident_ms == 2.0, "the median of the GPU's events"
        assert result.resident_fps == 500.0 * result.batch_size
        assert result.host_fps > 0
        assert result.compute_ms > 0
        assert result.memory_ms > 0
    small, large = results[3], results[0]
    assert large.compute_ms > small.compute_ms


@pytest.mark.slow
def test_what_does_not_fit_into_memory_is_left_out_and_said(
    acceptance: GpuAcceptance, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(acceptance, "_say", said.append)
    cuda.has_memory = False
    assert not list(acceptance.results(100.0, 20.0))
    assert f"left out: FastNet, 16x8, batch 4: {OUT_OF_MEMORY}" in said


@pytest.mark.slow
def test_fp16_is_compared_with_fp32_in_all_styles(acceptance: GpuAcceptance) -> None:
    requirements = list(acceptance.exactness())
    assert [requirement.verdict for requirement in requirements] == ["holds"] * 5
    by_name = {requirement.name: requirement.value for requirement in requirements}
    assert 0 < (by_name["FastNet: fp16 from fp32, mean of the worst frame"] or 0) < 0.5


def test_a_provider_that_cannot_be_had_is_not_passed_over(acceptance: GpuAcceptance) -> None:
    for requirement in acceptance.providers():
        assert not requirement.met
        assert requirement.verdict.startswith("NOT MEASURED: ")


@pytest.mark.slow
def test_training_is_given_in_minutes(acceptance: GpuAcceptance, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[TrainOptions] = []

    def small_trainer(options: TrainOptions) -> Trainer:
        asked.append(options)
        few = {"style_images": options.style_images[:2], "credits": options.credits[:2]}
        return Trainer(replace(options, **few, batch_size=1, crop_px=64))  # type: ignore[arg-type]

    monkeypatch.setattr("neural_style.training.trainer.Trainer", small_trainer)
    monkeypatch.setattr(gpu, "_TRAINED_STEPS", 2)
    monkeypatch.setattr(gpu, "_FIRST_STEPS", 1)
    requirement = acceptance.training()
    assert (requirement.limit, requirement.unit, requirement.at_most) == (20, "minutes", True)
    assert requirement.value is not None
    assert requirement.value > 0
    with safe_open(SAVED_MODELS / "fast.safetensors", framework="np") as stored:
        recipe = json.loads(stored.metadata()["training"])
    assert [(o.batch_size, o.crop_px, len(o.style_images)) for o in asked] == [
        (recipe["batch_size"], recipe["crop_px"], 12)
    ], "trained as the shipped styles were"


def test_speed_is_judged_by_the_peak_rates_of_the_card_itself() -> None:
    """A small healthy card passes, and a large one that is driven badly does not."""
    healthy = [
        replace(_result("TransformerNet", FULL_HD, 30.0), compute_ms=10.0),
        replace(_result("TransformerNet", UHD, 120.0), compute_ms=24.0),
        replace(_result("FastNet", FULL_HD, 3.0, host_fps=90), memory_ms=0.6),
    ]
    verdicts = [requirement.verdict for requirement in speed_requirements(healthy)]
    assert verdicts == ["holds", "holds, the goal is missed", "holds, the goal is missed", "holds"]
    badly_driven = [_result("TransformerNet", FULL_HD, 3.0), _result("FastNet", FULL_HD, 3.0, host_fps=40)]
    assert [each.met for each in speed_requirements(badly_driven)] == [False] * 4
    assert [each.verdict for each in speed_requirements([])] == ["NOT MEASURED: the GPU could not run it"] * 4


def test_the_network_that_fp16_is_compared_on_uses_the_whole_range_of_pixels() -> None:
    with torch.inference_mode():
        stylized = gpu._contrasting()(torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0)) * 255)
    assert stylized.std() > 20
    assert stylized.min() < 60
    assert stylized.max() > 190


@pytest.mark.parametrize(
    ("value", "at_most", "met"), [(9.0, True, True), (11.0, True, False), (9.0, False, False), (10.0, False, True)]
)
def test_a_limit_is_a_limit(value: float, at_most: bool, met: bool) -> None:
    assert Requirement("x", "fps", 10, None, value, at_most).met is met


def test_results_and_verdicts_are_shown_and_kept(tmp_path: Path) -> None:
    requirements = [Requirement("speed", "fps", 10, 20, 15.0)]
    report = GpuReport({"gpu": "a GPU"}, {"copy GB/s": 3000.0}, [_result("FastNet", FULL_HD, 0.5)], requirements)
    console = Console(width=200, record=True, quiet=True)
    with console.capture():
        console.print(gpu_table(report))
        console.print(requirement_table(report))
    target = tmp_path / "gpu.json"
    report.write_json(target)
    content = json.loads(target.read_text(encoding="utf-8"))
    assert content["requirements"][0]["met"] is True
    assert content["results"][0]["resident_ms"] == 0.5


def test_without_a_gpu_the_acceptance_run_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main(["--gpu-acceptance"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: gpu-acceptance: PyTorch finds no NVIDIA GPU")
    assert error.count("\n") == 1


@pytest.fixture
def quick_parts(acceptance: GpuAcceptance, monkeypatch: pytest.MonkeyPatch) -> GpuAcceptance:
    """The run with a figure for each part, on a machine that says it has a GPU."""
    result = replace(_result("FastNet", FULL_HD, 0.5), compute_ms=0.2)
    trained = Requirement("training", "minutes", 20, None, 3.0, at_most=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("speed.gpu.GpuAcceptance", lambda *_: acceptance)
    monkeypatch.setattr(acceptance, "results", lambda *_: iter([result]))
    monkeypatch.setattr(acceptance, "variants", lambda *_: iter(()))
    monkeypatch.setattr(acceptance, "exactness", lambda: iter(()))
    monkeypatch.setattr(acceptance, "training", lambda: trained)
    monkeypatch.setattr(gpu, "gpu_loops", lambda *_: iter(()))
    monkeypatch.setattr(gpu, "describe_machine", lambda: {"gpu": "none"})
    return acceptance


def test_the_acceptance_run_ends_with_1_when_a_requirement_is_not_met(
    quick_parts: GpuAcceptance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    monkeypatch.setattr(quick_parts, "_say", said.append)
    assert benchmark.main(["--gpu-acceptance", "--json", str(tmp_path / "gpu.json")]) == 1
    assert "NOT MEASURED" in capsys.readouterr().out
    machine = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["machine"]
    assert machine["gpu"] == "none"
    assert {"cuda", "cudnn", "driver's cuda", "driver_version", "clocks.sm", "power.draw"} < machine.keys()
    assert "  FastNet, 1920x1080, batch 1: 0.500 ms, 2000 fps, 40% of peak, from host 500 fps" in said, "as it comes"


@pytest.mark.slow
def test_a_part_that_fails_costs_its_own_figures_only(
    quick_parts: GpuAcceptance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def lacks_a_package() -> None:
        raise MissingPackageError("training: skimage is not installed")

    monkeypatch.setattr(quick_parts, "exactness", lacks_a_package)
    monkeypatch.setattr(quick_parts, "training", lacks_a_package)
    assert benchmark.main(["--gpu-acceptance", "--json", str(tmp_path / "gpu.json")]) == 1
    content = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert len(content["results"]) == 1
    whys = {each["name"]: each["why"] for each in content["requirements"]}
    assert whys["fp16 beside fp32"] == whys["training"] == "MissingPackageError: training: skimage is not installed"


@pytest.mark.slow
def test_a_run_that_is_ended_midway_keeps_what_it_had(
    quick_parts: GpuAcceptance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted() -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(quick_parts, "exactness", interrupted)
    assert benchmark.main(["--gpu-acceptance", "--json", str(tmp_path / "gpu.json")]) == 130
    content = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert content["results"][0]["resident_ms"] == 0.5
    assert content["ceilings"]["copy GB/s"] > 0


@pytest.mark.slow
def test_runners_are_let_go_of_before_the_next_are_made(
    acceptance: GpuAcceptance, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: weakref.WeakSet[object] = weakref.WeakSet()
    most: list[int] = []

    class Counted(CudaRunner):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            alive.add(self)
            most.append(len(alive))

    monkeypatch.setattr(gpu, "CudaRunner", Counted)
    monkeypatch.setattr(acceptance, "_networks", {"FastNet": acceptance._networks["FastNet"]})
    monkeypatch.setattr(gpu, "_BATCH_SIZES", (1, 2))
    assert len(list(acceptance.results(100.0, 20.0))) == 4
    assert max(most) == 2


@pytest.mark.needs_cuda
def test_events_of_the_gpu_measure_time() -> None:
    acceptance = GpuAcceptance("cuda:0", SAMPLE_CLIP, lambda _: None, ((320, 240),))
    assert all(0 < result.resident_ms < 1000 for result in acceptance.results(1e5, 1e3))
    assert np.all([requirement.met for requirement in acceptance.exactness()])


def test_an_engine_error_is_what_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError):
        accept(None, None)
