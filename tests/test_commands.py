"""Tests of what all commands have in common: --help comes at once, and a function is there for installed commands."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ["run_webcam", "stylize", "benchmark", "export_onnx", "train_style"]
SLOW_TO_IMPORT = {"av", "cv2", "numpy", "onnx", "onnxruntime", "openvino", "PIL", "rich", "skimage", "torch"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_imports_nothing_that_is_slow(script: str) -> None:
    program = f"""
import sys
import os
import {script}
try:
    {script}.main(["--help"])
except SystemExit as end:
    assert not end.code
print("while it waits", os.environ.get("OMP_WAIT_POLICY"))
print("imported", *{SLOW_TO_IMPORT!r}.intersection(sys.modules))
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.startswith("usage: ")
    waits, imported = done.stdout.splitlines()[-2:]
    assert imported == "imported"
    assert waits.endswith("PASSIVE") == (script in ("run_webcam", "stylize", "benchmark"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_command_ends_the_process_with_the_status_of_main(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(script)
    ran: list[object] = []
    monkeypatch.setattr("realtime.cli.run_script", ran.append)
    module.command()
    assert ran == [module.main]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_one_page(script: str) -> None:
    assert len((ROOT / f"{script}.py").read_text(encoding="utf-8").splitlines()) < 150
