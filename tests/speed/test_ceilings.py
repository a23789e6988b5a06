import pytest

from speed.ceilings import Ceilings


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_products_have_a_rate(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    monkeypatch.setattr("speed.ceilings._SIDE", {"cpu": 64})
    assert Ceilings("cpu").matmul_gops(precision) > 0


def test_copies_have_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speed.ceilings._COPIED_BYTES", 2**20)
    assert Ceilings("cpu").copy_gb_per_s() > 0
