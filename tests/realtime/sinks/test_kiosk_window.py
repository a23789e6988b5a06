"""Tests of an exhibition's real window, on a virtual screen: the cursor, the crossfade, and keys that end nothing."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from test_window import Screen, _difference, _wait_for, _write_still_clip, screen

__all__ = ["screen"]

PATIENCE_S = 40


def _point_at(screen: Screen, x: int, y: int) -> None:
    subprocess.run(["xdotool", "mousemove", str(x), str(y)], env=screen._environment, check=True)
    time.sleep(0.3)


def _pixels_of_cursor(screen: Screen, x: int, y: int) -> int:
    """How many pixels change near a point when the mouse leaves it."""
    _point_at(screen, x, y)
    with_mouse = screen.screenshot()[y - 20 : y + 40, x - 20 : x + 40].astype(int)
    _point_at(screen, x + 300, y + 300)
    without = screen.screenshot()[y - 20 : y + 40, x - 20 : x + 40].astype(int)
    return int((np.abs(with_mouse - without).max(axis=2) > 40).sum())


def _stands_still(screen: Screen) -> bool:
    """Whether the window is where it stays: filling the screen, it is drawn anew."""
    before = screen.screenshot()
    time.sleep(0.5)
    return _difference(before, screen.screenshot()) < 1


@pytest.mark.needs_display
@pytest.mark.slow
def test_a_kiosk_hides_the_cursor_crosses_over_and_goes_on_after_q(screen: Screen, tmp_path: Path) -> None:
    still = tmp_path / "clip.mp4"
    _write_still_clip(still)
    look = ["--style", "candy", "--smoothing", "0", "--crossfade", "1"]
    program = screen.start("--source", str(still), "--engine", "onnx", "--network", "fast", "--kiosk", *look)
    _wait_for("an image", lambda: float(screen.image().std()) > 10)
    _wait_for("the window to fill the screen", lambda: _stands_still(screen))
    assert _pixels_of_cursor(screen, 100, 100) == 0
    assert _pixels_of_cursor(screen, 400, 250) == 0, "beside the image"

    candy, seen = screen.image(), []
    screen.press("5")
    end_s = time.monotonic() + 2.5
    while time.monotonic() < end_s:
        seen.append(screen.image())
    starry_night = seen[-1]
    whole = _difference(candy, starry_night)
    assert whole > 15
    assert any(0.2 < _difference(candy, image) / whole < 0.8 for image in seen), "an image between both is seen"
    assert all(_difference(candy, image) < 1.1 * whole for image in seen)

    screen.press("q")
    time.sleep(0.5)
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    output, _ = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == 130, output
    assert "cursor" not in output
