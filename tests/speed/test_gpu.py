"""Tests of the GPU's acceptance run, with a CPU in the place of the card.

Must not need a GPU: runners are fakes that compute on the CPU.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeCudaRunner
from rich.console import Console

import benchmark
from realtime.errors import EngineError
from realtime.sources.selection import SAMPLE_CLIP
from realtime.style_catalogue import SAVED_MODELS
from speed import gpu as card_module
from speed.acceptance import CardFigures, Promise, card_table, promise_table, write_acceptance
from speed.benchmark import accept
from speed.gpu import FULL_HD, UHD, Card, promises_of_speed

SIZES_WH = ((64, 48), (48, 32))


def _figures(name: str, size_wh: tuple[int, int], resident_ms: float, host_fps: float = 500.0) -> CardFigures:
    return CardFigures(name, size_wh, 1, resident_ms, resident_ms, resident_ms, host_fps, 0.1, 0.1)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    if not (SAVED_MODELS / "fast.safetensors").is_file():
        pytest.skip("saved_models/ holds no styles")
    monkeypatch.setattr(card_module, "CudaRunner", FakeCudaRunner)
    monkeypatch.setattr(FakeCudaRunner, "made", [])
    monkeypatch.setattr(FakeCudaRunner, "fails", False)
    monkeypatch.setattr(card_module, "_COMPARED_FRAMES", 1)
    monkeypatch.setattr(card_module, "_COMPARED_WH", (96, 64))
    monkeypatch.setattr(card_module, "_HOST_FRAMES", 4)
    monkeypatch.setattr("speed.ceilings._SIDE", {"cpu": 64})
    return Card("cpu", SAMPLE_CLIP, lambda _: None, SIZES_WH)


def test_both_networks_are_measured_in_every_size_and_batch(card: Card) -> None:
    figures = list(card.figures())
    keys = [(row.network, row.size_wh, row.batch_size) for row in figures]
    assert keys == [(n, s, b) for n in ("TransformerNet", "FastNet") for s in SIZES_WH for b in (1, 2, 4)]
    for row in figures:
        assert row.resident_ms == 2.0, "the median of what the card's clock says"
        assert row.resident_fps == 500.0 * row.batch_size
        assert row.host_fps > 0
        assert row.arithmetic_ms > 0
        assert row.memory_ms > 0
    small, large = figures[3], figures[0]
    assert large.arithmetic_ms > small.arithmetic_ms


def test_what_the_card_has_no_memory_for_is_left_out_and_said(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(card, "_say", said.append)
    monkeypatch.setattr(FakeCudaRunner, "fails", True)
    assert not list(card.figures())
    assert "left out: FastNet, 48x32, batch 4: CUDA out of memory. Tried to allocate 7 GiB" in said


def test_fp16_is_compared_with_fp32_in_all_styles(card: Card) -> None:
    promises = list(card.exactness())
    assert [promise.verdict for promise in promises] == ["holds"] * 5
    by_words = {promise.words: promise.value for promise in promises}
    assert 0 < (by_words["FastNet: fp16 from fp32, mean of the worst frame"] or 0) < 0.5


def test_a_provider_that_cannot_be_had_is_not_passed_over(card: Card) -> None:
    for promise in card.providers():
        assert not promise.kept
        assert promise.verdict.startswith("NOT MEASURED: ")


def test_training_is_told_in_minutes(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_module, "_TRAINED_STEPS", 2)
    monkeypatch.setattr(card_module, "_FIRST_STEPS", 1)
    promise = card.training()
    assert (promise.limit, promise.unit, promise.at_most) == (20, "minutes", True)
    assert promise.value is not None
    assert promise.value > 0


def test_the_promises_are_those_of_the_design() -> None:
    figures = [
        _figures("TransformerNet", FULL_HD, 3.0),
        _figures("TransformerNet", UHD, 13.0),
        _figures("FastNet", FULL_HD, 0.3, host_fps=399),
    ]
    verdicts = [promise.verdict for promise in promises_of_speed(figures)]
    assert verdicts == ["holds, the goal is missed", "MISSED", "holds", "MISSED"]
    assert [promise.verdict for promise in promises_of_speed([])] == ["NOT MEASURED: the card could not run it"] * 4


@pytest.mark.parametrize(
    ("value", "at_most", "kept"), [(9.0, True, True), (11.0, True, False), (9.0, False, False), (10.0, False, True)]
)
def test_a_limit_is_a_limit(value: float, at_most: bool, kept: bool) -> None:
    assert Promise("x", "fps", 10, None, value, at_most).kept is kept


def test_figures_and_verdicts_are_shown_and_kept(tmp_path: Path) -> None:
    figures, promises = [_figures("FastNet", FULL_HD, 0.5)], [Promise("speed", "fps", 10, 20, 15.0)]
    console = Console(width=200, record=True, quiet=True)
    with console.capture():
        console.print(card_table(figures, {"copy GB/s": 3000.0}))
        console.print(promise_table(promises))
    target = tmp_path / "card.json"
    write_acceptance(target, {"gpu": "a card"}, {"copy GB/s": 3000.0}, figures, promises)
    content = json.loads(target.read_text(encoding="utf-8"))
    assert content["promises"][0]["kept"] is True
    assert content["figures"][0]["resident_ms"] == 0.5


def test_without_a_gpu_the_acceptance_run_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main(["--gpu-acceptance"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: gpu-acceptance: PyTorch finds no NVIDIA GPU")
    assert error.count("\n") == 1


def test_the_acceptance_run_ends_with_1_when_a_promise_is_broken(
    card: Card, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("speed.gpu.Card", lambda *_: card)
    monkeypatch.setattr(card, "figures", lambda: iter([_figures("FastNet", FULL_HD, 0.5)]))
    monkeypatch.setattr(card, "exactness", lambda: iter(()))
    monkeypatch.setattr(card, "training", lambda: Promise("training", "minutes", 20, None, 3.0, at_most=True))
    monkeypatch.setattr("speed.benchmark.describe_machine", lambda: {"gpu": "none"})
    assert benchmark.main(["--gpu-acceptance", "--json", str(tmp_path / "card.json")]) == 1
    shown = capsys.readouterr().out
    assert "NOT MEASURED" in shown
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))["machine"] == {"gpu": "none"}


@pytest.mark.needs_cuda
def test_the_card_s_clock_ticks() -> None:
    card = Card("cuda:0", SAMPLE_CLIP, lambda _: None, ((320, 240),))
    assert all(0 < row.resident_ms < 1000 for row in card.figures())
    assert np.all([promise.kept for promise in card.exactness()])


def test_an_engine_error_is_what_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError):
        accept(None, None)
