"""Tests of visitors' own styles: what an image becomes, who may use it, and how many are kept."""

import asyncio
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import make_catalogue, noise, solid
from PIL import Image as Pillow
from test_uploads import file_that_says_it_is
from web_page import Answer, Camera, Client, ColourEngine, WebPage, predicting, wait_for

from realtime.controls import AddStyle, ChangeLook, SelectStyle
from realtime.errors import SourceError
from realtime.frame import Image
from realtime.style import Style
from realtime.style_catalogue import load_catalogue
from realtime.style_prediction import is_predicted
from realtime.web import visitor_styles
from realtime.web.visitor_styles import MAX_STYLE_BYTES, MAX_STYLES, UnknownVisitorError, VisitorStyles, read_style

RED, GREEN, BLUE = ColourEngine.COLOURS
FROM_ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}


def _png(pixels: Image) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


GREEN_PAINTING, BLUE_PAINTING = _png(solid((0, 200, 0))), _png(solid((0, 0, 200)))


@pytest.fixture(scope="module")
def page() -> Iterator[WebPage]:
    with predicting():
        served = WebPage(identity=99.0)
        yield served
        served.close()


def _post(page: WebPage, content: bytes = GREEN_PAINTING, name: str = "meadow", visitor: str = "") -> Answer:
    return page.ask("POST", f"/api/styles?name={name}", content, {"Visitor": visitor} if visitor else {})


def _sent(page: WebPage, content: bytes = GREEN_PAINTING, name: str = "meadow", visitor: str = "") -> tuple[str, str]:
    """Handle and name."""
    answer = _post(page, content, name, visitor)
    assert answer.status == 201, answer.body
    return answer.json["visitor"], answer.json["name"]


def _stylized(page: WebPage, style: str, **headers: str) -> Answer:
    handle = page.ask("POST", "/api/images", _png(noise((40, 30)))).json["handle"]
    return page.post(f"/api/images/{handle}/stylized", {"style": style}, **headers)


def _colour(answer: Answer) -> tuple[int, ...]:
    assert answer.status == 200, answer.body
    return tuple(np.asarray(Pillow.open(io.BytesIO(answer.body)).convert("RGB"))[5, 5].tolist())


def test_an_image_is_a_style_of_its_visitor_alone_until_it_is_removed(page: WebPage) -> None:
    answer = _post(page)
    assert answer.status == 201
    assert answer.json["thumbnail"].startswith("data:image/jpeg;base64,")
    mine, name = answer.json["visitor"], answer.json["name"]
    assert name == "meadow"
    assert _sent(page, BLUE_PAINTING, "meadow", mine) == (mine, "meadow_2"), "no two of one visitor have one name"
    theirs, _ = _sent(page, BLUE_PAINTING, "sea")
    assert theirs != mine
    assert _colour(_stylized(page, "meadow", Visitor=mine)) == GREEN
    assert _colour(_stylized(page, "meadow:0.05+blue:0.95", Visitor=mine)) == BLUE
    assert [each["name"] for each in page.ask("GET", "/api/styles", headers={"Visitor": mine}).json["own"]] == [
        "meadow",
        "meadow_2",
    ]
    for other in ({}, {"Visitor": theirs}):
        for text in ("meadow", "meadow_2:0.5+red:0.5"):
            refused = _stylized(page, text, **other)
            assert (refused.status, "no such style" in refused.json["error"]) == (400, True)
            assert "meadow" not in refused.json["error"].partition("available")[2], "the list of styles names none"
        assert page.ask("DELETE", "/api/styles/meadow", headers=other).status == 404
        assert "meadow" not in str(page.ask("GET", "/api/styles", headers=other).json)
    assert page.ask("DELETE", "/api/styles/meadow", headers={"Visitor": mine}).status == 204
    assert _stylized(page, "meadow", Visitor=mine).status == 400
    assert page.ask("DELETE", "/api/styles", headers={"Visitor": mine}).status == 204
    gone = _stylized(page, "meadow_2", Visitor=mine)
    assert (gone.status, gone.json["error"]) == (410, "your own styles are not kept any more; send their images again")
    assert _post(page, visitor=mine).status == 410


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("Starry%20Night%20(1889)", "Starry_Night_1889"),
        ("../../etc/passwd.jpg", "etc_passwd_jpg"),
        ("candy:0.5%2Bx,y", "candy_0_5_x_y"),
        ("red", "red_2"),
        ("%0A%00", "my_style"),
        ("%E6%98%9F%E7%A9%BA", "星空"),
        ("x" * 200, "x" * 40),
    ],
)
def test_a_name_can_be_part_of_a_blend_and_means_nothing_else(page: WebPage, sent: str, name: str) -> None:
    assert _sent(page, name=sent)[1] == name


