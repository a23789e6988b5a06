"""Runs the scripts in fresh processes, many times, with an empty or a remembered choice of engine.

Must not know what is tested.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HANGS_AFTER_S = 40.0
"""A start that takes this long on a busy machine has hung; a test is not a stopwatch."""

_WAITED_S = 20.0
ENVIRONMENT = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: negative is the number of the signal that ended it.
        took_s: from the signal to the end, or from the start where there was none.
        output: of both streams.
    """

    status: int
    took_s: float
    output: str


def start(folder: Path, script: str, *arguments: str | Path, prelude: str = "") -> "subprocess.Popen[str]":
    """Starts a script of the repository; `prelude` is Python that runs before it, to put stand-ins in place."""
    path = ROOT / script
    if prelude:
        code = f"import sys; sys.argv[0] = {str(path)!r}; sys.path.insert(0, {str(ROOT)!r})\n{prelude}\n"
        code += f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
        command = [sys.executable, "-c", code]
    else:
        command = [sys.executable, str(path)]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, script: str, *arguments: str | Path) -> Ended:
    """Runs a script to its end; one that hangs is killed, and its status is that of the kill."""
    return wait(start(folder, script, *arguments), time.monotonic(), HANGS_AFTER_S)


def wait(process: "subprocess.Popen[str]", since_s: float, limit_s: float = _WAITED_S) -> Ended:
    """Waits for an end, and kills what does not come to one."""
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return Ended(process.returncode, time.monotonic() - since_s, output)


def interrupt(process: "subprocess.Popen[str]", after_s: float, number: signal.Signals) -> Ended:
    """Sends a signal after so many seconds, and waits for the end."""
    time.sleep(after_s)
    since_s = time.monotonic()
    process.send_signal(number)
    return wait(process, since_s)


def moments(count: int, latest_s: float, seed: int) -> Sequence[float]:
    """Random moments in s: the same ones in every run of a test."""
    draw = random.Random(seed)
    return [draw.uniform(0.0, latest_s) for _ in range(count)]
