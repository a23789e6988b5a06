"""Tests of `run_webcam.py --check`: one screen that is true, whatever the machine has and whatever fails."""

import threading
from pathlib import Path

import machines
import pytest

from realtime import machine_check
from realtime.engines import devices
from run_webcam import main


def _check(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """What is said to each question."""
    assert main(["--check"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert len(lines) <= 24, "one screen"
    answers: dict[str, list[str]] = {}
    for line in lines:
        answers.setdefault(line[:15].strip() or list(answers)[-1], []).append(line[15:])
    return answers


def test_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    machines.NO_GPU.take_place(monkeypatch)
    answers = _check(capsys)
    assert answers["gpu"] == ["none: no NVIDIA driver shows a GPU; where there is one, install its driver"]
    assert set(answers) == {
        "python",
        "system",
        "processor",
        "packages",
        "gpu",
        "on the cpu",
        "cameras",
        "display",
        "virtual camera",
        "codecs",
        "styles",
        "cache",
    }
    assert "h264" in answers["codecs"][0]
    assert "can be written" in answers["cache"][0]


def test_every_gpu_and_what_each_engine_could_do_on_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    turing = devices.NvidiaDriver((devices.Gpu("NVIDIA GeForce RTX 2060", (7, 5)),), (13, 0))
    machines.Machine(turing, onnx_has_cuda=False).take_place(monkeypatch)
    card, by_torch, by_torchscript, by_onnx = _check(capsys)["gpu"]
    assert card == "cuda:0 NVIDIA GeForce RTX 2060, compute capability 7.5, driver for CUDA up to 13.0"
    assert (by_torch, by_torchscript) == ("  torch: fp32, fp16", "  torchscript: fp32, fp16")
    assert by_onnx.startswith("  onnx: cannot use it: ONNX Runtime")


def test_a_question_that_fails_or_hangs_costs_its_own_line_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_go = threading.Event()

    def fail() -> None:
        raise OSError("the driver\nis odd")

    monkeypatch.setattr(machine_check, "_LIMIT_S", 0.2)
    monkeypatch.setattr(machine_check, "_processor", fail)
    monkeypatch.setattr(machine_check, "_gpus", lambda: let_go.wait(20))
    answers = _check(capsys)
    let_go.set()
    assert answers["processor"] == ["unknown: OSError: the driver is odd"]
    assert answers["gpu"] == ["unknown: no answer within 0 s"]
    assert Path(answers["python"][0].split(" at ")[1].partition(";")[0]).name.startswith("python")
