"""A site that needs no server, written for tests, served on this machine, and visited by a browser."""

import base64
import http.server
import io
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import CAMERA_WH, WAIT_MS, Tab, free_port, sample_frames
from PIL import Image as Pillow
from playwright.sync_api import Browser, Error

from export.exporter import ExportError
from export.site_runtime import find_runtime
from neural_style.weights import SAVED_MODELS
from realtime.frame import Image
from realtime.options import LookOptions

LAPTOP = {"width": 1366, "height": 768}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
NOTICE = "document.getElementById('notice').textContent"
IMAGE_NOTICE = "document.getElementById('image-notice').textContent"
FIGURES = "document.getElementById('figures').textContent"
READY = f"{NOTICE}.startsWith('Start the camera')"
MOVES = f"/ fps at /.test({FIGURES})"
DONE = f"!document.getElementById('result').hidden && !{IMAGE_NOTICE}"
ISOLATING = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


def write_site_unchecked(folder: Path) -> None:
    """Writes a site without its own check, or skips the test where something is missing for one."""
    if not (SAVED_MODELS / "fast.safetensors").is_file():
        pytest.skip("saved_models/ holds no weights")
    try:
        find_runtime(None)
    except ExportError as error:
        pytest.skip(str(error))
    from export.web_site import write_site
    from realtime.style_catalogue import open_styles

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.web_site.check_site", lambda *_: "not checked")
        write_site(folder, *open_styles(LookOptions.style, "fast"))


def write_camera_clip(path: Path) -> None:
    """The sample clip as a camera gives it: raw YUV in a Y4M file."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{CAMERA_WH[0]} H{CAMERA_WH[1]} F30:1 Ip A1:1 C420jpeg\n".encode())
        for image in sample_frames(40):
            file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes())


class ServedSite:
    """A folder behind a web server that does no more than `python -m http.server`, below a path of its host.

    Args:
        folder: the site; it is copied, and the copy may be changed.
        home: where to.
        headers: what the server adds to every answer.

    Attributes:
        url: of the page.
        folder: the copy.
    """

    def __init__(self, folder: Path, home: Path, headers: Mapping[str, str] | None = None) -> None:
        self._home, self._headers, self._port = home, dict(headers or {}), free_port()
        self.folder, self.url = home / "name" / "site", f"http://127.0.0.1:{self._port}/name/site/"
        shutil.copytree(folder, self.folder)
        self.start()

    def start(self) -> None:
        handler = partial(_Handler, directory=str(self._home), more=self._headers)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Answers with files, in silence."""

    def __init__(self, *given: object, more: Mapping[str, str], directory: str) -> None:
        self._more = more
        super().__init__(*given, directory=directory)  # type: ignore[arg-type]

    def end_headers(self) -> None:
        for name, value in self._more.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Visit(Tab):
    """A page of the site, and all that it asked for; a script may run before its own, and a file may be missing."""

    def __init__(self, browser: Browser, url: str, script: str = "", missing: str = "", **context: Any) -> None:
        self.requests: list[str] = []

        def prepare(page: Any) -> None:
            page.context.on("request", lambda request: self.requests.append(request.url))
            if script:
                page.add_init_script(script)
            if missing:
                page.route(f"**/{missing}", lambda route: route.abort())

        super().__init__(browser, url, prepare, **{"viewport": LAPTOP, **context})

    def until(self, expression: str, limit_s: float = WAIT_MS / 1000) -> float:
        """See `Tab`; a page of a first visit is loaded again meanwhile."""
        started_s = time.monotonic()
        while True:
            try:
                super().until(expression, limit_s)
                return time.monotonic() - started_s
            except Error:
                if time.monotonic() - started_s > limit_s:
                    raise
                self.page.wait_for_timeout(100)

    def open_anew(self, url: str, until_title: str) -> None:
        """Closes the page and opens it again, until another version of it is there: a browser takes a moment."""
        until_s = time.monotonic() + WAIT_MS / 1000
        while self.page.inner_text("h1") != until_title:
            assert time.monotonic() < until_s
            self.page.close()
            self.page = self.context.new_page()
            self.page.wait_for_timeout(500)
            self.page.goto(url)
            self.page.wait_for_selector("h1")

    def start_camera(self) -> None:
        self.page.click("#camera-on")
        self.until(MOVES)

    def until_seen(self, condition: Callable[[Image], bool]) -> None:
        """Waits until what is shown meets a condition."""
        until_s = time.monotonic() + WAIT_MS / 1000
        while not condition(self.seen()):
            assert time.monotonic() < until_s, self.complaints
            self.page.wait_for_timeout(100)

    def seen(self) -> Image:
        """What is shown now: uint8 (H, W, 3) RGB."""
        png = str(self.page.evaluate("canvas.toDataURL()")).partition(",")[2]
        return np.asarray(Pillow.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))

    def result(self) -> Image:
        """The stylized image that is offered for download: uint8 (H, W, 3) RGB."""
        with self.page.expect_download() as downloading:
            self.page.click("#download")
        return np.asarray(Pillow.open(downloading.value.path()).convert("RGB"))