def test_what_is_no_style_is_refused_in_a_sentence(page: WebPage) -> None:
    for content, status, words in (
        (b"no image", 400, "damaged or of a kind that is not known"),
        (b"", 400, "damaged or of a kind"),
        (file_that_says_it_is(5000, 4000), 400, "at most 16 megapixels"),
        (file_that_says_it_is(1, 8_000_000), 400, "at most 16384 px"),
        (b"x" * (MAX_STYLE_BYTES + 1), 413, "send less"),
    ):
        answer = _post(page, content)
        assert (answer.status, words in answer.json["error"]) == (status, True), answer.body
        assert "\n" not in answer.json["error"]
    assert page.ask("POST", "/api/styles", GREEN_PAINTING, {"Origin": ""}).status == 403
    assert page.ask("POST", "/api/styles", GREEN_PAINTING, {"Origin": "http://evil.example"}).status == 403
    assert _post(page, visitor="nobody").status == 410


def test_of_nine_styles_the_oldest_goes(page: WebPage) -> None:
    visitor, _ = _sent(page, name="s0")
    for number in range(1, MAX_STYLES + 1):
        _sent(page, name=f"s{number}", visitor=visitor)
    own = page.ask("GET", "/api/styles", headers={"Visitor": visitor}).json["own"]
    assert [each["name"] for each in own] == [f"s{number}" for number in range(1, MAX_STYLES + 1)]


def test_own_cameras_are_painted_in_it_and_others_cannot_name_it(page: WebPage) -> None:
    visitor, _ = _sent(page, BLUE_PAINTING, "sea")

    async def work() -> None:
        mine, other = Client(page, Camera()), Client(page, Camera())
        for client in (mine, other):
            await client.connect()
        await mine.until(RED)
        await mine.say({"visitor": visitor})
        for client in (mine, other):
            await client.say({"look": {"style": "sea"}})
        await mine.until(BLUE)
        await other.until(RED)
        assert any("style 'sea': there is no such style" in str(message.get("error")) for message in other.messages)
        page.ask("DELETE", "/api/styles", headers={"Visitor": visitor})
        await mine.say({"look": {"strength": 0.9}})  # what was forgotten stays in the stream, and commands go on
        await mine.say({"look": {"style": "sea"}})
        await mine.say({"look": {"style": "green"}})
        await mine.until(GREEN)
        for client in (mine, other):
            await client.close()

    asyncio.run(work())


def test_the_operator_shows_it_and_nobody_gets_it(page: WebPage) -> None:
    visitor, _ = _sent(page, BLUE_PAINTING, "sea")
    look = {"look": {"style": "sea:0.9+green:0.1"}}
    assert page.post("/api/command", look, Visitor=visitor, **FROM_ELSEWHERE).status == 403
    assert page.post("/api/command", look).status == 400
    assert page.post("/api/command", {"look": {"style": "sea"}}, Visitor=visitor).json["look"]["style"] == "sea"

    async def work() -> None:
        viewer, sender = Client(page), Client(page, Camera())
        for client in (viewer, sender):
            await client.connect()
        await viewer.until(BLUE)
        await sender.until(RED)
        for client in (viewer, sender):
            await client.close()

    asyncio.run(work())
    assert _colour(page.ask("POST", "/api/image", _png(noise((40, 30))))) == RED
    command = page.said[-1]
    assert isinstance(command, ChangeLook)
    assert isinstance(command.style, Style)
    page.controls.apply(SelectStyle(1))
    assert page.controls.look.style.name == "red"


def test_what_is_put_into_the_show_is_told_to_open_pages(page: WebPage) -> None:
    def listed() -> tuple[int, dict[str, str]]:
        answer = page.ask("GET", "/api/styles").json
        return answer["version"], {each["name"]: each["thumbnail"] for each in answer["styles"]}

    def put(vector: float, is_refined: bool = False) -> None:
        style = replace(red, name="moss", file=Path("moss.jpg"), vector=np.array([vector], np.float32))
        page.controls.apply(AddStyle(style, is_refined))

    async def told() -> list[int]:
        clients = Client(page), Client(page, Camera())
        for client in clients:
            await client.connect()
        await wait_for(lambda: all(client.messages for client in clients))
        for client in clients:
            await client.close()
        return [client.messages[-1]["styles"] for client in clients]

    red = page.controls.look.style
    version, before = listed()
    put(10)
    first, after = listed()
    assert [first, after["red"]] == [version + 1, before["red"]]
    green = page.ask("GET", after["moss"]).body
    put(20, is_refined=True)
    assert listed() == (first, after), "a refinement changes the style every second"
    put(20)
    second, changed = listed()
    assert asyncio.run(told()) == [second, second]
    assert (second > first, changed["moss"] != after["moss"]) == (True, True)
    assert page.ask("GET", changed["moss"]).body != green, "its thumbnail is that of the image that is there now"
    assert [each["of_image"] for each in page.ask("GET", "/api/styles").json["styles"]] == [False] * 3 + [True]
    own = _sent(page, GREEN_PAINTING, "fern")[0]
    page.controls.apply(AddStyle(replace(red, name="fern")))
    assert _colour(_stylized(page, "fern", Visitor=own)) == GREEN, "what somebody sent stays theirs"


