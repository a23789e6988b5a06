"""A test of memory, in a fresh process with a real network: what uploads take, and that it is given back."""

import io
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image as Pillow
from test_uploads import file_that_says_it_is
from web_page import PageAddress

ROOT = Path(__file__).parents[3]
PEAK_BYTES, GIVEN_BACK_S, ROUNDS = 1.5e9, 10.0, 3
USUAL_WH, LARGE_WH = (1200, 900), (6000, 4000)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class _Server:
    """A page in a process of its own.

    Attributes:
        peak_bytes: the most memory that it has held.
    """

    def __init__(self) -> None:
        command = [sys.executable, str(ROOT / "run_webcam.py"), "--source", "sample", "--sink", "web", "--port", "0"]
        command += ["--network", "fast", "--engine", "onnx", "--size", "160x120"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        found = None
        while found is None:
            line = self._process.stdout.readline()
            assert line, "it ended"
            found = re.search(r"^page (http://\S+)", line)
        self.page = PageAddress(found[1])
        self.peak_bytes = 0
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def held_bytes(self) -> int:
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)

    def _watch(self) -> None:
        while self._process.poll() is None:
            try:
                self.peak_bytes = max(self.peak_bytes, self.held_bytes)
            except psutil.Error:
                return
            time.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    opened = _Server()
    yield opened
    opened.close()


def _large(kind: str, size_wh: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    x, y = (np.arange(side, dtype=np.uint16) // 64 for side in size_wh)
    squares = ((x[None] + y[:, None]) % 256).astype(np.uint8)
    if mode == "I;16":
        image = Pillow.fromarray(squares.astype(np.uint16) * 257)
    else:
        image = Pillow.merge(mode, [Pillow.fromarray(squares)] * len(mode))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _upload_all(server: _Server, size_wh: tuple[int, int]) -> None:
    """Uploads of several kinds, and of some that claim to be larger."""
    uploads = {
        "JPEG": _large("JPEG", size_wh),
        "deep": _large("PNG", size_wh, "I;16", compress_level=1),
        "tall, transparent": _large("PNG", (size_wh[1] // 7, size_wh[1] * 4), "RGBA", compress_level=1),
    }
    for name, content in uploads.items():
        query = "style=candy&strength=0.9&keep_colors=true"
        answer = server.page.ask("POST", f"/api/image?{query}", content, patience_s=60)
        assert answer.status == 200, (name, answer.body[:200])
        assert server.peak_bytes < PEAK_BYTES, name
    for claimed_wh in ((1, 8_000_000), (1, 24_000_000), (600, 40_000)):
        assert server.page.ask("POST", "/api/image", file_that_says_it_is(*claimed_wh)).status == 400


def test_uploads_take_little_and_give_it_back(server: _Server) -> None:
    _upload_all(server, USUAL_WH)  # each kind's library is loaded with its first image, and stays
    time.sleep(6)
    before = server.held_bytes
    held = []
    for _ in range(ROUNDS):  # what is lost grows with each; a heap that is given back a round later does not
        _upload_all(server, LARGE_WH)
        until_s = time.monotonic() + GIVEN_BACK_S
        while (now := server.held_bytes) > 1.1 * before and time.monotonic() < until_s:
            time.sleep(0.2)
        held.append(now)
        if now <= 1.1 * before:
            return
    pytest.fail(f"{before / 1e6:.0f} MB before, after each round {[round(bytes_ / 1e6) for bytes_ in held]} MB")
