"""Tests of the benchmark command: what it writes and what it refuses, never how fast anything is.

Must not time anything.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import benchmark
from realtime import styles
from realtime.styles import Catalogue, load_catalogue


def test_writes_a_row_for_each_style_and_the_yardstick(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "figures.json"
    arguments = ["--style", "all", "--engine", "onnx", "--size", "64x48", "--rounds", "1", "--runs", "2"]
    assert benchmark.main([*arguments, "--json", str(target)]) == 0
    content = json.loads(target.read_text())
    measured = [row["style"] for row in content["rows"]]
    usable = [style.name for style in load_catalogue().styles if not style.fault and style.model_file]
    assert measured == [*usable, benchmark.PUBLIC_NETWORK]
    assert content["machine"]["cpu"]
    assert all(row["median_ms"] > 0 and row["p5_ms"] <= row["median_ms"] <= row["p95_ms"] for row in content["rows"])
    assert all(row["loop_fps"] > 0 for row in content["rows"][:-1])
    assert "candy" in capsys.readouterr().out


def test_a_list_of_styles_and_blends_is_measured_in_its_order(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    arguments = ["--style", "udnie,candy:1+mosaic:3,candy", "--engine", "onnx", "--size", "32x24"]
    assert benchmark.main([*arguments, "--rounds", "1", "--runs", "1", "--json", str(target)]) == 0
    measured = [row["style"] for row in json.loads(target.read_text())["rows"]]
    assert measured == ["udnie", "candy:0.25+mosaic:0.75", "candy", benchmark.PUBLIC_NETWORK]


def test_a_style_that_an_engine_cannot_run_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = load_catalogue()
    unexported = replace(catalogue.styles[0], name="unexported", model_file=None)
    monkeypatch.setattr(styles, "load_catalogue", lambda: Catalogue((*catalogue.styles[:1], unexported)))
    target = tmp_path / "figures.json"
    arguments = ["--style", "all", "--engine", "onnx", "--size", "32x24", "--rounds", "1", "--runs", "1"]
    assert benchmark.main([*arguments, "--json", str(target)]) == 0
    assert "unexported" not in [row["style"] for row in json.loads(target.read_text())["rows"]]
    assert "left out: style 'unexported': engine onnx cannot run it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--style", "candi"], "did you mean candy"),
        (["--style", "candy,candi"], "did you mean candy"),
        (["--style", "candy:x+mosaic"], "'x'"),
        (["--size", "0x4"], "0x4"),
        (["--size", "big"], "WIDTHxHEIGHT"),
        (["--rounds", "0"], "at least 1"),
        (["--device", "tpu"], "tpu"),
        (["--json", "no_such_folder/a.json", "--size", "16x16", "--rounds", "1", "--runs", "1"], "no_such_folder"),
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
    assert benchmark.main(arguments) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("left out")]
    assert len(error) == 1
    assert error[0].startswith("error: ")
    assert words in error[0]
