"""Tests of what outlasts a lost connection, a reload, a full server or another viewer; in Chromium, with fakes."""

import time
from collections.abc import Iterator

import pytest
from browser import CHROMIUM, PLAYS, Restarting, Tab, chromium
from playwright.sync_api import Browser
from web_page import ColourEngine, WebPage

from realtime.controls import SelectStyle
from realtime.web.webrtc import Connection

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(120, method="thread"),  # a browser that hangs cannot be interrupted, only left
]

RED, GREEN, BLUE = ColourEngine.COLOURS
BACK_S = 2.0
CHOSEN = "document.querySelector('#styles button[aria-pressed=true]')?.dataset.name === '%s'"
NOTICE = "document.getElementById('notice').textContent"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def served() -> Iterator[WebPage]:
    page = WebPage(identity=99.0)
    yield page
    page.close()


def test_all_views_come_back_by_themselves_with_their_settings(browser: Browser) -> None:
    server = Restarting()
    show = Tab(browser, f"{server.url}?strength=0.5")
    show.until(PLAYS)
    show.page.click("#styles button[data-name=green]")
    camera = Tab(browser, server.url)
    camera.page.select_option("#source", "send")
    camera.until(PLAYS)
    camera.page.click("#styles button[data-name=blue]")
    camera.slide("split", 30)
    output = Tab(browser, f"{server.url}output")
    tabs = (show, camera, output)
    for tab, colour in zip(tabs, (GREEN, BLUE, GREEN), strict=True):
        tab.until_colour(colour)
    server.stop()
    for tab in (show, camera):
        tab.until(f"/Waiting for (the server|it)/.test({NOTICE})")
    assert not output.page.evaluate(NOTICE), "no words over what is on the air: the last image stays"
    time.sleep(1.0)
    server.start()
    started_s = time.monotonic()
    for tab, colour in zip(tabs, (GREEN, BLUE, GREEN), strict=True):
        tab.until(f"video.srcObject?.active && !{NOTICE}")
        tab.until_colour(colour)
    took_s = time.monotonic() - started_s
    assert server.page.controls.look.style.name == "green"
    assert server.page.controls.look.strength == 0.5
    assert camera.page.input_value("#split") == "30"
    server.stop()
    server.start(look_is_given=True)
    for tab, colour in zip(tabs, (RED, BLUE, RED), strict=True):  # what the command line says is not undone
        tab.until_colour(colour)
    show.until("location.search.includes('style=red&strength=1')")
    assert server.page.controls.look.style.name == "red"
    assert server.page.controls.look.strength == 1.0
    for tab in tabs:
        assert all("ERR_CONNECTION_REFUSED" in words for words in tab.complaints)
        tab.complaints.clear()
        tab.close()
    server.stop()
    assert took_s < BACK_S, "all three"


