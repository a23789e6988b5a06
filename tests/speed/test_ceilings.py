from types import SimpleNamespace
from typing import Any

import pytest
import torch

from speed.ceilings import Ceilings


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three timed runs take 3, 1 and 2 seconds."""
    readings_s = iter([0.0, 3.0, 10.0, 11.0, 20.0, 22.0])
    monkeypatch.setattr("speed.ceilings.time", SimpleNamespace(perf_counter=lambda: next(readings_s)))
    monkeypatch.setattr("speed.ceilings._SIDE", {"cpu": 64})
    monkeypatch.setattr("speed.ceilings._COPIED_BYTES", 2**20)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_the_rate_of_products_is_that_of_the_fastest_run(precision: str) -> None:
    assert Ceilings("cpu").matmul_gops(precision) == pytest.approx(2 * 64**3 / 1.0 / 1e9)


def test_products_are_computed_in_the_precision_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    multiplied: list[torch.dtype] = []

    def multiply(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        multiplied.extend((left.dtype, right.dtype))
        return left

    monkeypatch.setattr(torch, "_int_mm", multiply)
    Ceilings("cpu").matmul_gops("int8")
    assert set(multiplied) == {torch.int8}


def test_a_device_without_such_products_has_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("not implemented for 'Char'")

    monkeypatch.setattr(torch, "_int_mm", refuse)
    assert Ceilings("cpu").matmul_gops("int8") == 0


def test_the_rate_of_copies_counts_bytes_read_and_written() -> None:
    assert Ceilings("cpu").copy_gb_per_s() == pytest.approx(2 * 2**20 / 1.0 / 1e9)
