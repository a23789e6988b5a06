import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from realtime.errors import OptionError
from speed.results import Report, Result, compare, read_report

RESULT = Result(
    style="candy", network="fast", engine="onnx", precision="fp32", device="cpu", size="64x48", batch_size=1,
    rounds=3, runs=9,
    first_frame_ms=50, median_ms=10, low_ms=9, high_ms=12, p95_ms=13, p99_ms=14, fps=100, loop_fps=90, memory_mb=100,
    gpu_memory_mb=0, macs_per_pixel=1, bytes_per_pixel=1, compute_share=0.5, bandwidth_share=0.1, mean_difference=None,
    psnr_db=None,
)  # fmt: skip


def report_of(*results: Result) -> Report:
    return Report({"cpu": "abacus", "cores": 2}, "clip.mp4", {"copy GB/s": 3.5}, results)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = report_of(RESULT, replace(RESULT, style="udnie"))
    report.write_json(tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


def test_a_report_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    row = asdict(RESULT)
    row["products_share"], row["copy_share"] = row.pop("compute_share"), row.pop("bandwidth_share")
    content = {"machine": {"cpu": "abacus", "cores": 2}, "clip": "clip.mp4", "ceilings": {"copy GB/s": 3.5}}
    (tmp_path / "old.json").write_text(json.dumps({**content, "rows": [row]}))
    assert read_report(tmp_path / "old.json") == report_of(RESULT)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", json.dumps({"rows": [{"style": "candy"}]}), json.dumps({"results": ["candy"]})]
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(OptionError, match=r"is not what this version of benchmark\.py"):
        read_report(tmp_path / "report.json")


def test_a_result_of_another_version_is_refused(tmp_path: Path) -> None:
    result = {**asdict(RESULT), "colour": "red"}
    (tmp_path / "r.json").write_text(json.dumps({"machine": {}, "clip": "", "ceilings": {}, "results": [result]}))
    with pytest.raises(OptionError, match="is not what"):
        read_report(tmp_path / "r.json")


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
    new = replace(RESULT, median_ms=median_ms, low_ms=low_ms, high_ms=high_ms)
    (pair,) = compare(report_of(RESULT), report_of(new))
    assert pair.verdict == verdict
    assert pair.ratio == pytest.approx(median_ms / 10)


def test_results_that_only_one_run_has_are_not_compared() -> None:
    others = [replace(RESULT, style="udnie"), replace(RESULT, size="32x24"), replace(RESULT, batch_size=2)]
    pairs = compare(report_of(*others[:2], RESULT), report_of(RESULT, others[2]))
    assert [pair.new.key for pair in pairs] == [RESULT.key]
