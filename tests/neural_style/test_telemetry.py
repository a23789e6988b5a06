"""Tests that nothing here tells anybody that it is used: no identifier is written, no connection is opened.

Each case is a process of its own with an empty home, and an environment without `CI`, which also silences packages.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import noise
from PIL import Image

from neural_style.weights import SAVED_MODELS

ROOT = Path(__file__).resolve().parents[2]
HANGS_AFTER_S = 90
WATCH = ["strace", "-f", "-qq", "-e", "trace=socket", "-o"]

LIVE = ["run_webcam.py", "--source", "pattern", "--size", "64x48", "--sink", "null", "--max-frames", "3", "--device"]
COMMANDS = {
    "live onnx": [*LIVE, "cpu", "--engine", "onnx"],
    "live torch": [*LIVE, "cpu", "--engine", "torch"],
    "files openvino": ["stylize.py", "in.png", "-o", "out.png", "--engine", "openvino"],
    "files auto": ["stylize.py", "in.png", "-o", "out.png", "--engine", "auto"],
    "benchmark": ["benchmark.py", "--help"],
    "training": ["train_style.py", "--help"],
    **{
        f"{package} then runtimes": ["-c", f"import {package}, onnxruntime, openvino"]
        for package in ("neural_style", "realtime", "export", "speed")
    },
    "export": ["-c", "import export.exporter"],
    "speed": ["-c", "import speed.worker, realtime.engines.onnx_engine, realtime.engines.openvino_engine"],
}
QUICK = ("live onnx", "benchmark", "neural_style then runtimes")
CASES = [pytest.param(COMMANDS[name], id=name, marks=[] if name in QUICK else pytest.mark.slow) for name in COMMANDS]


def _strace_fault() -> str:
    """Why system calls cannot be watched here; "" where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run([*WATCH, "/dev/null", "true"], capture_output=True, check=False, timeout=HANGS_AFTER_S)
    return "strace may not watch processes here" if done.returncode else ""


STRACE_FAULT = _strace_fault()


def _run(home: Path, arguments: list[str], before: list[str] | None = None, **variables: str) -> str:
    work = home.parent / "work"
    work.mkdir(exist_ok=True)
    Image.fromarray(noise((64, 48))).save(work / "in.png")
    script = [str(ROOT / arguments[0])] if arguments[0].endswith(".py") else arguments[:1]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")} | variables
    done = subprocess.run(
        [*(before or []), sys.executable, *script, *arguments[1:]],
        cwd=ROOT if arguments[0] == "-c" else work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty one."""
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.mark.skipif(sys.platform == "win32", reason="identifiers are kept in the registry there")
@pytest.mark.skipif(not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles")
@pytest.mark.parametrize("arguments", CASES)
def test_no_identifier_is_written_and_no_connection_opened(home: Path, arguments: list[str]) -> None:
    calls = home.parent / "calls"
    _run(home, arguments, None if STRACE_FAULT else [*WATCH, str(calls)])
    allowed = {"fastest_engines.json"}
    assert [path.name for path in home.rglob("*") if path.is_file() and path.name not in allowed] == []
    if STRACE_FAULT:
        pytest.skip(f"no identifier was written; connections could not be watched: {STRACE_FAULT}")
    opened = [line for line in calls.read_text().splitlines() if "socket(" in line and "AF_UNIX" not in line]
    assert opened == []


@pytest.mark.skipif(bool(STRACE_FAULT), reason=STRACE_FAULT)
def test_a_connection_would_be_seen(home: Path) -> None:
    calls = home.parent / "calls"
    script = "import socket, threading; threading.Thread(target=socket.socket).start()"
    _run(home, ["-c", script], [*WATCH, str(calls)])
    assert "AF_INET" in calls.read_text()


@pytest.mark.parametrize("chosen", ["0", "1", ""])
def test_what_the_user_set_stays(home: Path, chosen: str) -> None:
    script = "import realtime, os; print(repr(os.environ['ORT_DISABLE_TELEMETRY']))"
    assert _run(home, ["-c", script], ORT_DISABLE_TELEMETRY=chosen) == f"{chosen!r}\n"
    assert _run(home, ["-c", script]) == "'1'\n"


@pytest.mark.slow
def test_openvino_works_without_its_telemetry(home: Path) -> None:
    script = (
        "import realtime, openvino, numpy as np\n"
        "from openvino import opset13 as ops\n"
        "x = ops.parameter([2], np.float32)\n"
        "compiled = openvino.compile_model(openvino.Model([ops.add(x, x)], [x]), 'CPU')\n"
        "print(compiled([np.float32([1, 2])])[0])"
    )
    assert _run(home, ["-c", script]) == f"{np.array([2.0, 4.0], np.float32)}\n"
