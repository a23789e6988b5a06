"""Owns the check of a written site: opened in Chromium, where its images are compared with the engine's."""

import functools
import http.server
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from export.exporter import ExportError
from realtime.engines.protocol import Engine
from realtime.frame import Image
from realtime.media.image_file import StillImage, encode_still
from realtime.media.resize import resize
from realtime.media.video_reader import VideoReader
from realtime.sources.selection import SAMPLE_CLIP
from realtime.style import Style

MAX_MEAN_DIFFERENCE = 2.0
"""On the 0..255 scale."""

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SIZE_WH = (318, 239)
"""No whole cells."""

_LIMIT_S, _END_S = 120, 5
_BLEND_STRENGTH = 0.7
_PAGE = Path(__file__).with_name("site_check.html")
_ROUTE_PAGE, _ROUTE_IMAGE, _ROUTE_LOOKS = "/check/page.html", "/check/image.png", "/check/looks.json"


def check_site(folder: Path, styles: Sequence[Style], engine: Engine) -> str:
    """Opens a site in Chromium, and compares a style, and a blend at part of its strength, with the engine's images.

    Returns:
        What the check measured, or why there was none.

    Raises:
        ExportError: the images differ, or the browser gave none in time.
    """
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        return f"not checked, because there is no Chromium ({', '.join(_BROWSERS)})"
    image, looks = _image(), _looks(styles)
    content = {
        _ROUTE_PAGE: _PAGE.read_bytes(),
        _ROUTE_IMAGE: encode_still(StillImage(image), ".png"),
        _ROUTE_LOOKS: json.dumps([{"style": text, "strength": strength} for text, strength, _ in looks]).encode(),
    }
    expected = [engine.stylize(image[None], style, strength)[0] for _, strength, style in looks]
    stylized = [_pixels(answer, image.shape) for answer in _answers(browser, folder, content, len(looks))]
    differences = [
        float(np.abs(one.astype(np.float32) - other).mean()) for one, other in zip(stylized, expected, strict=True)
    ]
    if not max(differences) < MAX_MEAN_DIFFERENCE:
        raise ExportError(
            f"site: in Chromium its images differ from the engine's by {max(differences):.2f} of 255 on average; less "
            f"than {MAX_MEAN_DIFFERENCE:.0f} is allowed, and nothing was kept"
        )
    return f"in Chromium its images differ from the engine's by {max(differences):.3f} of 255 on average"


def _image() -> Image:
    """The sample clip's first frame: uint8 (239, 318, 3) RGB."""
    reader = VideoReader(SAMPLE_CLIP)
    try:
        return resize(next(reader.frames()).pixels, _SIZE_WH)
    finally:
        reader.close()


def _looks(styles: Sequence[Style]) -> list[tuple[str, float, Style]]:
    """What is compared: text and strength as the page understands them, and what they mean."""
    first, last = styles[0], styles[-1]
    if first.vector is None or last.vector is None:
        raise ValueError("the styles have no vectors")
    blend = replace(first, vector=np.asarray(0.6 * first.vector + 0.4 * last.vector, np.float32))
    return [(first.name, 1.0, first), (f"{first.name}:0.6+{last.name}:0.4", _BLEND_STRENGTH, blend)]


def _pixels(answer: bytes, shape: tuple[int, ...]) -> Image:
    """What the page sends, rows of RGBA, as uint8 (H, W, 3) RGB."""
    height, width, _ = shape
    if len(answer) != height * width * 4:
        raise ExportError(f"site: in Chromium an image of {width}x{height} px became {len(answer)} bytes")
    return np.frombuffer(answer, np.uint8).reshape(height, width, 4)[:, :, :3]


def _answers(browser: str, folder: Path, content: Mapping[str, bytes], count: int) -> list[bytes]:
    """What the check's page sends back."""
    came: queue.Queue[tuple[str, bytes]] = queue.Queue()
    with _server(folder, content, came) as address, _browser(browser, address + _ROUTE_PAGE):
        until_s = time.monotonic() + _LIMIT_S
        answers = []
        while len(answers) < count:
            try:
                kind, body = came.get(timeout=max(0.0, until_s - time.monotonic()))
            except queue.Empty:
                raise ExportError(
                    f"site: {browser} gave no image within {_LIMIT_S} s; start it once by hand, and export again"
                ) from None
            if kind == "failed":
                raise ExportError(f"site: does not work in Chromium: {body.decode('utf-8', 'replace')[:300]}")
            answers.append(body)
        return answers


@contextmanager
def _server(folder: Path, content: Mapping[str, bytes], came: "queue.Queue[tuple[str, bytes]]") -> Iterator[str]:
    """Serves a folder to this machine, and beside it what only the check has; gives the address."""
    handler = functools.partial(_Handler, folder=folder, content=content, came=came)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="site check", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(
        self,
        *arguments: Any,
        folder: Path,
        content: Mapping[str, bytes],
        came: "queue.Queue[tuple[str, bytes]]",
    ) -> None:
        self._content, self._came = content, came
        super().__init__(*arguments, directory=str(folder))

    def do_GET(self) -> None:
        """Answers from what only the check has, or from the folder."""
        if self.path not in self._content:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(self.path))
        self.end_headers()
        self.wfile.write(self._content[self.path])

    def do_POST(self) -> None:
        """Takes an answer of the page."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._came.put((self.path.rpartition("/")[2], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def _browser(program: str, address: str) -> Iterator[None]:
    """A browser without a window that shows a page, and talks to nobody else; afterwards all of it is gone."""
    with tempfile.TemporaryDirectory(prefix="site_check_", ignore_cleanup_errors=True) as profile:
        command = [program, "--headless", f"--user-data-dir={profile}", "--no-first-run", "--disable-sync"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-extensions"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        if sys.platform == "linux" and os.geteuid() == 0:
            command.append("--no-sandbox")  # root has none, and the page is this project's own
        nowhere = subprocess.DEVNULL
        try:
            process = subprocess.Popen([*command, address], stdin=nowhere, stdout=nowhere, stderr=nowhere)
        except OSError as error:
            raise ExportError(f"site: {program} cannot be started ({error.strerror}); remove it, or mend it") from error
        try:
            yield
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(psutil.Error):
        all_of_it = psutil.Process(process.pid).children(recursive=True)
        for child in all_of_it:
            with suppress(psutil.Error):
                child.kill()
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
