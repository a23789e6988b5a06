"""Tests that everybody can use the page: with a screen reader, by keyboard, on small screens; in Chromium."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, PLAYS, Tab, chromium, with_many_styles
from fakes import solid
from PIL import Image as Pillow
from playwright.sync_api import Browser
from web_page import WebPage, predicting

from realtime.controls import SelectStyle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(120, method="thread"),  # a browser that hangs cannot be interrupted, only left
]

LAPTOP = {"width": 1280, "height": 768}
SETTINGS = {
    "Find a style by name": "searchbox",
    "Add a painting": "button",
    "Photograph one": "button",
    "Remove photo": "button",
    "Strength": "slider",
    "Blend with": "combobox",
    "Share of the second style": "slider",
    "Original colours": "checkbox",
}
LIVE = SETTINGS | {
    "Live": "tab",
    "Snapshot": "button",
    "Record": "button",
    "Freeze": "button",
    "Full screen": "button",
    "Show": "combobox",
    "Camera": "combobox",
    "Size": "combobox",
    "red": "button",
    "Smoothing": "slider",
    "Mirror": "checkbox",
    "Before and after": "slider",
    "Keys": "DisclosureTriangle",
}
IMAGE = SETTINGS | {
    "Image": "tab",
    "Choose an image": "button",
    "Before and after": "slider",
    "Download the PNG, 600 \u00d7 1600 px": "link",
    "green": "button",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def served() -> Iterator[WebPage]:
    with predicting():
        page = WebPage(identity=99.0)
        yield page
        page.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Pillow.fromarray(solid((128, 128, 128), (600, 1600))).save(path)
    return path


def _open(browser: Browser, served: WebPage, view: str, photo: Path, scheme: str = "light") -> Tab:
    """A tab that shows one of the page's views, with all of its controls."""
    headers = {"X-Forwarded-For": "192.0.2.7"} if view == "visitor" else {}
    path = "output" if view == "output" else ""
    tab = Tab(browser, served.url + path, viewport=LAPTOP, color_scheme=scheme, extra_http_headers=headers)
    if view == "image":
        tab.page.click("#tab-image")
        tab.page.set_input_files("#file", photo)
        tab.page.wait_for_selector("#result:not([hidden])")
        tab.until("[...document.querySelectorAll('#previews img')].every((image) => image.naturalWidth)")
        result = tab.page.locator("#result").bounding_box()
        assert result
        assert result["y"] + result["height"] <= LAPTOP["height"], "seen whole, with what belongs to it"
    elif view == "camera":
        tab.page.select_option("#source", "send")
    if view in ("camera", "image"):
        tab.page.set_input_files("#style-file", photo)
        tab.page.wait_for_selector("#styles .remove")
        tab.page.select_option("#blend", "blue")
    if view != "image":
        tab.until(PLAYS)
    return tab


@pytest.mark.parametrize("view", ["live", "camera", "visitor", "image", "output"])
def test_axe_finds_nothing(browser: Browser, served: WebPage, photo: Path, view: str) -> None:
    schemes: tuple[Literal["dark", "light"], ...] = ("dark", "light") if view in ("live", "image") else ("light",)
    tab = _open(browser, served, view, photo, schemes[0])
    for scheme in schemes:
        tab.page.emulate_media(color_scheme=scheme)
        found = Axe().run(tab.page)
        assert not found.response["violations"], found.generate_report()
        assert len(found.response["passes"]) > 10
    tab.close()


def _nodes(tab: Tab) -> list[tuple[str, str]]:
    """Role and name of all that can have the focus in Chromium's accessibility tree."""
    nodes = tab.context.new_cdp_session(tab.page).send("Accessibility.getFullAXTree")["nodes"]
    found = []
    for node in nodes:
        properties = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
        is_control = properties.get("focusable") or node["role"]["value"] in ("slider", "combobox")
        if is_control and not node["ignored"] and node["role"]["value"] not in ("RootWebArea", "option"):
            found.append((node["role"]["value"], node.get("name", {}).get("value", "").strip()))
    return found


@pytest.mark.parametrize(("view", "expected"), [("camera", LIVE), ("image", IMAGE)])
def test_each_control_has_its_name_in_the_accessibility_tree(
    browser: Browser, served: WebPage, photo: Path, view: str, expected: dict[str, str]
) -> None:
    tab = _open(browser, served, view, photo)
    nodes = _nodes(tab)
    assert not [role for role, name in nodes if not name]
    assert {(role, name) for name, role in expected.items()} <= set(nodes)
    tab.close()


