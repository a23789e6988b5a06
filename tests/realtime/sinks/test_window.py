"""Tests of a real window: Xvfb is the screen, xdotool the keyboard, screenshots are compared.

Must not need a screen of the machine.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.sinks.window import TITLE, WindowSink, _key_name, display_is_available

ROOT = Path(__file__).resolve().parents[3]
WIDTH_PX, HEIGHT_PX = 800, 600
PATIENCE_S = 40

Screenshot = NDArray[np.uint8]


def _wait_for(what: str, condition: Callable[[], object]) -> object:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if result := condition():
            return result
        time.sleep(0.1)
    raise AssertionError(f"waited {PATIENCE_S} s in vain for {what}")


@pytest.fixture
def screen(tmp_path: Path) -> Iterator["Screen"]:
    if sys.platform != "linux" or not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("needs Xvfb and xdotool (Debian packages xvfb, xdotool)")
    opened = Screen(tmp_path)
    yield opened
    opened.close()


class Screen:
    """A virtual screen, whose pixels lie in a file, and a program on it."""

    def __init__(self, folder: Path) -> None:
        read_end, write_end = os.pipe()
        size = f"{WIDTH_PX}x{HEIGHT_PX}x24"
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write_end), "-screen", "0", size, "-fbdir", str(folder), "-nolisten", "tcp"],
            pass_fds=[write_end],
            stderr=subprocess.DEVNULL,
        )
        os.close(write_end)
        with os.fdopen(read_end) as number:
            self.display = f":{number.readline().strip()}"
        self._folder = folder
        self._environment = {**os.environ, "DISPLAY": self.display, "WAYLAND_DISPLAY": ""}
        self._program: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "run_webcam.py"), *arguments]
        self._program = subprocess.Popen(
            command,
            env=self._environment,
            cwd=self._folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for("the window", self.window)
        except AssertionError as error:
            self._program.kill()
            raise AssertionError(f"{error}; it said {self._program.communicate()[0]!r}") from error
        return self._program

    def window(self) -> str:
        search = ["xdotool", "search", "--name", TITLE]
        found = subprocess.run(search, env=self._environment, capture_output=True, text=True, check=False)
        return found.stdout.split()[0] if found.stdout else ""

    def press(self, key: str) -> None:
        command = ["xdotool", "key", "--window", self.window(), key]
        subprocess.run(command, env=self._environment, check=True, stderr=subprocess.DEVNULL)

    def screenshot(self) -> Screenshot:
        """Reads uint8 (H, W, 3) BGR from the X window dump that Xvfb keeps up to date."""
        dump = (self._folder / "Xvfb_screen0").read_bytes()
        header_size, colours = (int.from_bytes(dump[at : at + 4], "big") for at in (0, 76))
        start = header_size + 12 * colours
        pixels = np.frombuffer(dump, np.uint8, HEIGHT_PX * WIDTH_PX * 4, start)
        return pixels.reshape(HEIGHT_PX, WIDTH_PX, 4)[:, :, :3].copy()

    def image(self) -> Screenshot:
        """The top of the window, where no overlay is."""
        return self.screenshot()[:200, :320]

    def top(self) -> Screenshot:
        """The top of the image, where the list of styles begins."""
        return self.screenshot()[:40, :320]

    def strip(self) -> Screenshot:
        """The bottom of the 320x240 image, where the overlay is."""
        return self.screenshot()[215:240, :320]

    def close(self) -> None:
        for process in (self._program, self._server):
            if process is not None:
                process.kill()
                process.communicate()  # also closes its pipes


def _difference(a: Screenshot, b: Screenshot) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.needs_display
@pytest.mark.slow
def test_keys_change_style_overlay_and_files(screen: Screen, tmp_path: Path) -> None:
    still = tmp_path / "clip.mp4"
    _write_still_clip(still)
    engine = ["--engine", "onnx", "--network", "fast", "--crossfade", "0"]
    program = screen.start("--source", str(still), "--style", "candy", *engine, "--sink", "window")
    _wait_for("an image", lambda: float(screen.image().std()) > 10)
    screen.press("space")
    _wait_for("the overlay", lambda: bool((screen.strip() > 200).any()))
    candy = screen.image()

    screen.press("5")
    _wait_for("another style", lambda: _difference(candy, screen.image()) > 15)
    starry_night = screen.image()
    screen.press("1")
    _wait_for("the first style again", lambda: _difference(candy, screen.image()) < 5)
    screen.press("Left")
    _wait_for("the last style", lambda: min(_difference(screen.image(), s) for s in (candy, starry_night)) > 10)

    screen.press("l")
    _wait_for("the list", lambda: (screen.top().min(axis=2) > 200).sum() > 50 and screen.top().mean() < 90)
    for key in ("s", "t", "a", "r", "underscore", "BackSpace", "Return"):
        screen.press(key)
        time.sleep(0.3)  # as a person types; of keys that come within one frame the window library keeps the last
    _wait_for("the style that was typed", lambda: _difference(starry_night, screen.image()) < 5)

    screen.press("h")
    _wait_for("the help", lambda: (screen.image().min(axis=2) > 200).sum() > 100 and screen.image().mean() < 90)
    screen.press("h")
    time.sleep(2.5)
    with_overlay = screen.strip()
    screen.press("o")
    _wait_for("no overlay", lambda: _difference(with_overlay, screen.strip()) > 10)

    screen.press("s")
    _wait_for("the snapshot", lambda: len(list(tmp_path.glob("snapshot_*_output.png"))) == 1)
    snapshot = cv2.imread(str(next(iter(tmp_path.glob("snapshot_*_output.png")))))
    assert snapshot is not None
    assert snapshot.shape == (240, 320, 3)
    assert _difference(np.asarray(snapshot[:200], np.uint8), screen.image()) < 3

    screen.press("q")
    output, _ = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == 0, output
    assert output.splitlines()[0].startswith("source clip.mp4, style candy, network fast, engine onnx")
    assert "frames out" in output.splitlines()[-1]


@pytest.mark.needs_display
@pytest.mark.slow
def test_ctrl_c_closes_the_window_with_statistics(screen: Screen) -> None:
    program = screen.start("--source", "pattern", "--size", "320x240", "--engine", "onnx")
    program.send_signal(signal.SIGINT)
    output, _ = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == 130
    assert "frames out" in output
    assert "Traceback" not in output


def test_a_display_that_nobody_serves_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has displays by number")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for value in ("", ":4321", "nonsense"):
        monkeypatch.setenv("DISPLAY", value)
        assert not display_is_available()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (27, "escape"),
        (32, "space"),
        (65361, "left"),
        (65363, "right"),
        (ord("n"), "n"),
        (ord("]"), "]"),
        (0xFFE1, ""),
        (13, "enter"),
        (65293, "enter"),
        (65288, "backspace"),
        (8, "backspace"),
        (ord("_"), "_"),
    ],
)
def test_key_codes_have_names(code: int, name: str) -> None:
    assert _key_name(code) == name


def test_an_unopened_window_has_no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sinks.window.display_is_available", lambda: True)
    window = WindowSink()
    assert window.commands() == []
    assert window.close() == ""


def _write_still_clip(path: Path) -> None:
    """An image with shapes that stands still for a minute, so that only commands change the window."""
    import av

    image = np.full((240, 320, 3), (40, 90, 160), np.uint8)
    cv2.circle(image, (100, 100), 60, (230, 200, 60), -1)
    cv2.rectangle(image, (180, 40), (300, 180), (200, 30, 40), -1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(600):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
