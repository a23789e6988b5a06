"""Tests of a visitor's own styles on the page, in Chromium: dropped, chosen, photographed, removed, sent again."""

import base64
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, Restarting, Tab, chromium
from fakes import noise, solid
from PIL import Image as Pillow
from playwright.sync_api import Browser
from web_page import ColourEngine, WebPage, predicting

from realtime.controls import AddStyle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(120, method="thread"),  # a browser that hangs cannot be interrupted, only left
]

RED, GREEN, BLUE = ColourEngine.COLOURS
NOTICE = "document.getElementById('own-notice').textContent"
CHOSEN = "document.querySelector('#styles [aria-pressed=true]')?.dataset.name"
OWN = "[...document.querySelectorAll('#styles .remove')].map((each) => each.ariaLabel)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def _predicting() -> Iterator[None]:
    with predicting():
        yield


@pytest.fixture
def served() -> Iterator[WebPage]:
    page = WebPage(identity=99.0)
    yield page
    page.close()


def _painting(colour: tuple[int, int, int], size_wh: tuple[int, int] = (300, 200)) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(solid(colour, size_wh)).save(file, "PNG")
    return file.getvalue()


GREEN_PAINTING, BLUE_PAINTING = _painting((0, 200, 0)), _painting((0, 0, 200))


def _choose(tab: Tab, content: bytes, name: str) -> None:
    tab.page.set_input_files("#style-file", {"name": name, "mimeType": "image/png", "buffer": content})


def _drop(tab: Tab, content: bytes, name: str, where: str) -> None:
    """Drags a file over the page and lets it go, as far as scripts can."""
    dragged = tab.page.evaluate_handle(
        """([content, name]) => { const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
        const dragged = new DataTransfer(); dragged.items.add(new File([bytes], name, { type: "image/png" }));
        return dragged; }""",
        [base64.b64encode(content).decode(), name],
    )
    for event in ("dragenter", "dragover", "drop"):
        if event == "drop":
            assert tab.page.is_visible("#drop-hint") == (where != "#drop")
        tab.page.dispatch_event(where, event, {"dataTransfer": dragged})
    assert not tab.page.is_visible("#drop-hint")


def test_a_painting_that_is_dropped_paints_the_visitors_camera_at_once_and_nobody_elses(
    browser: Browser, served: WebPage
) -> None:
    other, tab = Tab(browser, served.url), Tab(browser, served.url)
    tab.page.select_option("#source", "send")
    tab.until_colour(RED)
    tab.page.select_option("#blend", "blue")
    started_s = time.monotonic()
    _drop(tab, GREEN_PAINTING, "Spring Meadow.png", "#stage")
    tab.until(f"{CHOSEN} === 'Spring_Meadow'")  # the stand-in engine's blend of red and blue is green, too
    tab.until_colour(GREEN)
    assert time.monotonic() - started_s < 2, "a second or so"
    assert tab.page.evaluate(CHOSEN) == "Spring_Meadow"
    assert tab.page.input_value("#blend") == "", "it is seen as it is"
    assert tab.page.evaluate("document.querySelector('#styles img').naturalWidth") == 160, "its thumbnail"
    assert tab.page.inner_text("#own-notice") == "Spring Meadow is a style now, for you alone."
    tab.page.wait_for_timeout(500)  # the address is kept a moment later
    assert "Meadow" not in tab.page.url, "an address is for others, too"
    tab.page.select_option("#blend", "blue")
    tab.slide("blend-share", 95)
    tab.until_colour(BLUE)
    assert other.page.evaluate(OWN) == []
    served.controls.apply(AddStyle(replace(served.controls.look.style, name="moss", file=Path("moss.jpg"))))
    moss = "document.querySelector('#styles [data-name=moss] img')"
    for each in (tab, other):  # what comes to the show comes to open pages
        each.until(f"{moss}?.naturalWidth > 0")
        assert each.page.locator("#styles button", has_text="moss").count() == 1
    tab.page.click("#styles li:has([data-name=moss]) .keep")  # which fails: there is no network to keep it for
    tab.until(f"/^moss cannot be kept: .*none of an image file/.test({NOTICE})")
    assert served.controls.look.style.name == "red", "the show is not touched"
    tab.page.click("#styles .keep")  # which fails: there is no network to keep it for
    tab.until(f"/^Spring Meadow cannot be kept: .*none of an image file/.test({NOTICE})")
    tab.complaints.clear()
    tab.page.click("#styles .remove")
    tab.until(f"{CHOSEN} === 'red' && !{OWN}.length")
    assert tab.page.locator("#blend option", has_text="Meadow").count() == 0
    tab.page.select_option("#source", "view")
    tab.page.click("#styles [data-name=green]")
    tab.until_colour(GREEN)
    _choose(other, BLUE_PAINTING, "sea.png")
    other.until(f"{NOTICE} === 'sea is shown to everybody now; only you can choose it.'")
    tab.until("document.getElementById('figures').textContent.startsWith('sea · ')")
    tab.page.click("#tab-image")
    tab.page.set_input_files("#file", {"name": "photo.png", "mimeType": "image/png", "buffer": GREEN_PAINTING})
    tab.until("document.getElementById('download').download === 'photo-green.png'")  # no style of somebody else's own
    for each in (tab, other):
        each.close()


