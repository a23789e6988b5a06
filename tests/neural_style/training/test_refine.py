"""Tests of the refinement of predicted styles: its vector is written as it goes, and it ends when it no longer pays."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from neural_style.networks.fast_net import FastNet
from neural_style.training import refine
from neural_style.training.trainer import Progress


class _Trainer:
    """Reports given losses, as `Trainer.run` does, with a vector that counts the steps."""

    def __init__(self, losses: list[float]) -> None:
        self.network, self.step, self._losses = FastNet(("x",)), 0, losses
        self.network.requires_grad_(False)
        self.started_at = np.zeros(0, np.float32)

    def start_at(self, vector: torch.Tensor) -> None:
        self.started_at = vector.numpy()

    def run(self, report: Any) -> None:
        for loss in self._losses:
            self.step += 1
            self.network.style_vectors[0] = self.step
            report(Progress(self.step, {"style": loss / 2, "content": loss / 2}))


def _refined(losses: list[float], folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, float]:
    monkeypatch.setattr(refine, "Trainer", lambda options: _Trainer(losses))
    monkeypatch.setattr(refine, "time", SimpleNamespace(monotonic=iter(range(100_000)).__next__))
    steps = refine.refine(folder / "a.png", folder / "fast.safetensors", folder / "vector.npy")
    vector = np.load(folder / "vector.npy")
    assert vector.dtype == np.float32
    assert vector.ndim == 1
    return steps, float(vector[0])


def test_it_ends_when_the_loss_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falling = [10 - 0.05 * step for step in range(100)]
    steps, last = _refined(falling + [5.0] * 400, tmp_path, monkeypatch)
    assert 140 < steps < 200
    assert last == steps, "the vector of the last step is kept"


@pytest.mark.slow
def test_it_goes_on_while_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _refined([10 * 0.999**step for step in range(300)], tmp_path, monkeypatch) == (300, 300.0)


def test_it_goes_on_from_the_vector_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vector = np.full(FastNet(("x",)).vector_size, 7, np.float32)
    np.save(tmp_path / "vector.npy", vector)
    trainer = _Trainer([])
    monkeypatch.setattr(refine, "Trainer", lambda options: trainer)
    refine.refine(tmp_path / "a.png", tmp_path / "fast.safetensors", tmp_path / "vector.npy")
    assert trainer.started_at == pytest.approx(7)


def test_it_ends_with_the_process_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = SimpleNamespace(parent=lambda: SimpleNamespace(is_running=lambda: False))
    monkeypatch.setattr(psutil, "Process", lambda: gone)
    steps, _ = _refined([10.0 * 0.99**step for step in range(300)], tmp_path, monkeypatch)
    assert steps == 1


def test_what_is_written_has_no_shifts_that_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refined([1.0], tmp_path, monkeypatch)
    vector, network = np.load(tmp_path / "vector.npy"), FastNet(("x",))
    network.requires_grad_(False)
    network.style_vectors[0] = 1.0
    network.settle_styles()
    np.testing.assert_array_equal(vector, network.style_vectors[0].numpy())
    assert (vector == 0).any()


def test_a_missing_image_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkey = pytest.MonkeyPatch()
    monkey.setattr(refine, "_lowest_priority", lambda: None)
    with monkey.context():
        status = refine.main(["--style-image", str(tmp_path / "no.jpg"), "--output", str(tmp_path / "v.npy")])
    monkey.undo()
    assert status == 1
    assert capsys.readouterr().err.startswith("error: style image")
