from dataclasses import replace

import pytest

from speed.comparison import compare
from speed.results import Figures, Row

ROW = Row(
    style="candy", network="fast", engine="onnx", precision="fp32", device="cpu", size="64x48", batch_size=1,
    rounds=3, runs=9,
    first_frame_ms=50, median_ms=10, low_ms=9, high_ms=12, p95_ms=13, p99_ms=14, fps=100, loop_fps=90, memory_mb=100,
    gpu_memory_mb=0, macs_per_pixel=1, bytes_per_pixel=1, products_share=0.5, copy_share=0.1, mean_difference=None,
    psnr_db=None,
)  # fmt: skip


def figures(*rows: Row) -> Figures:
    return Figures({"cpu": "abacus"}, "clip.mp4", {}, rows)


@pytest.mark.parametrize(
    ("median_ms", "low_ms", "high_ms", "verdict"),
    [
        (10, 9, 12, "same"),
        (12.5, 9.5, 13, "same"),  # the old median lies within the new spread
        (11.5, 11, 13, "same"),  # the new median lies within the old spread
        (12.5, 11, 13, "slower"),
        (8, 7, 9.5, "faster"),
        (8, 7, 10.5, "same"),
    ],
)
def test_only_what_lies_beyond_both_spreads_has_changed(
    median_ms: float, low_ms: float, high_ms: float, verdict: str
) -> None:
    new = replace(ROW, median_ms=median_ms, low_ms=low_ms, high_ms=high_ms)
    (pair,) = compare(figures(ROW), figures(new))
    assert pair.verdict == verdict
    assert pair.ratio == pytest.approx(median_ms / 10)


def test_rows_that_only_one_run_has_are_not_compared() -> None:
    others = [replace(ROW, style="udnie"), replace(ROW, size="32x24"), replace(ROW, batch_size=2)]
    pairs = compare(figures(*others[:2], ROW), figures(ROW, others[2]))
    assert [pair.new.key for pair in pairs] == [ROW.key]
