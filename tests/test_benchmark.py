"""Tests of the benchmark command: what it writes and what it refuses, never how fast anything is."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import benchmark
from realtime.style_catalogue import load_catalogue
from speed.results import BASELINE, read_report

ROOT = Path(__file__).resolve().parent.parent
QUICK = [
    "--engine",
    "onnx",
    "--precision",
    "fp32",
    "--device",
    "cpu",
    "--size",
    "32x24",
    "--rounds",
    "1",
    "--runs",
    "1",
]


def results_of(path: Path) -> list[dict[str, Any]]:
    content = json.loads(path.read_text())
    results: list[dict[str, Any]] = content["results"]
    return results


@pytest.mark.slow
def test_measures_styles_engines_precisions_and_batches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [tmp_path / name for name in ("figures.json", "figures.csv", "figures.png")]
    what = ["--style", "candy,udnie:1+mosaic:3", "--engine", "onnx,openvino", "--precision", "fp32,int8"]
    how = ["--device", "cpu", "--size", "33x21", "--batch-size", "1,2", "--rounds", "2", "--runs", "3"]
    written = ["--json", str(outputs[0]), "--csv", str(outputs[1]), "--plot", str(outputs[2])]
    assert benchmark.main([*what, *how, *written]) == 0

    content = json.loads(outputs[0].read_text())
    rows = content["results"]
    expected = {
        (style, engine, precision, "33x21", batch)
        for style in ("candy", "udnie:0.25+mosaic:0.75")
        for engine in ("onnx", "openvino")
        for precision in ("fp32", "int8")
        for batch in (1, 2)
    } | {(BASELINE, "torch", "fp32", "33x21", 1)}
    found = [(row["style"], row["engine"], row["precision"], row["size"], row["batch_size"]) for row in rows]
    assert len(found) == len(set(found))
    assert set(found) == expected
    for row in rows:
        assert (row["rounds"], row["device"]) == (2, "cpu")
        assert 2 <= row["runs"] <= 6
        assert 0 < row["low_ms"] <= row["median_ms"] <= row["high_ms"]
        assert row["median_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["fps"] == pytest.approx(row["batch_size"] * 1000 / row["median_ms"])
        assert row["first_frame_ms"] > 0
        assert row["memory_mb"] > 50
        assert row["gpu_memory_mb"] == 0
        assert row["compute_share"] > 0
        assert row["bandwidth_share"] > 0
        baseline = row["style"] == BASELINE
        assert (row["loop_fps"] is None) == baseline
        assert baseline or row["loop_fps"] > 0
        is_reference = baseline or (row["engine"], row["precision"], row["batch_size"]) == ("onnx", "fp32", 1)
        assert (row["mean_difference"] is None) == is_reference
        if row["precision"] == "int8":
            assert 0.05 < row["mean_difference"] < 15
            assert 15 < row["psnr_db"] < 60
    assert {"fp32 matmul Gop/s", "int8 matmul Gop/s", "copy GB/s"} == set(content["ceilings"])
    assert content["machine"]["cpu"]
    assert content["clip"] == "sample.mp4"

    with outputs[1].open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["style"] for row in table] == [row["style"] for row in rows]
    assert float(table[0]["median_ms"]) == rows[0]["median_ms"]
    assert outputs[2].read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "candy" in printed
    assert BASELINE in printed


@dataclass(frozen=True)
class Run:
    """What a run wrote, and what it told people."""

    written: Path
    errors: str


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of a style that one engine can run and the other cannot, in two sizes."""
    folder, errors = tmp_path_factory.mktemp("small_run"), io.StringIO()
    model_file = load_catalogue().styles[0].model_file
    assert model_file is not None
    (folder / "alone.onnx").write_bytes(model_file.read_bytes())
    arguments = ["--style", str(folder / "alone.onnx"), "--engine", "onnx,torch", "--size", "32x24,33x21"]
    with redirect_stderr(errors):
        assert benchmark.main([*QUICK, *arguments, "--json", str(folder / "figures.json")]) == 0
    return Run(folder / "figures.json", errors.getvalue())


@pytest.mark.slow
def test_sizes_are_measured_one_by_one_and_a_style_that_an_engine_cannot_run_is_left_out_and_said(
    small_run: Run,
) -> None:
    found = [(row["engine"], row["style"] == BASELINE, row["size"]) for row in results_of(small_run.written)]
    assert sorted(found) == [(e, e == "torch", size) for e in ("onnx", "torch") for size in ("32x24", "33x21")]
    assert "left out: " in " ".join(small_run.errors.split())


