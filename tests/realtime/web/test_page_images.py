"""Tests of the page's image tab in Chromium: what a visitor gets for a file, and what goes to the server meanwhile."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import CHROMIUM, Tab, chromium, sample_frames
from PIL import Image as Pillow
from playwright.sync_api import Browser, Request, Response, Route
from web_page import ColourEngine, WebPage

from realtime.frame import Image
from realtime.style import Style

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(120, method="thread"),  # a browser that hangs cannot be interrupted, only left
]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
NOTICE = "document.getElementById('image-notice').textContent"
DONE = f"!document.getElementById('result').hidden && !{NOTICE}"
ALL_PREVIEWS = "[...document.querySelectorAll('#previews img')].every((image) => image.naturalWidth === 320)"


class SlowEngine(ColourEngine):
    """Takes 0.15 s for an image, and shows the strength as brightness."""

    def stylize(self, images: Image, style: Style, strength: float = 1.0) -> Image:
        time.sleep(0.15)
        return np.asarray(super().stylize(images, style, strength) * strength, np.uint8)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def served() -> Iterator[WebPage]:
    page = WebPage(SlowEngine(), identity=99.0)
    yield page
    page.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "holiday.jpg"
    Pillow.fromarray(cv2.resize(sample_frames(1)[0], (800, 600))).save(path, quality=95)
    return path


class ImageTab(Tab):
    """The image tab, and what it asked the server for: method, path and status of each request for images."""

    def __init__(self, browser: Browser, served: WebPage, query: str = "", file: Path | None = None) -> None:
        super().__init__(browser, served.url + query, **PHONE)
        self.asked: list[tuple[str, str, int]] = []
        self.at_once = self.most_at_once = 0
        self.page.on("request", self._began)
        self.page.on("requestfailed", self._ended)
        self.page.on("requestfinished", self._ended)
        self.page.on("response", self._answered)
        if file is not None:  # before the tab was ever open, as tools for forms do it
            self.page.set_input_files("#file", file)
        self.page.click("#tab-image")

    def _began(self, request: Request) -> None:
        if "/api/images" in request.url:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)

    def _ended(self, request: Request) -> None:
        if "/api/images" in request.url:
            self.at_once -= 1

    def _answered(self, response: Response) -> None:
        if "/api/images" in response.url:
            self.asked.append((response.request.method, response.url.partition("/api/images")[2], response.status))

    @property
    def uploads(self) -> int:
        """How often the image itself was sent."""
        return sum(path == "" for _, path, _ in self.asked)

    @property
    def stylized(self) -> int:
        """How often a stylized image was asked for."""
        return sum(path.endswith("/stylized") for _, path, _ in self.asked)

    def result(self) -> Image:
        """The file that is offered for download: uint8 (H, W, 3)."""
        with self.page.expect_download() as downloading:
            self.page.click("#download")
        return np.asarray(Pillow.open(io.BytesIO(Path(downloading.value.path()).read_bytes())))


def test_an_image_is_sent_once_and_stylized_in_every_style_and_in_full_size(
    browser: Browser, served: WebPage, photo: Path
) -> None:
    tab = ImageTab(browser, served)
    tab.page.set_input_files("#file", photo)
    tab.until(DONE)
    assert tab.page.inner_text("#download") == "Download the PNG, 800 \u00d7 600 px"
    assert tab.page.get_attribute("#download", "download") == "holiday-red.png"
    result = tab.result()
    assert result.shape == (600, 800, 3)
    assert tuple(result[0, 0]) == ColourEngine.COLOURS[0]
    tab.until(ALL_PREVIEWS)
    assert tab.page.locator("#previews button").all_inner_texts() == ["red", "green", "blue"]
    image, strength = (tab.page.locator(each).bounding_box() for each in ("#after", "#strength"))
    assert image
    assert strength
    assert strength["y"] - image["y"] < PHONE["viewport"]["height"], "both are seen at once"
    tab.page.click("#previews button[data-name=blue]")
    tab.until("document.getElementById('download').download === 'holiday-blue.png'")
    assert tuple(tab.result()[0, 0]) == ColourEngine.COLOURS[2]
    assert (tab.uploads, tab.stylized) == (1, 5)
    assert tab.most_at_once == 1
    handle = tab.asked[-1][1].split("/")[1]
    tab.page.set_input_files("#file", photo)
    tab.until(f"{DONE} && {ALL_PREVIEWS}")
    assert ("DELETE", f"/{handle}", 204) in tab.asked, "the server forgets what the page has left"
    handle = tab.asked[-1][1].split("/")[1]
    tab.page.goto("about:blank")
    until_s = time.monotonic() + 5.0
    while served.post(f"/api/images/{handle}/stylized", {}).status != 404:
        assert time.monotonic() < until_s
    tab.close()


def test_while_a_slider_is_dragged_one_request_is_under_way_and_the_last_value_wins(
    browser: Browser, served: WebPage, photo: Path
) -> None:
    tab = ImageTab(browser, served)
    tab.page.set_input_files("#file", photo)
    tab.until(f"{DONE} && {ALL_PREVIEWS}")
    tab.asked.clear()
    tab.page.locator("#strength").scroll_into_view_if_needed()
    slider = tab.page.locator("#strength").bounding_box()
    assert slider
    middle = slider["y"] + slider["height"] / 2
    tab.page.mouse.move(slider["x"] + slider["width"] - 10, middle)
    tab.page.mouse.down()
    for step in range(40):
        tab.page.mouse.move(slider["x"] + slider["width"] * (0.95 - step * 0.018), middle)
        tab.page.wait_for_timeout(25)
    tab.page.mouse.up()
    value = int(tab.page.input_value("#strength"))
    assert 10 < value < 60
    tab.until(DONE)
    assert abs(int(tab.result()[0, 0, 0]) - value * 2.2) <= 2, "the last value"
    assert tab.most_at_once == 1
    assert tab.uploads == 0, "the image was not sent again"
    assert 2 <= tab.stylized <= 12
    assert {status for _, _, status in tab.asked} == {200}
    tab.page.set_input_files("#file", photo)
    tab.until(f"{DONE} && {ALL_PREVIEWS}")
    tab.close()


def test_a_busy_server_is_asked_again_less_and_less_often(browser: Browser, served: WebPage, photo: Path) -> None:
    tab = ImageTab(browser, served)
    tried_s: list[float] = []

    def busy(route: Route) -> None:
        tried_s.append(time.monotonic())
        if len(tried_s) < 3:
            route.fulfill(status=503, headers={"Retry-After": "0"}, json={"error": "busy"})
        elif len(tried_s) == 3:
            route.fulfill(status=404, json={"error": "no such image"})
        else:
            route.continue_()

    tab.page.route("**/stylized", busy)
    tab.page.set_input_files("#file", photo)
    tab.until(f"{NOTICE}.includes('busy. Trying again')")
    tab.until(f"{DONE} && {ALL_PREVIEWS}")
    waits_s = np.diff(tried_s[:3])
    assert 0.4 < waits_s[0] < waits_s[1]
    assert tab.uploads == 2, "what the server forgot was sent again"
    assert all("503" in words or "404" in words for words in tab.complaints)
    tab.complaints.clear()
    tab.close()


def test_a_file_that_is_no_image_is_told_in_words(browser: Browser, served: WebPage, tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("no image")
    tab = ImageTab(browser, served)
    tab.page.set_input_files("#file", path)
    tab.until(f"/cannot be stylized: it is damaged or of a kind/.test({NOTICE})")
    assert tab.page.is_visible("#drop .hint"), "it says what is taken"
    assert tab.complaints
    assert all("400" in complaint for complaint in tab.complaints)
    tab.complaints.clear()
    tab.close()


def test_an_image_that_browsers_do_not_show_is_stylized_too(browser: Browser, served: WebPage, tmp_path: Path) -> None:
    path = tmp_path / "scan.tiff"
    Pillow.fromarray(sample_frames(1)[0]).save(path)
    tab = ImageTab(browser, served, file=path)
    tab.until(DONE)
    assert not tab.page.is_visible("#image-split"), "there is nothing to compare with"
    assert tab.page.locator("#result .compare").bounding_box()
    tab.until(ALL_PREVIEWS)
    tab.close()


def test_the_address_opens_the_image_tab_in_a_style(browser: Browser, served: WebPage, photo: Path) -> None:
    tab = ImageTab(browser, served, "?tab=image&style=green:0.5+red:0.5&strength=0.5&keep_colors=0")
    assert tab.page.is_visible("#drop")
    assert tab.page.evaluate("[blend.value, document.getElementById('blend-share').value]") == ["red", "50"]
    tab.page.set_input_files("#file", photo)
    tab.until(DONE)
    assert served.controls.look.style.name == "red", "the show is not touched"
    tab.close()
