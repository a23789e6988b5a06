"""Tests of the benchmark command: what it writes and what it refuses, never how fast anything is.

Must not time anything.
"""

import json
from pathlib import Path

import pytest

import benchmark


def test_writes_a_row_for_each_style_and_the_yardstick(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "figures.json"
    arguments = ["--style", "all", "--engine", "onnx", "--size", "64x48", "--rounds", "1", "--runs", "2"]
    assert benchmark.main([*arguments, "--json", str(target)]) == 0
    content = json.loads(target.read_text())
    styles = [row["style"] for row in content["rows"]]
    assert styles[-1] == benchmark.PUBLIC_NETWORK
    assert {"candy", "great_wave"} < set(styles)
    assert content["machine"]["cpu"]
    assert all(row["median_ms"] > 0 and row["p5_ms"] <= row["median_ms"] <= row["p95_ms"] for row in content["rows"])
    assert all(row["loop_fps"] > 0 for row in content["rows"][:-1])
    assert "candy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--style", "candi"], "did you mean candy"),
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
