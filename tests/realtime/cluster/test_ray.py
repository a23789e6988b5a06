"""Tests of `stylize.py --ray` on a local cluster of Ray's: fresh processes, kills, and what it needs and leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from cluster_kills import Trial, compare_with_one_machine, make_inputs, run_with_kills
from fakes import noise
from PIL import Image as Pillow
from video_corpus import VideoKind, make_video, take_apart

import stylize
from neural_style.weights import SAVED_MODELS

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = ("--engine", "onnx", "--precision", "int8", "--network", "fast")
ENDS_WITHIN_S = 3.0

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None or sys.platform == "win32", reason="Ray is not installed, or beta as on Windows"
)
pytestmark = [
    pytest.mark.skipif(not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    kind = VideoKind(options={"preset": "ultrafast", "g": "25"}, count=700, size_wh=(160, 120), sound_s=28.0)
    make_video(folder / "long", kind, [noise((160, 120), number // 40) for number in range(700)])
    Pillow.fromarray(noise((40, 30))).save(folder / "image.png")
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


def start(*arguments: str | Path) -> "subprocess.Popen[str]":
    command = [sys.executable, str(ROOT / "stylize.py"), *map(str, arguments), *OPTIONS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ADDRESS": "", "RAY_TMPDIR": str(ROOT / "no such folder")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def listening(process: psutil.Process) -> set[str]:
    """Where a process and its children can be reached."""
    found: set[str] = set()
    for one in (process, *process.children(recursive=True)):
        try:
            found |= {c.laddr.ip for c in one.net_connections("inet") if c.status == psutil.CONN_LISTEN}
        except psutil.Error:
            continue
    return found


def test_without_ray_it_is_one_line_and_ray_is_not_needed_without_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "ray", missing)
    Pillow.fromarray(noise((40, 30))).save(tmp_path / "a.png")
    source = str(tmp_path / "a.png")
    assert stylize.main([source, "-o", str(tmp_path / "b.png"), "--ray", "auto", *OPTIONS]) == 1
    assert "--ray: ray is not installed; run pip install '" in capsys.readouterr().err
    assert stylize.main([source, "-o", str(tmp_path / "c.png"), *OPTIONS]) == 0


def test_its_numbers_are_of_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert stylize.main(["a.png", "-o", "b.png", "--workers", "2"]) == 2
    assert capsys.readouterr().err == "error: workers 2: is of --ray; leave it out\n"
    assert stylize.main(["a.png", "-o", "b.png", "--ray", "auto", "--workers", "0"]) == 2


@needs_ray
def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Pillow.fromarray(noise((40, 30))).save(tmp_path / "a.png")
    arguments = [str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--ray", "127.0.0.1:9"]
    assert stylize.main(arguments) == 1
    line = "ray 127.0.0.1:9: nothing answers there; start it with `ray start`, or use --ray auto"
    assert capsys.readouterr().err == f"error: {line}\n"


@needs_ray
def test_a_folder_on_two_workers(inputs: Path, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    reached: set[str] = set()
    workers = ("--ray", "auto", "--workers", "2", "--cpus-per-worker", "1")
    with start(inputs, "-o", f"{tmp_path}/out/", *workers, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "progress":
                reached |= listening(psutil.Process(process.pid))
        assert process.wait() == 1, "one input is broken"
        assert process.stderr.read() == "", "Ray is silent"
    if sys.platform == "linux":  # elsewhere one may not ask
        assert {address.removeprefix("::ffff:") for address in reached} == {"127.0.0.1"}
    events = [line["event"] for line in lines]
    assert events.count("done") == 2
    assert [one["source"] for one in lines[-1]["failures"]] == [str(inputs / "broken.mp4")]
    last = [line for line in lines if line["event"] == "progress"][-1]
    assert (last["workers"], last["source"]) == (2, "all")
    made, source = take_apart(tmp_path / "out" / "long.mp4"), take_apart(inputs / "long.mp4")
    assert (made.times, made.sounds) == (source.times, source.sounds)
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8")
    assert any(json.loads(line).get("facts", {}).get("segments") == 2 for line in manifest.splitlines())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["image.png", "long.mp4", "manifest.jsonl"]


@needs_ray
@pytest.mark.slow
def test_it_ends_when_told(inputs: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with start(inputs / "long.mp4", "-o", output, "--ray", "auto", "--cpus-per-worker", "1", "--json") as process:
        assert process.stdout is not None
        assert any(json.loads(line)["event"] == "progress" for line in process.stdout)
        children = psutil.Process(process.pid).children(recursive=True)
        since_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130
        assert time.monotonic() - since_s < ENDS_WITHIN_S
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive, "nothing of the cluster is left"
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["out.mp4.manifest.jsonl"]


@needs_ray
@pytest.mark.slow
def test_kills_lose_nothing(tmp_path: Path) -> None:
    make_inputs(tmp_path / "in", 3)
    trial = Trial(tmp_path, worker_kills=3, driver_kills=1)
    found = run_with_kills(trial)
    compare_with_one_machine(trial, found)
    assert found.is_good, found
    assert found.killed[1] == 1
