"""Tests of what a training runs on; no GPU is needed."""

from contextlib import nullcontext

import pytest
import torch

from neural_style.training.machine import computes_in_bf16


def test_a_gpu_that_only_emulates_bf16_trains_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_supported(including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert not computes_in_bf16(torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert computes_in_bf16(torch.device("cuda"))