def test_a_visitor_who_was_one_too_many_is_let_in_when_a_place_is_free(
    browser: Browser, served: WebPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.web.connections.MAX_CONNECTIONS", 0)  # one more is the operator's
    first = Tab(browser, served.url)
    first.until(PLAYS)
    second = Tab(browser, served.url)
    second.until(f"{NOTICE}.includes('All places are taken')")
    first.close()
    second.until(PLAYS)
    assert not second.page.evaluate(NOTICE)
    assert all("503" in words for words in second.complaints)
    second.complaints.clear()
    second.close()


def test_a_silent_server_is_noticed(browser: Browser, served: WebPage, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restart that the browser has not noticed yet; and what others chose meanwhile stays."""
    tab = Tab(browser, f"{served.url}?style=green")
    tab.until_colour(GREEN)
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "_tell", lambda *_: None)
        served.controls.apply(SelectStyle(3))
        tab.until(f"{NOTICE}.includes('The connection was lost')")
    tab.until(f"!{NOTICE} && {CHOSEN % 'blue'}")
    tab.until_colour(BLUE)
    assert served.controls.look.style.name == "blue"
    tab.close()


def test_a_visitor_sees_why_the_show_is_not_theirs_and_commands_their_own_camera(
    browser: Browser, served: WebPage
) -> None:
    of_another_machine = {"X-Forwarded-For": "192.0.2.7"}  # as a proxy on this machine says it
    visitor = Tab(browser, f"{served.url}?style=blue", extra_http_headers=of_another_machine)
    visitor.until(PLAYS)
    visitor.until_colour(RED)
    assert visitor.page.is_visible("text=The operator chooses the style of this show.")
    assert not any(visitor.page.is_visible(each) for each in ("#styles", "#strength", "#keep-colors", "#freeze"))
    assert visitor.page.is_visible("#split"), "which is theirs alone"
    visitor.page.keyboard.press("n")
    visitor.page.keyboard.press(" ")
    visitor.page.select_option("#source", "send")
    visitor.until_colour(BLUE)
    assert visitor.page.is_visible("#styles")
    visitor.page.click("#styles button[data-name=green]")
    visitor.until_colour(GREEN)
    assert not visitor.page.is_visible("#rights")
    output = Tab(browser, f"{served.url}output?style=blue", extra_http_headers=of_another_machine)
    output.until("document.getElementById('fault').textContent.includes('only the operator')")
    assert served.controls.look.style.name == "red"
    assert not served.controls.panel.frozen
    output.close()
    visitor.close()


def test_a_share_of_a_hundred_percent_and_back_keeps_both_styles(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, served.url)
    tab.until(PLAYS)
    tab.page.select_option("#blend", "green")
    buttons = tab.page.locator(".bar .buttons").bounding_box()
    for share, style in ((100, "green"), (40, "red:0.6+green:0.4"), (0, "red"), (70, "red:0.3+green:0.7")):
        tab.slide("blend-share", share)
        words = "red + green" if "+" in style else style
        tab.until(f"document.getElementById('figures').textContent.startsWith('{words} · ')")
        assert tab.page.locator(".bar .buttons").bounding_box() == buttons, "nothing jumps"
        tab.page.wait_for_timeout(600)  # settings come from the server twice a second
        assert tab.page.evaluate("[blend.value, document.getElementById('blend-share').value]") == ["green", str(share)]
        assert served.controls.look.style.name == style
    assert tab.page.evaluate(CHOSEN % "red")
    second = Tab(browser, served.url)
    second.until("blend.value === 'green' && document.getElementById('blend-share').value === '70'")
    assert second.page.evaluate(CHOSEN % "red")
    second.close()
    tab.close()


def test_the_camera_keeps_its_settings_when_its_size_changes(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, served.url)
    tab.page.select_option("#source", "send")
    tab.until(PLAYS)
    tab.page.click("#styles button[data-name=blue]")
    tab.slide("strength", 70)
    for size_wh in ((1280, 720), (320, 240), (640, 480)):
        tab.slide("split", 60)
        tab.page.select_option("#size", f"{size_wh[0]}x{size_wh[1]}")
        tab.until(f"video.videoWidth === {size_wh[0]} && video.videoHeight === {size_wh[1]}")
        tab.until("document.getElementById('figures').textContent.startsWith('blue')")
        assert tab.page.evaluate(CHOSEN % "blue")
        assert tab.page.input_value("#strength") == "70"
        tab.until_colour(BLUE, has_it=False)  # the original, left of the slider
        tab.slide("split", 0)
        tab.until_colour(BLUE)
    tab.close()


def test_space_freezes_the_own_camera_also_after_a_choice_by_mouse(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, served.url)
    tab.until(PLAYS)
    tab.page.mouse.move(5, 5)
    tab.page.mouse.down()
    tab.page.mouse.up()
    tab.page.focus("#source")
    tab.page.select_option("#source", "send")
    tab.slide("split", 100)
    tab.until(PLAYS)
    tab.until("document.getElementById('figures').textContent.startsWith('red')")
    tab.page.keyboard.press(" ")
    tab.until("document.getElementById('freeze').getAttribute('aria-pressed') === 'true'")
    tab.page.wait_for_timeout(700)
    pixels = """() => { const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
        context.drawImage(video, 0, 0, 64, 48); return [...context.getImageData(0, 0, 64, 48).data]; }"""

    def moved() -> float:
        before = tab.page.evaluate(pixels)
        tab.page.wait_for_timeout(600)
        after = tab.page.evaluate(pixels)
        return float(sum(abs(one - other) for one, other in zip(before, after, strict=True)) / len(after))

    frozen = moved()
    tab.page.keyboard.press(" ")
    tab.until("document.getElementById('freeze').getAttribute('aria-pressed') === 'false'")
    tab.page.wait_for_timeout(300)
    assert frozen < 0.5 < moved()
    tab.close()


def test_settings_live_in_the_address_and_are_kept(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, f"{served.url}?style=red:0.75+green:0.25&strength=0.5&mirror=1")
    tab.until(PLAYS)
    tab.until("document.getElementById('figures').textContent.startsWith('red + green · ')")
    look = served.controls.look
    assert (look.style.name, look.strength, look.mirror) == ("red:0.75+green:0.25", 0.5, True)
    tab.page.click("#styles button[data-name=blue]")
    tab.page.select_option("#blend", "")
    tab.until("location.search === '?style=blue&strength=0.5&mirror=true'")
    tab.page.click("#tab-image")
    tab.until("location.search === '?tab=image&style=blue&strength=0.5&mirror=true'")
    tab.page.goto(served.url)
    tab.until(PLAYS)
    tab.until(CHOSEN % "blue")
    tab.page.select_option("#source", "send")
    tab.until("document.getElementById('figures').textContent.startsWith('blue') && " + PLAYS)
    assert tab.page.input_value("#strength") == "50"
    tab.page.reload()
    tab.until("document.getElementById('figures').textContent.startsWith('blue') && source.value === 'send'")
    other = Tab(browser, served.url + "?style=nothing_like_it&strength=7&token=x")
    other.until("/strength=7.*no style nothing_like_it/.test(document.getElementById('said').textContent)")
    other.until("location.search === ''")
    other.close()
    tab.close()


@pytest.mark.parametrize(
    ("query", "fit", "colour"),
    [("", "contain", RED), ("?style=blue&fit=cover", "cover", BLUE), ("?background=transparent", "contain", RED)],
)
def test_the_output_view_is_the_video_alone(
    browser: Browser, served: WebPage, query: str, fit: str, colour: tuple[int, int, int]
) -> None:
    tab = Tab(browser, f"{served.url}output{query}", viewport={"width": 600, "height": 200})
    tab.until(PLAYS)
    tab.until_colour(colour)
    box = tab.page.locator("#video").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 600, "height": 200}
    assert tab.page.evaluate("getComputedStyle(video).objectFit") == fit
    assert tab.page.locator("button, input, select, a").count() == 0
    assert not tab.page.locator("p").all_inner_texts()[0]
    behind = tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert behind == ("rgba(0, 0, 0, 0)" if "transparent" in query else "rgb(0, 0, 0)")
    assert tab.page.evaluate("document.documentElement.scrollHeight") <= 200
    tab.close()


def test_an_output_view_says_what_its_address_got_wrong(browser: Browser, served: WebPage) -> None:
    tab = Tab(browser, f"{served.url}output?fit=stretch")
    tab.until("document.getElementById('fault').textContent.includes('allowed: contain, cover, fill')")
    tab.page.goto(f"{served.url}output?style=nope")
    tab.until("document.getElementById('fault').textContent === `style 'nope': there is no such style`")
    tab.close()