@pytest.fixture
def same_again(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the figures of a run are that is, while this lasts, the result of every other."""
    report = read_report(small_run.written)
    monkeypatch.setattr("speed.measurement.Measurement.run", lambda _: report)
    return small_run.written


@pytest.mark.slow
@pytest.mark.parametrize(("change", "status", "word"), [(40.0, 0, "faster"), (0.025, 1, "slower"), (1.0, 0, "same")])
def test_compares_with_an_earlier_run(
    same_again: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: float,
    status: int,
    word: str,
) -> None:
    """The earlier results are those of this very run, changed by far more than noise."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    content = json.loads(same_again.read_text())
    for row in content["results"]:
        spread = {"low_ms": 0.9, "high_ms": 1.1, "median_ms": 1.0}
        if change == 1.0:
            spread = {"low_ms": 0.0, "high_ms": 100.0, "median_ms": 1.0}
        middle = row["median_ms"]
        factor = change if row["style"] != BASELINE else 1.0
        row.update({name: middle * factor * share for name, share in spread.items()})
        if row["style"] == BASELINE:
            row.update(low_ms=0.0, high_ms=100 * middle)
    old.write_text(json.dumps({**content, "machine": {**content["machine"], "cpu": "an abacus"}}))
    assert benchmark.main([*QUICK, "--json", str(new), "--compare", str(old)]) == status
    printed = capsys.readouterr().out
    assert word in printed
    assert "other than in the earlier run: cpu was an abacus" in printed


@pytest.mark.slow
def test_at_any_moment_the_results_so_far_are_whole_and_ctrl_c_shows_them(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    arguments = ["--engine", "onnx", "--precision", "fp32", "--size", "64x48", "--rounds", "100000", "--runs", "1"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "benchmark.py"), *arguments, "--json", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until_s, rounds = time.monotonic() + 90, 0
    while time.monotonic() < until_s and rounds < 3:
        time.sleep(0.01)
        if target.is_file():  # read again and again, for a kill would leave it as it is now
            first, *others = results_of(target)
            assert [row["style"] for row in others] in ([], [BASELINE])
            rounds = first["rounds"]
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert rounds >= 3, "results are written as they come"
    assert process.returncode == 130
    assert "candy" in out
    assert errors.splitlines()[-1] == "interrupted: these are the results so far"
    assert "Traceback" not in errors


STATES = ("nothing that was", "may use", "is there already; use --overwrite", "is an input of")
"""Words of what depends on what is there, and not on the command line alone."""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--style", "candi"], "did you mean candy"),
        (["--style", "candy,candi"], "did you mean candy"),
        (["--style", "candy:x+mosaic"], "'x'"),
        (["--engine", "tensorflow"], "'tensorflow'"),
        (["--engine", "auto"], "by name"),
        (["--precision", "int4"], "'int4'"),
        pytest.param(
            ["--engine", "torch", "--precision", "int8", "--size", "16x16"], "nothing that was", marks=pytest.mark.slow
        ),
        (["--size", "0x4"], "0x4"),
        (["--size", "big"], "WIDTHxHEIGHT"),
        (["--batch-size", "0"], "batch-size 0"),
        (["--batch-size", "two"], "batch-size 'two': write a number"),
        (["--rounds", "0"], "rounds 0: must be at least 1"),
        (["--threads", "0"], "threads 0: must be at least 1"),
        (["--threads", "100000"], "may use"),
        (["--device", "tpu"], "tpu"),
        (["--clip", "nowhere.mp4"], "nowhere.mp4"),
        (["--json", "no_such_folder/a.json"], "no_such_folder"),
        (["--json", "figures.txt"], ".json"),
        (["--plot", "figures.jpg"], ".png"),
        (["--json", "broken.json"], "is there already; use --overwrite"),
        (["--csv", "a.csv", "--compare", "broken.json", "--json", "broken.json", "--overwrite"], "is an input of"),
        (["--compare", "nowhere.json"], "nowhere.json"),
        (["--compare", "broken.json"], "is not what"),
    ],
)
def test_refuses_bad_input_in_one_line(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text('{"rows": [1]}')
    by_what_is_there = arguments[0] in ("--style", "--clip", "--compare") or words in STATES
    assert benchmark.main(arguments) == (1 if by_what_is_there else 2)
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert words in error


def test_a_gpu_that_no_engine_can_use_is_said_once_and_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("speed.benchmark.gpu_fault", lambda *_: "no NVIDIA driver shows a GPU")
    assert benchmark.main(["--device", "cuda"]) == 1
    error = capsys.readouterr().err
    assert error == "error: device cuda: cannot be measured: no NVIDIA driver shows a GPU, or use --device cpu\n"