def test_a_server_whose_network_has_no_predictor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_styles, "is_predicted", is_predicted)
    page = WebPage()
    assert page.ask("GET", "/api/styles").json["takes_images"] is False
    answer = _post(page)
    assert (answer.status, "takes no images as styles" in answer.json["error"]) == (400, True)
    page.close()


def test_only_an_operator_keeps_their_style(page: WebPage, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Style] = []

    def keep(style: Style) -> Path:
        written.append(style)
        return Path("saved/sea_2.safetensors")

    monkeypatch.setattr("realtime.web.style_routes.keep_style", keep)
    visitor, _ = _sent(page, BLUE_PAINTING, "sea")
    path = "/api/styles/sea/kept"
    assert page.ask("POST", path, headers={"Visitor": visitor, **FROM_ELSEWHERE}).status == 403
    for headers in ({}, {"Visitor": _sent(page)[0]}):
        assert page.ask("POST", path, headers=headers).status == 404
    assert not written
    answer = page.ask("POST", path, headers={"Visitor": visitor})
    assert (answer.status, answer.json) == (201, {"name": "sea_2"})
    assert written[0].vector == pytest.approx([20])
    page.controls.apply(AddStyle(replace(page.controls.look.style, name="rust", file=Path("my rust.jpg"))))
    assert page.ask("POST", "/api/styles/rust/kept").status == 201, "one of an image of the show, too"
    assert written[1].file == Path("my rust.jpg")
    monkeypatch.setattr("realtime.web.style_routes.keep_style", lambda _: Path("/proc/none/x").mkdir())
    answer = page.ask("POST", path, headers={"Visitor": visitor})
    assert (answer.status, "cannot be written" in answer.json["error"]) == (500, True)


class Clock:
    """Stands until it is set."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stands = Clock()
    monkeypatch.setattr(visitor_styles, "time", stands)
    return stands


@pytest.fixture
def styles(monkeypatch: pytest.MonkeyPatch) -> VisitorStyles:
    monkeypatch.setattr(visitor_styles, "MAX_OF_ADDRESS", 2)
    monkeypatch.setattr(visitor_styles, "MAX_VISITORS", 4)
    monkeypatch.setattr(visitor_styles, "UNUSED_S", 0.2)
    return VisitorStyles(make_catalogue("a"))


def test_of_too_many_visitors_who_was_away_longest_is_forgotten(styles: VisitorStyles, clock: Clock) -> None:
    style = styles.catalogue.styles[0]

    async def work() -> None:
        theirs = [styles.add("", "they", style)[0] for _ in range(20)]
        assert [len(styles._visitors), len(styles.of(theirs[-1]))] == [2, 1], "an address has its own room only"
        others = [styles.add("", f"{number}", style)[0] for number in range(20)]
        assert len(styles._visitors) == 4
        for gone in (theirs[0], theirs[-1], others[0]):
            with pytest.raises(UnknownVisitorError):
                styles.of(gone)
        clock.now_s = 0.15
        styles.keep(others[-1])
        clock.now_s = 0.25
        await wait_for(lambda: list(styles._visitors) == [others[-1]])  # who says nothing is forgotten by itself
        await asyncio.sleep(0.25)
        assert list(styles._visitors) == [others[-1]]
        clock.now_s = 0.4
        await wait_for(lambda: not styles._visitors)
        assert styles._dropping is None

    asyncio.run(work())


@pytest.mark.parametrize("mode", ["one pixel", "black", "transparent", "text", "16 megapixels"])
def test_odd_images_are_sensible_styles(mode: str) -> None:
    pixels = {
        "one pixel": solid((9, 99, 200), (1, 1)),
        "black": solid((0, 0, 0), (300, 200)),
        "transparent": np.dstack([noise((300, 200)), np.zeros((200, 300), np.uint8)]),
        "text": np.repeat(np.random.default_rng(0).integers(0, 2, (200, 300, 1), np.uint8) * 255, 3, 2),
        "16 megapixels": solid((200, 150, 9), (4000, 4000)),
    }[mode]
    like = load_catalogue().styles[0]
    started_s = time.monotonic()
    style, thumbnail = read_style(_png(pixels), mode, like)
    assert time.monotonic() - started_s < 5
    assert style.vector is not None
    assert style.vector.nbytes + len(thumbnail) < 50_000
    assert np.isfinite(style.vector).all()
    assert (style.network, style.fades_by_vector) == (like.network, True)
    if mode == "transparent":
        white, _ = read_style(_png(solid((255, 255, 255), (300, 200))), "white", like)
        assert style.vector == pytest.approx(white.vector)


def test_a_damaged_file_is_no_style() -> None:
    with pytest.raises(SourceError, match="style image: is damaged"):
        read_style(GREEN_PAINTING[:-20], "x", load_catalogue().styles[0])