def test_images_are_stylized_in_it_and_it_comes_back_after_a_restart(browser: Browser) -> None:
    server = Restarting()
    tab = Tab(browser, server.url)
    tab.page.click("#tab-image")
    photo = io.BytesIO()
    Pillow.fromarray(noise((40, 30))).save(photo, "PNG")
    _drop(tab, photo.getvalue(), "photo.png", "#drop")
    tab.until("!document.getElementById('result').hidden")
    _choose(tab, GREEN_PAINTING, "meadow.png")
    _choose(tab, BLUE_PAINTING, "sea.png")
    tab.until("document.getElementById('download').download === 'photo-sea.png'")
    tab.until(f"{NOTICE}.startsWith('sea is')")
    assert tab.page.locator("#previews button").all_inner_texts() == ["sea", "meadow", "red", "green", "blue"]
    server.stop()
    server.start()
    tab.page.click("#styles [data-name=meadow]")
    tab.until("document.getElementById('download').download === 'photo-meadow.png'")
    tab.page.click("#tab-live")
    tab.page.select_option("#source", "send")
    tab.until_colour(GREEN)
    tab.complaints.clear()
    tab.page.goto("about:blank")
    sink = server.page.sink._server
    assert sink is not None
    until_s = time.monotonic() + 5
    while sink._styles._visitors:
        assert time.monotonic() < until_s, "the server forgets what the page has left"
        time.sleep(0.02)
    tab.close()
    server.stop()


def test_what_cannot_be_a_style_is_told_in_a_sentence(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, served.url)
    _choose(tab, b"no image", "notes.png")
    tab.until(f"/^notes.png cannot be a style: it is damaged or of a kind/.test({NOTICE})")
    tab.complaints.clear()
    _choose(tab, _painting((0, 0, 200), (6000, 4000)), "huge.png")
    tab.until(f"/^huge.png cannot be .*at most 16 megapixels/.test({NOTICE})")
    assert all("400" in complaint for complaint in tab.complaints)
    tab.complaints.clear()
    detailed = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)).save(detailed, "JPEG")
    assert len(detailed.getvalue()) > 1e6
    with tab.page.expect_request("**/api/styles?*") as sending:
        _choose(tab, detailed.getvalue(), "detailed.jpg")
    assert int(sending.value.all_headers()["content-length"]) < 0.8 * len(detailed.getvalue()), (
        "no more than is looked at"
    )
    tab.until(f"{NOTICE}.startsWith('detailed is')")
    for number in range(9):
        _choose(tab, BLUE_PAINTING, f"s{number}.png")
    tab.until(f"{NOTICE}.startsWith('s8 is')")
    assert tab.page.evaluate(OWN) == [f"Remove s{number}" for number in range(8, 0, -1)]
    tab.close()


def test_a_visitor_who_only_watches_keeps_it_for_their_own_camera(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, served.url, extra_http_headers={"X-Forwarded-For": "192.0.2.7"})
    tab.until_colour(RED)
    _drop(tab, GREEN_PAINTING, "meadow.png", "body")
    tab.until(f"{NOTICE}.startsWith('meadow is yours:')")
    assert not tab.page.locator("#styles .keep").count(), "that is for operators"
    tab.page.wait_for_timeout(300)
    assert served.controls.look.style.name == "red"
    tab.page.select_option("#source", "send")
    tab.until_colour(GREEN)
    tab.close()


PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.mark.parametrize("context", [PHONE, {"viewport": {"width": 844, "height": 390}}], ids=["phone", "low"])
def test_a_painting_is_photographed_by_keyboard_and_shown_first(
    browser: Browser, served: WebPage, context: dict[str, Any]
) -> None:
    tab = Tab(browser, served.url, **context)
    tab.page.focus("#photograph-open")
    tab.page.keyboard.press("Enter")
    tab.until("document.activeElement.id === 'photograph-take'")
    box = tab.page.locator("dialog .shot").bounding_box()
    assert box
    assert abs(box["width"] - box["height"]) < 2, "what is seen is what is taken"
    assert not Axe().run(tab.page).response["violations"]
    tab.page.keyboard.press("Enter")
    tab.until("document.activeElement.id === 'photograph-use'")
    assert tab.page.evaluate("document.getElementById('photograph-image').width") == 960
    assert not Axe().run(tab.page).response["violations"]
    cancel = tab.page.locator("#photograph-cancel").bounding_box()
    assert cancel
    assert cancel["y"] + cancel["height"] <= context["viewport"]["height"]
    tab.page.keyboard.press("s")  # no key of the page behind
    tab.page.keyboard.press("Enter")
    tab.until(f"{CHOSEN} === 'my_painting'")
    assert not tab.page.is_visible("dialog")
    assert not Axe().run(tab.page).response["violations"]
    assert tab.page.evaluate("document.activeElement.id") == "photograph-open"
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= context["viewport"]["width"]
    assert tab.page.evaluate("document.getElementById('photograph-video').srcObject") is None
    tab.close()
