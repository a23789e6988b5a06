"""Tests of `python run_webcam.py` as a command: what it prints, what it writes, how it ends.

Must not need a camera, a network, a GPU or a display. Most runs name the onnx engine,
because it starts in half a second.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fakes import ClipFormat, IdentityEngine, difference, make_catalogue, noise, read_clip, write_clip
from style_files import write_network, write_style

import run_webcam
from neural_style.weights import SAVED_MODELS
from realtime import live_session
from realtime.engines.protocol import EngineInfo
from realtime.errors import SinkError
from realtime.frame import resize_to_fit
from realtime.look import Look
from realtime.media.image_file import StillImage, write_still
from realtime.options import RunOptions
from realtime.sources.protocol import SourceInfo
from realtime.style_catalogue import load_catalogue

pytestmark = [
    pytest.mark.skipif(not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"),
    pytest.mark.timeout(100),
]

ROOT = Path(__file__).resolve().parent.parent
HANGS_AFTER_S = 60
ENVIRONMENT = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", "CUDA_VISIBLE_DEVICES": ""}
NO_CAMERA = pytest.mark.skipif(
    sys.platform != "linux" or Path("/dev/video0").exists(), reason="this machine may have a camera"
)
NO_GPU = pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has a GPU")
QUICK = ["--engine", "onnx", "--device", "cpu", "--network", "fast"]


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "run_webcam.py"), *map(str, arguments)]


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    returncode: int | str | None
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process, in `folder`, on a machine without a screen."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["run_webcam.py"])
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.setenv(name, "")

    def call(*arguments: str | Path) -> Done:
        status: int | str | None
        try:
            status = run_webcam.main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return call


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twenty frames of soft colours, ten in a second."""
    folder = tmp_path / "in"
    folder.mkdir()
    return write_clip(folder / "clip.mp4", [noise((96, 64), seed) for seed in range(20)], ClipFormat(rate_fps=10))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where commands run and write."""
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_clip_becomes_a_stylized_clip_with_statistics(run: Run, folder: Path, clip: Path, engine: str) -> None:
    limits = ["--max-frames", "12", "--stats", "s.json", "--engine", engine, "--device", "cpu"]
    done = run("--source", clip, "--unpaced", "--sink", "null", "--record", "out.mp4", "--style", "candy", *limits)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["out.mp4", "s.json"]

    stylized = read_clip(folder / "out.mp4")
    assert (len(stylized.images), stylized.size_wh, stylized.codec) == (12, (96, 64), "h264")
    assert stylized.times_s == pytest.approx([i / 10 for i in range(12)], abs=2e-3)
    original = read_clip(clip).images
    for before, after in zip(original, stylized.images, strict=False):
        assert difference(before, after) > 5

    stats = json.loads((folder / "s.json").read_text())
    assert (stats["frames_in"], stats["frames_out"], stats["frames_dropped"]) == (12, 12, 0)
    assert (stats["engine"], stats["device"], stats["style"], stats["size"]) == (engine, "cpu", "candy", "96x64")
    assert stats["provider"] == ("CPUExecutionProvider" if engine == "onnx" else "")
    assert stats["precision"] in ("fp32", "bf16")
    assert stats["fps"] > 0
    assert 0 < stats["latency_ms"]["p50"] <= stats["latency_ms"]["p95"] <= stats["latency_ms"]["max"]
    assert set(stats["stage_ms"]) == {"source", "engine", "postprocess", "sinks"}

    provider = " (CPUExecutionProvider)" if engine == "onnx" else ""
    lines = done.stdout.splitlines()
    assert lines[0] == (
        f"source clip.mp4, style candy, network fast, engine {engine}{provider}, device cpu, "
        f"precision {stats['precision']}, size 96x64"
    )
    assert lines[1] == "wrote out.mp4: 12 frames, 96x64"
    assert lines[2].startswith("12 frames out, 12 in, 0 dropped, ")
    assert len(lines) == 3


def test_style_strength_size_and_batches_are_used(run: Run, folder: Path, clip: Path) -> None:
    look = ["--style", "mosaic", "--strength", "0", "--size", "48x48", "--batch-size", "4", "--precision", "fp32"]
    done = run("--source", clip, "--unpaced", "--sink", "null", "--record", "out.mkv", *look, *QUICK)
    assert done.returncode == 0
    assert "style mosaic" in done.stdout
    assert done.stdout.splitlines()[0].endswith("size 48x32")
    unstylized = read_clip(folder / "out.mkv")
    assert len(unstylized.images) == 20
    # At strength 0 the image comes out as it went in, so this also compares colours from end to end.
    small = [resize_to_fit(image, (48, 48)) for image in read_clip(clip).images]
    for before, after in zip(small, unstylized.images, strict=True):
        assert difference(before, after) < 12
        assert difference(np.ascontiguousarray(before[:, :, ::-1]), after) > 25


@NO_CAMERA
@pytest.mark.slow
def test_the_bare_command_plays_the_sample_on_a_web_page(run: Run, folder: Path) -> None:
    done = run("--max-frames", "5", "--port", "0")
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(folder.iterdir())
    *measured, first, camera, display, page, idle, summary = done.stdout.splitlines()
    known = ("finding out once which of ", "openvino int8 ", "network fast: fine would give about ")
    assert all(line.startswith(known) for line in measured), measured
    assert re.match(
        r"source sample clip, style candy, network \w+, engine \w+.*, device .*, precision \w+, size 640x480$", first
    )
    assert camera.startswith("no camera (camera 0: does not open; there is no /dev/video0")
    assert "playing the sample clip" in camera
    assert display == "no display: serving a web page instead of a window"
    assert re.fullmatch(r"page http://127\.0\.0\.1:\d+/  \(Ctrl-C ends it\)", page)
    assert idle == "nobody watches: 5 frames a second, until somebody opens the page"
    # A machine that is slower than the clip drops frames.
    assert re.match(r"5 frames out, (\d+) in, \d+ dropped, .* \(nobody watched\)$", summary)


def test_a_gpu_gets_a_batch_size_that_is_fastest_or_live_holds_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*arguments: object) -> int:
        return 4 if arguments[-1] == 0.0 else 2

    monkeypatch.setattr(live_session, "fastest_batch_size", measured)
    engine, look = IdentityEngine(), Look(make_catalogue("a").styles[0], 1.0, keep_colors=False, smoothing=0.0)
    said: list[str] = []

    def chosen(device: str, *arguments: str) -> int | None:
        engine.info = EngineInfo("torch", device, "fp16")
        options = run_webcam.read_options(run_webcam.make_parser().parse_args(list(arguments)))
        source = SourceInfo("camera", (64, 48), 30.0, can_pause=True)
        return live_session._with_batch_size(options, engine, look, source, said.append).engine.batch_size

    assert chosen("cuda:0", "--unpaced") == 4
    assert chosen("cuda:0") == 2
    assert said == ["batch size 4", "batch size 2"]
    assert chosen("cpu", "--unpaced") is None
    assert chosen("cuda:0", "--unpaced", "--batch-size", "2") == 2
    assert len(said) == 2


def test_without_arguments_the_options_are_their_defaults() -> None:
    options = run_webcam.read_options(run_webcam.make_parser().parse_args([]))
    assert options == RunOptions()
    assert (options.look.style, options.look.strength, options.network) == ("candy", 1.0, "auto")


@pytest.mark.parametrize(
    ("display", "options", "sinks"),
    [
        (True, RunOptions(), ("window",)),
        (True, RunOptions(record=Path("a.mp4")), ("window",)),
        (True, RunOptions(sinks=("null", "web")), ("null", "web")),
        (False, RunOptions(), ("web",)),
        (False, RunOptions(record=Path("a.mp4")), ()),
    ],
)
def test_frames_are_shown_where_they_can_be_seen(
    display: bool, options: RunOptions, sinks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_session, "display_is_available", lambda: display)
    wanted, notice = live_session._wanted_sinks(options)
    assert wanted == sinks
    assert bool(notice) == (sinks == ("web",)), "only what nobody would expect is said"


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        (["--sink", "web", "--host", "203.0.113.9"], ["203.0.113.9", "choose another --port or --host"]),
        pytest.param(["--sink", "virtual"], ["virtual camera", "v4l2loopback"], marks=NO_CAMERA),
    ],
    ids=["address", "virtual camera"],
)
def test_a_sink_that_cannot_be_had_is_told_in_one_line(run: Run, sink: list[str], words: list[str]) -> None:
    done = run("--source", "pattern", "--size", "64x48", *sink, *QUICK)
    assert done.returncode == 1
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr
    for word in words:
        assert word in done.stderr


def test_a_page_without_a_port_leaves_no_half_recording(run: Run, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(
            "--source",
            "pattern",
            "--size",
            "64x48",
            "--sink",
            "web",
            "--port",
            port,
            "--record",
            "a.mp4",
            *QUICK,
        )
    assert done.returncode == 1
    assert re.fullmatch(rf"error: [^\n]*{port}[^\n]+\n", done.stderr), done.stderr
    assert list(folder.iterdir()) == []


class _Opened:
    """A stage that tells when it is closed."""

    def __init__(self, name: str, closed: list[str]) -> None:
        self._name, self._closed = name, closed
        self.info = SourceInfo("noise", (64, 48), 30.0, can_pause=False)

    def read(self) -> None:
        return None

    def close(self) -> str:
        self._closed.append(self._name)
        return ""

    def abandon(self) -> str:
        self._closed.append(f"{self._name} abandoned")
        return ""


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        ("open_engine", ["source"]),
        ("VideoFileSink", ["engine", "null abandoned", "source"]),
        ("Pipeline", ["engine", "null abandoned", "recording abandoned", "source"]),
        ("", ["engine", "null", "recording", "source"]),
    ],
)
@pytest.mark.parametrize("error", [SinkError("no"), KeyboardInterrupt()])
def test_what_was_opened_is_closed_when_a_later_stage_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fails: str,
    expected: list[str],
    error: BaseException,
) -> None:
    closed: list[str] = []

    class Engine(IdentityEngine):
        def close(self) -> None:
            closed.append("engine")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(live_session, "open_source", lambda *_: _Opened("source", closed))
    monkeypatch.setattr(live_session, "open_engine", lambda *_: Engine())
    monkeypatch.setattr(live_session, "NullSink", lambda: _Opened("null", closed))
    monkeypatch.setattr(live_session, "VideoFileSink", lambda *_: _Opened("recording", closed))
    if fails:
        monkeypatch.setattr(live_session, fails, fail)
    status = run_webcam.main(["--source", "noise", "--sink", "null", "--record", "out.mp4", "--network", "fast"])
    assert status == (0 if not fails else 130 if isinstance(error, KeyboardInterrupt) else 1)
    assert sorted(closed) == expected
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_page_is_served_until_ctrl_c_and_other_machines_need_its_token(folder: Path) -> None:
    arguments = _command("--source", "sample", "--sink", "web", "--port", "0", "--host", "0.0.0.0", *QUICK)
    process = subprocess.Popen(
        arguments, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = ""
    while not line.startswith("page "):
        line = process.stdout.readline()
        assert line, process.communicate()
    found = re.fullmatch(r"page http://[^/:]+:(\d+)/\?token=([\w-]{20,})  \(Ctrl-C ends it\)\n", line)
    assert found, line
    others = []
    while not line.startswith("nobody watches"):
        line = process.stdout.readline()
        assert line, process.communicate()
        others.append(line)
    said = "".join(others)
    [visitors_token] = set(re.findall(r"^for visitors \S+\?token=([\w-]{20,})  \(", said, re.MULTILINE))
    assert visitors_token != found[2]
    time.sleep(1)  # the loop begins
    statuses = []
    for query in ("", f"?token={found[2]}", f"?token={visitors_token}"):
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=HANGS_AFTER_S)
        connection.request("GET", f"/{query}")
        statuses.append(connection.getresponse().status)
        connection.close()
    assert statuses == [401, 200, 200]
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=HANGS_AFTER_S)
    assert (process.returncode, errors) == (130, "")
    assert " frames out, " in out


def _broken_clip(folder: Path) -> Path:
    path = folder / "broken.mp4"
    path.write_text("this is a diary, and no video")
    return path


BAD_INPUT = {
    "missing file": (["--source", "nowhere.mp4"], ["nowhere.mp4", "no such file", "sample or pattern"]),
    "broken file": (["--source", "BROKEN"], ["broken.mp4", "damaged"]),
    "folder": (["--source", "."], ["is a folder"]),
    "unknown style": (["--style", "starry_nite"], ["'starry_nite'", "did you mean starry_night?", "available: candy"]),
    "two styles": (["--style", "candy,mosaic"], ["candy,mosaic", "several where one is wanted", "candy+mosaic"]),
    "unknown part": (["--style", "candy:0.5+mosaik:0.5"], ["'mosaik'", "did you mean mosaic?"]),
    "weight of nothing": (["--style", "candy:0+mosaic:1"], ["weight '0' of candy", "above 0"]),
    "missing style file": (["--style", "mine.pth"], ["mine.pth", "no such file"]),
    "size zero": (["--size", "0x0"], ["size 0x0", "1 to 16384"]),
    "size in words": (["--size", "abc"], ["'abc'", "640x480"]),
    "strength 2": (["--strength", "2"], ["strength 2.0", "0 to 1"]),
    "smoothing -1": (["--smoothing", "-1"], ["smoothing -1.0", "0 to 1"]),
    "batch of none": (["--batch-size", "0"], ["batch-size 0", "1 to 256"]),
    "no frames": (["--max-frames", "0"], ["max-frames 0", "at least 1"]),
    "unknown device": (["--device", "tpu"], ["'tpu'", "cuda:N"]),
    "fp16 on a cpu": (["--engine", "torch", "--device", "cpu", "--precision", "fp16"], ["precision fp16", "cpu"]),
    "fp16 with onnx": (["--device", "cpu", "--precision", "fp16"], ["precision fp16", "--precision fp32 or int8"]),
    "missing folder": (["--record", "none/out.mp4"], ["none/out.mp4", "there is no folder none"]),
    "no folder for statistics": (["--stats", "none/s.json"], ["none/s.json", "there is no folder none"]),
    "folder as recording": (["--record", "taken.mp4"], ["taken.mp4", "choose another place"]),
    "recording of no kind": (["--record", "out.txt"], ["out.txt", ".mp4, .mkv, .mov"]),
    "no display": (["--sink", "window"], ["no display", "--sink web", "--sink null", "--record"]),
    "no port": (["--port", "99999"], ["port 99999", "0 to 65535"]),
    "half of a certificate": (["--tls-cert", "taken.mp4"], ["tls-cert and tls-key", "both or none"]),
    "unpaced camera": (["--source", "0", "--unpaced"], ["source 0", "leave --unpaced out"]),
}
MALFORMED = {
    "size zero",
    "size in words",
    "strength 2",
    "smoothing -1",
    "batch of none",
    "no frames",
    "unknown device",
    "recording of no kind",
    "no port",
    "half of a certificate",
}
"""Wrong whatever is there: the status is that of a wrong command line."""

MACHINE_DEPENDENT = {
    "no camera": (["--source", "0"], ["camera 0", "no /dev/video0"], NO_CAMERA),
    "no camera of this path": (["--source", "/dev/video97"], ["camera /dev/video97"], NO_CAMERA),
    "no gpu": (["--device", "cuda"], ["device cuda", "no NVIDIA driver", "--device cpu"], NO_GPU),
    "no gpu for auto": (
        ["--engine", "auto", "--device", "cuda"],
        ["device cuda", "no NVIDIA driver", "--device cpu"],
        NO_GPU,
    ),
    "no gpu for torch": (["--engine", "torch", "--device", "cuda:1"], ["device cuda:1", "--device cpu"], NO_GPU),
}
CASES = [
    *(pytest.param(wish, parts, 1 + (name in MALFORMED), id=name) for name, (wish, parts) in BAD_INPUT.items()),
    *(pytest.param(wish, parts, 1, id=name, marks=mark) for name, (wish, parts, mark) in MACHINE_DEPENDENT.items()),
]


@pytest.mark.parametrize(("wish", "parts", "status"), CASES)
def test_bad_input_is_one_line_and_leaves_nothing(
    run: Run, folder: Path, tmp_path: Path, wish: list[str], parts: list[str], status: int
) -> None:
    broken = _broken_clip(tmp_path)
    (folder / "taken.mp4").mkdir()
    arguments = [str(broken) if argument == "BROKEN" else argument for argument in wish]
    usual = {"--source": "pattern", "--engine": "onnx", "--network": "fast", "--record": "out.mp4", "--sink": "null"}
    for option, value in usual.items():
        if option not in arguments:
            arguments += [option, value]
    done = run(*arguments)
    assert done.returncode == status
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr
    for part in parts:
        assert part in done.stderr
    assert done.stdout == ""
    assert [path.name for path in folder.iterdir()] == ["taken.mp4"]


@pytest.mark.parametrize(
    "wish", [["--colour", "red"], ["--engine", "keras"], ["--sink", "printer"], ["--batch-size", "two"], ["--source"]]
)
def test_a_wrong_command_line_ends_with_status_2_and_the_usage(run: Run, wish: list[str]) -> None:
    done = run(*wish)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("; see run_webcam.py --help\n")
    assert done.stderr.count("\n") == 1
    assert wish[-1] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_images_of_a_folder_become_styles_of_the_show(run: Run, tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    write_still(tmp_path / "styles" / "rust.png", StillImage(noise()))
    (tmp_path / "styles" / "text.jpg").write_text("no image")
    options = ["--source", "pattern", "--size", "160x120", "--sink", "null", "--max-frames", "60", *QUICK]
    done = run(*options, "--styles-dir", tmp_path / "styles")
    assert (done.returncode, done.stderr) == (0, "")
    assert "new style 25: rust" in done.stdout.splitlines()
    assert done.stdout.count("text.jpg: is damaged") == 1
    assert "styles folder" not in [thread.name for thread in threading.enumerate()]


def test_help_names_every_option(run: Run) -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    options = "source style strength keep-colors smoothing size unpaced sink record overwrite max-frames stats "
    options += "list-cameras list-styles network engine refresh device provider precision batch-size host port "
    options += "tls-cert tls-key verbose help crossfade cycle cycle-styles kiosk qr fps osc record-input check "
    options += "open-stage trust styles-dir refine refine-weights"
    described = re.findall(r"^  (?:-\w, )?--([\w-]+)", done.stdout, re.MULTILINE)
    assert sorted(described) == sorted(options.split())


def test_styles_are_listed_with_the_numbers_of_their_keys(run: Run) -> None:
    done = run("--list-styles")
    assert (done.returncode, done.stderr) == (0, "")
    listed = [line.split()[:3] for line in done.stdout.splitlines() if not line.startswith("-")]
    usable = [style for style in load_catalogue().styles if not style.fault]
    assert listed == [[str(number), style.name, f"({style.family},"] for number, style in enumerate(usable, start=1)]


def test_styles_of_their_own_are_listed_by_their_files_and_what_is_wrong_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_network(tmp_path / "fast.safetensors", ["candy", "mosaic"])
    write_style(tmp_path / "cat.safetensors", "cat", 1)
    write_style(tmp_path / "bad.safetensors", "bad", 1, trunk_hash="of another")
    monkeypatch.setattr("realtime.style_catalogue.load_catalogue", lambda: load_catalogue(tmp_path))
    assert run_webcam.main(["--list-styles"]) == 0
    *usable, unusable = capsys.readouterr().out.splitlines()
    assert usable == [
        "1  candy  (fast, fast.safetensors)",
        "2  mosaic  (fast, fast.safetensors)",
        "3  cat  (fast, cat.safetensors)",
    ]
    assert unusable.startswith("-  bad  (fast, bad.safetensors)  cannot be used: ")
    assert "trained for another network" in unusable


def test_a_blend_is_stylized_and_named(run: Run, folder: Path, clip: Path) -> None:
    wish = ["--style", "candy+mosaic:3", "--strength", "0.7", "--smoothing", "0.5", "--max-frames", "4"]
    done = run(
        "--source",
        clip,
        "--unpaced",
        "--sink",
        "null",
        "--record",
        "out.mp4",
        "--stats",
        "s.json",
        *wish,
        *QUICK,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ", style candy:0.25+mosaic:0.75, " in done.stdout.splitlines()[0]
    assert json.loads((folder / "s.json").read_text())["style"] == "candy:0.25+mosaic:0.75"
    for before, after in zip(read_clip(clip).images, read_clip(folder / "out.mp4").images, strict=False):
        assert difference(before, after) > 5


@NO_CAMERA
def test_no_camera_to_list_is_said(run: Run) -> None:
    done = run("--list-cameras")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no camera was found\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_run_completes_its_recording_and_prints_the_figures(folder: Path, stop: signal.Signals) -> None:
    wish = ["--source", "pattern", "--size", "64x48", "--sink", "null", "--record", "out.mp4", "--stats", "s.json"]
    process = subprocess.Popen(
        _command(*wish, *QUICK), cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("source test pattern, ")
        _wait_until_something_is_recorded(folder)
        process.send_signal(stop)
        output, errors = process.communicate(timeout=HANGS_AFTER_S)
    finally:
        process.kill()
    assert (process.returncode, errors) == (130, "")
    wrote, summary = output.splitlines()
    count = int(re.match(r"wrote out\.mp4: (\d+) frames, 64x48$", wrote)[1])  # type: ignore[index]
    assert re.match(rf"{count} frames out, \d+ in, \d+ dropped, ", summary)
    assert sorted(path.name for path in folder.iterdir()) == ["out.mp4", "s.json"]
    assert len(read_clip(folder / "out.mp4").images) == count
    assert json.loads((folder / "s.json").read_text())["frames_out"] == count


def _wait_until_something_is_recorded(folder: Path, size: int = 1) -> None:
    """The encoder is opened with the first frame, and only a hidden file is there until the end."""
    deadline_s = time.monotonic() + HANGS_AFTER_S
    while time.monotonic() < deadline_s:
        names = [path.name for path in folder.iterdir()]
        assert "out.mp4" not in names
        recorded = [folder / name for name in names if name.startswith(".out.") and ".partial." in name]
        if any(path.stat().st_size >= size for path in recorded):
            return
        time.sleep(0.02)
    raise AssertionError("nothing was recorded")


def test_a_clip_that_breaks_in_the_middle_keeps_what_was_stylized(run: Run, folder: Path, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", [noise((96, 64), seed) for seed in range(30)])
    content = bytearray(whole.read_bytes())
    middle = len(content) // 2
    content[middle:] = bytes(len(content) - middle)
    (tmp_path / "broken.mkv").write_bytes(bytes(content))
    done = run("--source", tmp_path / "broken.mkv", "--unpaced", "--sink", "null", "--record", "out.mp4", *QUICK)
    assert "Traceback" not in done.stderr
    names = [path.name for path in folder.iterdir()]
    assert names == (["out.mp4"] if done.returncode == 0 else ["out.incomplete.mp4"])
    assert len(read_clip(folder / names[0]).images) >= 5


def test_a_recording_never_replaces_its_own_source(run: Run, clip: Path) -> None:
    before = clip.read_bytes()
    done = run("--source", str(clip), "--unpaced", "--sink", "null", "--record", str(clip))
    assert done.returncode == 1
    assert "is an input of this run" in done.stderr
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (["--record", "there.mp4"], "record there.mp4: is there already; use --overwrite"),
        (["--record", "new.mp4", "--stats", "there.mp4"], "stats there.mp4: is there already"),
        (["--record", "new.mp4", "--stats", "new.mp4"], "stats new.mp4: is another output of this run"),
        (["--overwrite", "--record", "there.mp4", "--stats", "there.mp4"], "is another output of this run"),
    ],
)
def test_nothing_that_is_there_is_replaced_unasked(run: Run, folder: Path, wish: list[str], said: str) -> None:
    (folder / "there.mp4").write_bytes(b"of yesterday")
    done = run("--source", "pattern", "--sink", "null", *wish, *QUICK)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("there.mp4", b"of yesterday")]


@pytest.mark.slow
def test_a_recording_that_was_killed_is_found_at_the_next_start(run: Run, folder: Path, clip: Path) -> None:
    wish = ["--source", "pattern", "--size", "64x48", "--sink", "null", "--record", "out.mp4"]
    process = subprocess.Popen(_command(*wish, *QUICK), cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    try:
        _wait_until_something_is_recorded(folder, 2000)
    finally:
        process.kill()
        process.communicate(timeout=HANGS_AFTER_S)
    assert not (folder / "out.mp4").exists()
    again = ["--source", clip, "--unpaced", "--sink", "null", "--max-frames", "2"]
    done = run(*again, "--record", "out.mp4", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("recovered a recording that was cut off: out.recovered.mp4\n")
    assert sorted(path.name for path in folder.iterdir()) == ["out.mp4", "out.recovered.mp4"]
    assert len(read_clip(folder / "out.recovered.mp4").images) > 5
