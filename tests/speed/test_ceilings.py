from collections.abc import Callable
from itertools import accumulate, chain
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from speed.ceilings import Ceilings

RUNS_S = (0.5, 0.25, 0.75)
"""How long each measured run takes by the stand-in for a clock; the best is what counts."""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is read before and after each run; a run that is not measured does not read it."""
    between_s = 10.0
    times_s = accumulate(chain.from_iterable((between_s, run_s) for run_s in RUNS_S))
    monkeypatch.setattr("speed.ceilings.time", SimpleNamespace(perf_counter=lambda: next(times_s)))
    monkeypatch.setattr("speed.ceilings._SIDE", {"cpu": 64})
    monkeypatch.setattr("speed.ceilings._COPIED_BYTES", 2**20)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16), ("int8", torch.int8)],
)
def test_products_of_a_precision_are_counted_and_timed(
    monkeypatch: pytest.MonkeyPatch, precision: str, dtype: torch.dtype
) -> None:
    multiplied: list[tuple[torch.dtype, tuple[int, ...], tuple[int, ...]]] = []

    def watched(multiply: Callable[..., Any]) -> Callable[..., Any]:
        def product(left: torch.Tensor, right: torch.Tensor) -> Any:
            multiplied.append((left.dtype, tuple(left.shape), tuple(right.shape)))
            return multiply(left, right)

        return product

    monkeypatch.setattr(torch, "_int_mm", watched(torch._int_mm))
    monkeypatch.setattr(torch.Tensor, "__matmul__", watched(torch.Tensor.__matmul__))
    assert Ceilings("cpu").matmul_gops(precision) == pytest.approx(2 * 64**3 / 0.25 / 1e9)
    assert multiplied == [(dtype, (64, 64), (64, 64))] * (1 + len(RUNS_S)), "one is to warm up"


def test_a_product_that_the_device_lacks_has_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise RuntimeError("not implemented for 'Char'")

    monkeypatch.setattr(torch, "_int_mm", missing)
    assert Ceilings("cpu").matmul_gops("int8") == 0.0


def test_a_copy_is_a_byte_read_and_a_byte_written() -> None:
    assert Ceilings("cpu").copy_gb_per_s() == pytest.approx(2 * 2**20 / 0.25 / 1e9)
