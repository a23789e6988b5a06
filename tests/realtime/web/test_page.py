"""Tests of the page in a real browser, with a fake camera: what a visitor sees and can do; without a screen."""

import base64
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import CAMERA_WH, CHROMIUM, WAIT_MS, Tab, chromium, recorded_frames, sample_frames, with_many_styles
from PIL import Image as Pillow
from playwright.sync_api import Browser, Page

from neural_style.weights import SAVED_MODELS
from realtime.controls import Command, Controls
from realtime.engines import open_named_engine
from realtime.frame import Frame, Image
from realtime.options import EngineOptions, LookOptions, WebOptions
from realtime.sinks.protocol import StylizedFrame
from realtime.sinks.web import WebSink
from realtime.style_catalogue import load_catalogue

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"),
    pytest.mark.timeout(120, method="thread"),  # a browser that hangs cannot be interrupted, only left
]

INTERVAL_S = 1 / 20


class Served:
    """The page of a real engine and the sample clip, written to by the tests themselves."""

    def __init__(self) -> None:
        catalogue = load_catalogue()
        self.engine = open_named_engine(catalogue, EngineOptions("onnx", "cpu", "fp32"))
        look = LookOptions(smoothing=0.0)
        self.controls = Controls(catalogue, 0, look)
        self.sink = WebSink(WebOptions(port=0), self.engine, catalogue, look)
        self.url = self.sink.open("sample clip", self.controls, self._send)
        self.frames = sample_frames(20)
        self.number = 0

    def _send(self, command: Command) -> None:
        self.controls.apply(command)

    def show(self, seconds: float) -> None:
        """Writes frames for so long, from the test's own thread, as the loop does."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            frame = self.frames[self.number % len(self.frames)]
            look = self.controls.look
            stylized = self.engine.stylize(frame[None], look.style, look.strength)[0]
            started_s = time.perf_counter()
            self.sink.write(StylizedFrame(Frame(frame, self.number, started_s, self.number / 30), stylized, stylized))
            self.number += 1
            time.sleep(INTERVAL_S)

    def close(self) -> None:
        self.sink.close()
        self.engine.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    page = Served()
    yield page
    page.close()


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample clip as a camera gives it: raw YUV in a Y4M file."""
    path = tmp_path_factory.mktemp("camera") / "clip.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{CAMERA_WH[0]} H{CAMERA_WH[1]} F30:1 Ip A1:1 C420jpeg\n".encode())
        for image in sample_frames(20):
            file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


@pytest.fixture(scope="module")
def browser(camera_file: Path) -> Iterator[Browser]:
    with chromium(camera_file) as opened:
        yield opened


class Visitor(Tab):
    """A page in the browser, while the test itself shows frames."""

    def __init__(self, browser: Browser, served: Served, **context: Any) -> None:
        super().__init__(browser, served.url, **context)
        self.served = served
        self.page.wait_for_selector("#styles button")

    def until_shown(self, expression: str) -> None:
        """Lets the loop run until something is true in the page."""
        until_s = time.monotonic() + WAIT_MS / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < until_s, (expression, self.page.inner_text("#notice"), self.complaints)
            self.served.show(0.1)

    def seen(self) -> Image:
        """What the video shows now: uint8 (H, W, 3) RGB."""
        png = self.page.evaluate(  # as text: a list of so many numbers takes Playwright seconds
            """() => { const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
            canvas.getContext("2d").drawImage(video, 0, 0);
            return canvas.toDataURL("image/png").split(",")[1]; }"""
        )
        with Pillow.open(io.BytesIO(base64.b64decode(png))) as opened:
            return np.asarray(opened.convert("RGB"), np.uint8)

    def close(self) -> None:
        """Leaves the page, and waits until the server knows."""
        connections = self._connections()
        super().close()
        until_s = time.monotonic() + WAIT_MS / 1000
        while connections and self._connections() >= connections:
            assert time.monotonic() < until_s, "the server did not notice that the page was left"
            time.sleep(0.05)

    def _connections(self) -> int:
        server = self.served.sink._server
        assert server is not None
        return server.connections.count


