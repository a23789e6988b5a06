"""Every command ends when told, within 3 s, whatever hangs: fresh processes, signals at random moments.

Must not need a camera, a GPU or a display.
"""

import re
import shutil
import signal
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import cv2
import psutil
import pytest
from cold_commands import Ended, interrupt, moments, start, wait
from fakes import noise, read_clip, write_clip

from neural_style.weights import SAVED_MODELS

pytestmark = [
    pytest.mark.skipif(not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

ENDS_WITHIN_S = 3.0
LATEST_S = 2.5
SIGNALS = [signal.SIGINT, signal.SIGTERM]
"""In turn, for one handler takes both. It takes SIGHUP too: its own test, and tests/test_run_webcam.py."""

LIVE = ("run_webcam.py", "--source", "pattern", "--sink", "null", "--style", "candy", "--record", "out.mp4")
VIDEO = ("stylize.py", "clip.mp4", "-o", "out.mp4", "--style", "candy", "--overwrite")
IMAGES = ("stylize.py", "photos", "-o", "stylized", "--style", "all", "--engine", "torch", "--overwrite")
PAGE = ("run_webcam.py", "--source", "pattern", "--sink", "web", "--port", "0")
COMMANDS = {"live": LIVE, "video": VIDEO, "images": IMAGES, "page": PAGE}
TRAINED = "own.safetensors"
OTHERS = {
    "benchmark": ("benchmark.py", "--engine", "onnx", "--precision", "fp32"),
    "export": ("export_onnx.py", "--style", "candy", "-o", "out.onnx", "--baked", "--overwrite"),
    "train": ("train_style.py", "--network", "fast", "--style-image", "photos/0.png", "--name", "o", "-o", TRAINED),
}

HANG = """
import threading
from realtime.engines import {module}
inner, calls, began = {module}.{engine}.{method}, [], threading.Lock()
def hang(self, *arguments, **more):
    with began:
        calls.append(1)
    if len(calls) > {after}:
        print("hangs", flush=True)
        threading.Event().wait()
    return inner(self, *arguments, **more)
{module}.{engine}.{method} = hang
"""
"""Stands for a native library or a driver that never comes back, from some call on."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long clip and some photographs."""
    made = tmp_path_factory.mktemp("inputs")
    write_clip(made / "clip.mp4", [noise((640, 480), seed % 8) for seed in range(150)])
    (made / "photos").mkdir()
    for number in range(6):
        cv2.imwrite(str(made / "photos" / f"{number}.png"), noise((800, 600), number))
    return made


@pytest.fixture
def folder(inputs: Path, tmp_path: Path) -> Iterator[Path]:
    """Where commands run, with their inputs; no process outlives its test."""
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    yield tmp_path
    for child in psutil.Process().children(recursive=True):
        child.kill()


def _check(ended: Ended, number: signal.Signals, folder: Path) -> None:
    """Ended in time, without a traceback, with whole files or none; before the run began the signal itself ends it."""
    assert ended.took_s < ENDS_WITHIN_S, ended
    assert ended.status in (130, -number), ended
    assert "Traceback" not in ended.output, ended.output
    assert not [path.name for path in folder.rglob(".*")], "something half-written was left"
    video = folder / "out.mp4"
    if video.exists():
        assert len(read_clip(video).images) > 0
        video.unlink()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_at_any_moment_ends_it(name: str, folder: Path) -> None:
    for after_s, number in zip(moments(8, LATEST_S, seed=2), cycle(SIGNALS), strict=False):
        _check(interrupt(start(folder, *COMMANDS[name]), after_s, number), number, folder)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("name", ["video", "images"])
def test_the_end_of_the_terminal_ends_work_on_files(name: str, folder: Path) -> None:
    _check(interrupt(start(folder, *COMMANDS[name]), LATEST_S, signal.SIGHUP), signal.SIGHUP, folder)


@pytest.mark.parametrize("name", OTHERS)
def test_a_signal_ends_the_other_scripts(name: str, folder: Path) -> None:
    for after_s, number in zip(moments(3, 5.0, seed=2), cycle(SIGNALS), strict=False):
        ended = interrupt(start(folder, *OTHERS[name]), after_s, number)
        assert ended.took_s < ENDS_WITHIN_S, ended
        assert ended.status in (130, -number, 0), ended
        assert "Traceback" not in ended.output, ended.output
        assert not (folder / TRAINED).exists()


@pytest.mark.parametrize(("method", "number"), [("prepare", signal.SIGTERM), ("stylize", signal.SIGINT)])
@pytest.mark.parametrize("name", ["live", "video", "page"])
def test_a_signal_ends_it_while_the_engine_hangs(name: str, method: str, number: signal.Signals, folder: Path) -> None:
    prelude = HANG.format(
        module="onnx_engine", engine="OnnxEngine", method=method, after=0 if method == "prepare" else 4
    )
    process = start(folder, *COMMANDS[name], "--engine", "onnx", prelude=prelude)
    _until_it_hangs(process)
    _check(interrupt(process, 0.3, number), number, folder)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_while_a_file_cannot_be_closed(number: signal.Signals, folder: Path) -> None:
    prelude = HANG.format(module="../sinks/video_file", engine="VideoFileSink", method="close", after=0)
    prelude = prelude.replace(
        "from realtime.engines import ../sinks/video_file", "from realtime.sinks import video_file"
    )
    prelude = prelude.replace("../sinks/video_file", "video_file")
    process = start(folder, *LIVE, "--engine", "onnx", "--network", "fast", prelude=prelude)
    _until_it_records(folder)
    ended = interrupt(process, 0.2, number)
    assert "what did not end in time was left" in ended.output
    _check(ended, number, folder)


@pytest.mark.parametrize("name", ["live", "video"])
def test_an_engine_that_hangs_ends_the_run_with_one_line(name: str, folder: Path) -> None:
    prelude = HANG.format(module="onnx_engine", engine="OnnxEngine", method="stylize", after=4)
    prelude += "from realtime import flow\nflow.FRAME_LIMIT_S = 1.0\nflow._LIMIT_PER_MEGAPIXEL_S = 1.0\n"
    prelude += "flow._SLOWEST_TO_FIRST = 1.0\n"
    ended = wait(start(folder, *COMMANDS[name], "--engine", "onnx", prelude=prelude), time.monotonic(), 40)
    assert ended.status == 1, ended
    assert re.search(r"engine onnx on cpu in fp32: .*frames? of 640x480 did not come back within", ended.output)
    assert "Traceback" not in ended.output
    assert not (folder / "out.mp4").exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_large_recording_is_whole_after_a_signal(number: signal.Signals, folder: Path) -> None:
    large = ("--size", "1920x1080", "--engine", "onnx", "--precision", "int8", "--network", "fast")
    process = start(folder, *LIVE, *large)
    _until_it_records(folder, 1_000_000)
    ended = interrupt(process, 0.5, number)
    assert "wrote out.mp4" in ended.output, ended
    assert (folder / "out.mp4").is_file()
    _check(ended, number, folder)


def test_it_ends_where_nobody_reads_what_it_says(folder: Path) -> None:
    prelude = HANG.format(module="onnx_engine", engine="OnnxEngine", method="stylize", after=2)
    prelude += "import sys\nsys.stdout = sys.stderr = None\n"
    process = start(folder, *LIVE, "--engine", "onnx", prelude=prelude.replace('print("hangs", flush=True)', "pass"))
    ended = interrupt(process, 3.0, signal.SIGTERM)
    assert ended.took_s < ENDS_WITHIN_S, ended
    assert not [path.name for path in folder.rglob(".*")]


def _until_it_records(folder: Path, size: int = 1) -> None:
    until_s = time.monotonic() + 60
    while not any(path.stat().st_size >= size for path in folder.glob(".out.*.partial.mp4")):
        assert time.monotonic() < until_s, "nothing was recorded"
        time.sleep(0.05)


def _until_it_hangs(process: object) -> None:
    for line in process.stdout:  # type: ignore[attr-defined]
        if "hangs" in line:
            return
    raise AssertionError("it never came to hang")
