"""Owns Chromium without a window: it is served a folder, opens one page of it, and gives back what the page posts."""

import functools
import http.server
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from export.exporter import ExportError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""Headers that let a page use threads."""

SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--use-angle=swiftshader",
)
"""The program's options for WebGPU without a graphics card; with fewer it computes, but shows nothing."""

_END_S = 5
_LOOK_S = 0.2
_SILENT = (
    "--headless",
    "--no-first-run",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_browser() -> str | None:
    """The program, where there is one."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Served:
    """What a page comes from.

    Attributes:
        folder: that is served.
        content: what is served beside it, by path, such as "/check/page.html".
        headers: that every answer has.
    """

    folder: Path
    content: Mapping[str, bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenedPage:
    """A page that is open in a browser.

    Attributes:
        browser: the program.
        process: of it; its children belong to it.
        came: what the page posts: the last part of the address, and the body.
    """

    browser: str
    process: "subprocess.Popen[bytes]"
    came: "queue.SimpleQueue[tuple[str, bytes]]"

    def answer(self, limit_s: float) -> tuple[str, bytes]:
        """What the page posted next.

        Raises:
            ExportError: nothing came in time, the browser ended, or the page posted as "failed" why it does not work.
        """
        until_s = time.monotonic() + limit_s
        answered = None
        while answered is None:
            left_s = until_s - time.monotonic()
            status = self.process.poll()
            with suppress(queue.Empty):
                answered = self.came.get(timeout=max(0.0, min(_LOOK_S, left_s)))
            if answered is None and status:
                raise ExportError(
                    f"site: {self.browser} ended with status {status}; mend it, or take it out of PATH for a "
                    "site that is not checked"
                )
            if answered is None and left_s <= 0:
                raise ExportError(f"site: Chromium gave no answer within {limit_s:.0f} s; export again")
        kind, body = answered
        if kind == "failed":
            raise ExportError(f"site: does not work in Chromium: {body.decode('utf-8', 'replace')[:300]}")
        return kind, body


@contextmanager
def opened_page(browser: str, served: Served, page: str, flags: Sequence[str] = ()) -> Iterator[OpenedPage]:
    """Opens a page in a browser without a window, which talks to nobody else; afterwards all of it is gone.

    Args:
        browser: the program.
        served: what it may load.
        page: the path of the page.
        flags: more of the program's options.

    Raises:
        ExportError: the program cannot be started.
    """
    came: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with (
        _server(served, came) as address,
        tempfile.TemporaryDirectory(prefix="site_", ignore_cleanup_errors=True) as own,
    ):
        command = [browser, *_SILENT, f"--user-data-dir={own}", *flags]
        if sys.platform == "linux" and os.geteuid() == 0:
            command.append("--no-sandbox")  # root has none, and the page is this project's own
        nowhere = subprocess.DEVNULL
        try:
            process = subprocess.Popen([*command, address + page], stdin=nowhere, stdout=nowhere, stderr=nowhere)
        except OSError as error:
            raise ExportError(f"site: {browser} cannot be started ({error.strerror}); mend or remove it") from error
        try:
            yield OpenedPage(browser, process, came)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)


@contextmanager
def _server(served: Served, came: "queue.SimpleQueue[tuple[str, bytes]]") -> Iterator[str]:
    """Serves to this machine, and gives the address."""
    handler = functools.partial(_Handler, served=served, came=came)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="site server", daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}
    """A system may have another idea of scripts, and browsers run no others."""

    def __init__(self, *of_server: Any, served: Served, came: "queue.SimpleQueue[tuple[str, bytes]]") -> None:
        self._served, self._came = served, came
        super().__init__(*of_server, directory=str(served.folder))

    def do_GET(self) -> None:
        """Answers from what is beside the folder, or from the folder."""
        path = self.path.partition("?")[0]
        if path not in self._served.content:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.end_headers()
        self.wfile.write(self._served.content[path])

    def do_POST(self) -> None:
        """Takes an answer of the page."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._came.put((self.path.rpartition("/")[2], body))
        self.send_response(204)
        self.end_headers()

    def end_headers(self) -> None:
        """Adds the headers that every answer has."""
        for name, value in self._served.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""