def _distance(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_a_visitor_sees_moving_stylized_images_and_a_click_changes_the_style(browser: Browser, served: Served) -> None:
    visitor = Visitor(browser, served)
    visitor.until_shown("video.videoWidth === 320 && video.getVideoPlaybackQuality().totalVideoFrames > 10")
    first = visitor.seen()
    visitor.until_shown("video.getVideoPlaybackQuality().totalVideoFrames > 25")
    assert _distance(first, visitor.seen()) > 1, "it moves"
    assert visitor.page.locator("#styles button[aria-pressed=true]").inner_text() == "candy"
    candy = visitor.seen()
    visitor.page.click("#styles button[data-name=udnie]")
    served.show(1.0)
    assert served.controls.look.style.name == "udnie"
    visitor.until_shown("document.querySelector('#styles button[aria-pressed=true]').dataset.name === 'udnie'")
    assert _distance(candy, visitor.seen()) > 15, "another stylized image"
    visitor.page.keyboard.press("1")
    visitor.until_shown("document.querySelector('#styles button[aria-pressed=true]').dataset.name === 'candy'")
    visitor.page.evaluate("document.getElementById('strength').focus()")
    visitor.page.keyboard.press("Home")
    visitor.until_shown("document.getElementById('strength-value').textContent === '0 %'")
    served.show(0.3)
    assert served.controls.look.strength == 0.0
    visitor.page.keyboard.press("End")
    visitor.page.select_option("#blend", "mosaic")
    served.show(0.3)
    assert re.fullmatch(r"candy:0\.5\+mosaic:0\.5", served.controls.look.style.name)
    visitor.page.keyboard.press("Escape")
    visitor.page.click("#styles button[data-name=candy]")
    visitor.page.select_option("#blend", "")
    served.show(0.3)
    visitor.close()


def _last_style(page: Page) -> str:
    return str(page.evaluate("document.querySelector('#styles li:last-child button').dataset.name"))


@pytest.mark.parametrize("width", [390, 1280])
def test_twenty_four_styles_stay_in_a_list_that_follows_the_choice(
    browser: Browser, served: Served, width: int
) -> None:
    tab = Tab(browser, served.url, with_many_styles, viewport={"width": width, "height": 844})
    page = tab.page
    assert page.locator("#styles button").count() == 24
    assert page.evaluate("document.getElementById('styles').offsetHeight") <= 420
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    last = "document.querySelector('#styles li:last-child button')"
    seen = "(() => { const list = styles.getBoundingClientRect(), button = %s.getBoundingClientRect(); "
    seen = (seen + "return button.top >= list.top - 1 && button.bottom <= list.bottom + 1; })()") % last
    assert not page.evaluate(seen)
    before = page.evaluate("scrollY")
    page.evaluate(
        f"import('/controls.js').then((controls) => controls.showLook({{style: '{_last_style(page)}', strength: 1, "
        "smoothing: 0, keep_colors: false, mirror: false}))"
    )
    assert page.evaluate(seen)
    assert page.evaluate("scrollY") == before, "the page itself stays where it is"
    tab.close()


def test_a_style_is_found_by_typing_its_name(browser: Browser, served: Served) -> None:
    visitor = Visitor(browser, served)
    page = visitor.page
    visitor.until_shown("video.getVideoPlaybackQuality().totalVideoFrames > 3")
    page.keyboard.press("l")
    page.keyboard.type("zzz")
    assert page.inner_text("#none-found") == "No style of that name."
    page.fill("#find", "starry")
    assert not page.inner_text("#none-found")
    assert page.locator("#styles li:not([hidden])").all_inner_texts() == ["starry night"]
    served.show(0.3)
    assert served.controls.look.style.name == "candy", "letters in the field are no commands"
    page.keyboard.press("Enter")
    visitor.until_shown("document.querySelector('#styles button[aria-pressed=true]').dataset.name === 'starry_night'")
    assert page.locator("#styles li:not([hidden])").count() == len(load_catalogue().styles)
    assert page.evaluate("document.activeElement === document.body"), "keys are commands again"
    page.keyboard.press("1")
    visitor.until_shown("document.querySelector('#styles button[aria-pressed=true]').dataset.name === 'candy'")
    served.show(0.3)
    assert served.controls.look.style.name == "candy"
    visitor.close()


def test_a_second_visitor_comes_and_goes(browser: Browser, served: Served) -> None:
    first, second = Visitor(browser, served), Visitor(browser, served)
    for visitor in (first, second):
        visitor.until_shown("video.getVideoPlaybackQuality().totalVideoFrames > 3")
    second.close()
    before = first.page.evaluate("video.getVideoPlaybackQuality().totalVideoFrames")
    first.until_shown(f"video.getVideoPlaybackQuality().totalVideoFrames > {before + 10}")
    first.close()


def test_snapshot_recording_and_comparison_are_made_in_the_browser(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    visitor = Visitor(browser, served)
    visitor.until_shown("video.getVideoPlaybackQuality().totalVideoFrames > 3")
    with visitor.page.expect_download() as downloading:
        visitor.page.click("#snapshot")
    downloading.value.save_as(tmp_path / "snapshot.png")
    with Pillow.open(tmp_path / "snapshot.png") as snapshot:
        assert snapshot.size == CAMERA_WH
    visitor.page.click("#record")
    visitor.until_shown("document.getElementById('record').getAttribute('aria-pressed') === 'true'")
    served.show(1.5)
    with visitor.page.expect_download() as downloading:
        visitor.page.click("#record")
    assert recorded_frames(downloading.value, tmp_path) > 5
    stylized = visitor.seen()
    assert min(_distance(stylized, frame) for frame in served.frames) > 20
    visitor.page.evaluate("document.getElementById('split').focus()")
    visitor.page.keyboard.press("End")
    served.show(0.6)
    original = visitor.seen()
    assert min(_distance(original, frame) for frame in served.frames) < 10
    visitor.close()


def test_a_visitor_sees_the_own_camera_stylized(browser: Browser, served: Served) -> None:
    visitor = Visitor(browser, served)
    visitor.page.select_option("#size", "320x240") if visitor.page.is_visible("#size") else None
    visitor.page.select_option("#source", "send")
    visitor.until("video.getVideoPlaybackQuality().totalVideoFrames > 5")
    served_look = served.controls.look
    visitor.page.click("#styles button[data-name=starry_night]")
    visitor.until("document.querySelector('#styles button[aria-pressed=true]').dataset.name === 'starry_night'")
    assert served.controls.look is served_look, "the server's own image is not touched"
    camera = served.frames[0].astype(float).mean()
    assert abs(visitor.seen().mean() - camera) > 1
    assert visitor.page.locator("#camera option").count() >= 1
    visitor.close()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("throw new DOMException('', 'NotAllowedError')", "The camera was refused"),
        ("throw new DOMException('', 'NotFoundError')", "No camera was found"),
        ("throw new DOMException('', 'NotReadableError')", "used by another program"),
    ],
)
def test_a_camera_that_cannot_be_had_is_told_in_words(
    browser: Browser, served: Served, failure: str, words: str
) -> None:
    visitor = Visitor(browser, served)
    visitor.page.evaluate(f"void (navigator.mediaDevices.getUserMedia = async () => {{ {failure} }})")
    visitor.page.select_option("#source", "send")
    visitor.until(f"document.getElementById('notice').textContent.includes('{words}')")
    visitor.close()


def test_a_page_that_gets_no_camera_without_https_says_so(browser: Browser, served: Served) -> None:
    visitor = Visitor(browser, served)
    visitor.page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    visitor.page.select_option("#source", "send")
    visitor.until("document.getElementById('notice').textContent.includes('--tls-cert')")
    visitor.close()
