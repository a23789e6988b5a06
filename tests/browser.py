"""Chromium for tests of the page, with a fake camera and without a screen, and a server of fakes that restarts."""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from playwright.sync_api import Browser, Download, Page, Route, sync_playwright
from web_page import WebPage

from realtime.frame import Image
from realtime.options import WebOptions
from realtime.sources.selection import SAMPLE_CLIP

CHROMIUM = shutil.which("chromium")
WAIT_MS = 20_000
CAMERA_WH = (320, 240)
STARTED = "#styles button, #fault, .cannot-start"
PLAYS = "video.getVideoPlaybackQuality().totalVideoFrames > 3"
_POLL_MS = 30


def sample_frames(count: int) -> list[Image]:
    """The sample clip's first frames: uint8 (240, 320, 3) RGB each."""
    with av.open(str(SAMPLE_CLIP)) as clip:
        images = []
        for frame in clip.decode(video=0):
            images.append(np.asarray(cv2.resize(frame.to_ndarray(format="rgb24"), CAMERA_WH), np.uint8))
            if len(images) == count:
                break
    return images


def recorded_frames(download: Download, folder: Path) -> int:
    """How many frames a recording has that the page gave to the visitor; it is put in a folder first."""
    recorded = folder / download.suggested_filename
    download.save_as(recorded)
    with av.open(str(recorded)) as video:
        return sum(1 for _ in video.decode(video=0))


@contextmanager
def chromium(camera_file: Path | None = None) -> Iterator[Browser]:
    """A browser whose camera shows a file, or Chromium's own test pattern, which comes in every size."""
    arguments = [
        "--headless",
        "--no-sandbox",
        "--no-zygote",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
    ]
    if camera_file is not None:
        arguments.append(f"--use-file-for-fake-video-capture={camera_file}")
    with sync_playwright() as library:
        opened = library.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


class Tab:
    """A page in the browser, and what it complained of.

    Attributes:
        page: of Playwright.
        complaints: what went to the console, errors of scripts and failed requests among them.
    """

    def __init__(
        self, browser: Browser, url: str, prepare: Callable[[Page], None] | None = None, **context: Any
    ) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        if prepare is not None:
            prepare(self.page)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type != "log" else None)
        self.page.goto(url)
        self.page.wait_for_selector(STARTED, state="attached")  # the page has started

    def until(self, expression: str, limit_s: float = WAIT_MS / 1000) -> float:
        """Waits until something is true in the page; returns after how many seconds."""
        started_s = time.monotonic()
        while not self.page.evaluate(expression):
            waited_s = time.monotonic() - started_s
            notice = self.page.evaluate("document.getElementById('notice')?.textContent")
            assert waited_s < limit_s, (expression, notice, self.complaints)
            self.page.wait_for_timeout(_POLL_MS)
        return time.monotonic() - started_s

    def middle(self) -> tuple[int, ...]:
        """The colour in the middle of the video."""
        return tuple(
            self.page.evaluate(
                """() => { const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
                context.drawImage(video, 0, 0, 3, 3);
                return [...context.getImageData(1, 1, 1, 1).data].slice(0, 3); }"""
            )
        )

    def until_colour(self, colour: tuple[int, int, int], has_it: bool = True) -> None:
        """Waits until the middle of the video has about some colour, or has it no more."""
        until_s = time.monotonic() + WAIT_MS / 1000
        while (max(abs(one - other) for one, other in zip(self.middle(), colour, strict=True)) < 40) != has_it:
            assert time.monotonic() < until_s, (self.middle(), self.complaints)
            self.page.wait_for_timeout(_POLL_MS)

    def slide(self, name: str, value: int) -> None:
        """Moves a slider as a hand does."""
        self.page.evaluate(
            "([id, value]) => { const input = document.getElementById(id); input.value = value;"
            " input.dispatchEvent(new Event('input', { bubbles: true })); }",
            [name, value],
        )

    def close(self) -> None:
        """Leaves the page, which must have had nothing to complain of."""
        assert not self.complaints, self.complaints
        self.context.close()


def with_many_styles(page: Page) -> None:
    """Makes a page believe that its server has 24 styles, the server's own three or more among them."""
    thumbnail = cv2.imencode(".jpg", cv2.resize(sample_frames(1)[0], (160, 120)))[1].tobytes()

    answered: dict[str, Any] = {}

    def answer(route: Route) -> None:
        if answered:  # asked for again, perhaps by a page that is about to be closed
            route.fulfill(json=answered)
            return
        answered.update(route.fetch().json(), takes_images=False)
        for number in range(len(answered["styles"]) + 1, 25):
            style = {"number": number, "name": f"another_stylized_{number}", "blends": True}
            answered["styles"].append(style | {"thumbnail": f"/api/styles/{number}.jpg"})
        route.fulfill(json=answered)

    page.route("**/api/styles", answer)
    page.route("**/api/styles/*.jpg*", lambda route: route.fulfill(body=thumbnail, content_type="image/jpeg"))


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Restarting:
    """A server of fakes that ends, and comes back on the same port with the settings of its command line."""

    def __init__(self) -> None:
        self._options = WebOptions(port=free_port())
        self.page = WebPage(options=self._options)
        self.url = self.page.url

    def stop(self) -> None:
        self.page.close()

    def start(self, look_is_given: bool = False) -> None:
        self.page = WebPage(options=replace(self._options, look_is_given=look_is_given))