@pytest.mark.parametrize("view", ["camera", "image", "visitor"])
def test_the_keyboard_alone_reaches_everything(browser: Browser, served: WebPage, photo: Path, view: str) -> None:
    tab = _open(browser, served, view, photo)
    here = "document.activeElement"
    name = f"{here}.id || {here}.dataset.name || {here}.tagName"
    reached: list[str] = []
    tab.page.evaluate(f"{here}.blur()")
    for _ in range(40):
        tab.page.keyboard.press("Tab")
        reached.append(tab.page.evaluate(name))
        if reached[-1] == "BODY":  # the end of the page; it goes on from the start
            continue
        outlined = tab.page.evaluate(
            f"getComputedStyle({here}.type === 'file' ? {here}.labels[0] : {here}).outlineStyle"
        )
        assert outlined == "solid", f"the focus is not seen on {reached[-1]}"
    wanted = tab.page.evaluate(
        """[...document.querySelectorAll("button, input, select, a[href], summary")].filter((each) =>
        each.checkVisibility() && !each.disabled && each.tabIndex >= 0)
        .map((each) => each.id || each.dataset.name || each.tagName)"""
    )
    assert len(wanted) > 5
    assert set(wanted) <= set(reached)
    tab.page.focus("#tab-live" if view != "image" else "#tab-image")
    tab.page.keyboard.press("ArrowRight")
    assert tab.page.evaluate(name) == ("tab-image" if view != "image" else "tab-live")
    tab.close()


def test_changes_are_announced(browser: Browser, served: WebPage, photo: Path) -> None:
    tab = _open(browser, served, "live", photo)
    assert tab.page.locator("[role=status]:not([hidden])").count() >= 3
    assert not tab.page.locator("output, [aria-live=assertive]").count(), "figures that change all the time are not"
    tab.page.keyboard.press("n")
    tab.until("document.getElementById('spoken').textContent === 'Style green'")
    with tab.page.expect_download():
        tab.page.keyboard.press("s")
    tab.until("document.getElementById('said').textContent === 'snapshot saved'")
    served.controls.apply(SelectStyle(1))
    tab.until("document.getElementById('spoken').textContent === 'Style red'")
    tab.close()


@pytest.mark.parametrize(("width", "height"), [(320, 568), (568, 320), (844, 390)])
def test_a_phone_shows_it_all_without_a_jump(browser: Browser, served: WebPage, width: int, height: int) -> None:
    size = {"width": width, "height": height}
    context = {"viewport": size, "is_mobile": True, "has_touch": True}
    tab = Tab(browser, served.url, with_many_styles, **context)
    tab.until(PLAYS)
    tab.page.wait_for_timeout(700)  # figures come
    shifted = tab.page.evaluate(
        """() => new Promise((resolve) => { let sum = 0; setTimeout(() => resolve(sum), 200);
        new PerformanceObserver((list) => { for (const each of list.getEntries()) sum += each.value; })
        .observe({ type: "layout-shift", buffered: true }); })"""
    )
    assert shifted < 0.02
    stage = tab.page.locator("#stage").bounding_box()
    style = tab.page.locator("#styles button").first.bounding_box()
    freeze = tab.page.locator("#freeze").bounding_box()
    assert stage
    assert style
    assert freeze
    assert freeze["y"] + freeze["height"] <= height
    if width > height:
        assert style["y"] + style["height"] <= height, "the styles are beside the video"
    tab.page.evaluate(
        "for (const each of document.querySelectorAll('.choices option')) each.textContent += '_'.repeat(60)"
    )
    for source in ("view", "send"):
        tab.page.select_option("#source", source)
        tab.until(PLAYS)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    tab.page.click("#tab-image")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()


def test_full_screen_fills_the_screen(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, served.url, viewport=LAPTOP)
    tab.until(PLAYS)
    tab.page.keyboard.press("f")
    tab.until("document.fullscreenElement?.id === 'stage'")
    tab.until("Math.abs(video.getBoundingClientRect().height - innerHeight) < 2")
    tab.page.keyboard.press("f")
    tab.until("!document.fullscreenElement")
    tab.close()


def test_phones_without_full_screen_fill_the_page(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, served.url, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    tab.page.evaluate("Element.prototype.requestFullscreen = undefined")
    tab.page.tap("#full-screen")
    box = tab.page.locator("#video").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 390, "height": 844}
    tab.page.tap("#leave")
    assert not tab.page.is_visible("#leave")
    tab.page.tap("#full-screen")
    tab.page.keyboard.press("Escape")
    box = tab.page.locator("#video").bounding_box()
    assert box
    assert box["height"] < 400
    tab.close()
