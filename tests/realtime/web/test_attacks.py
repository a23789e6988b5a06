"""Tests of a server that others reach: who may do what, and that an honest visitor gets in whatever others do."""

import asyncio
import io
import logging
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image as Pillow
from web_page import Camera, Client, ColourEngine, PageAddress, WebPage, certificate, wait_for

from realtime.controls import Action, SelectStyle
from realtime.options import WebOptions
from realtime.web import bodies, door

RED, GREEN, _ = ColourEngine.COLOURS
WITHIN_S = 3.0

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def page() -> Iterator[WebPage]:
    """As its operator opens it on this machine."""
    served = WebPage(options=WebOptions("0.0.0.0", port=0))
    yield served
    served.close()


@pytest.fixture(scope="module")
def visitor(page: WebPage) -> PageAddress:
    """The same page, as a visitor opens it."""
    return PageAddress(page.sink.visitor_addresses[0])


@pytest.fixture
def connect(page: WebPage) -> Iterator[Callable[[bytes], socket.socket]]:
    """Opens a connection and sends the beginning of something."""
    with ExitStack() as opened:

        def _connect(sent: bytes) -> socket.socket:
            port = urlsplit(page.url).port or 0
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            connection.sendall(sent)
            return connection

        yield _connect


def _upload_head(page: PageAddress, length: int) -> bytes:
    address = urlsplit(page.url)
    head = f"POST /api/images HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {address.query}\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


def test_the_operator_commands_and_a_visitor_watches(page: WebPage, visitor: PageAddress) -> None:
    for address, role, status in ((page, "operator", 200), (visitor, "visitor", 403)):
        state = address.ask("GET", "/api/state").json
        assert (state["role"], state["open_stage"]) == (role, False)
        answer = address.post("/api/command", {"command": "next_style"})
        assert answer.status == status
    assert "only the operator" in answer.json["error"]
    assert page.said == [Action.NEXT_STYLE]
    page.said.clear()
    page.controls.apply(SelectStyle(1))


def test_the_operators_token_is_another_machines_operator(page: WebPage, visitor: PageAddress) -> None:
    base, operator = visitor.url.partition("?")[0], page.url.partition("?")[2]
    assert PageAddress(f"{base}?{operator}").ask("GET", "/api/state").json["role"] == "operator"
    assert PageAddress(base).ask("GET", "/api/state").status == 401
    forwarded = visitor.ask(
        "GET", "/api/state", headers={"Host": urlsplit(page.url).netloc, "X-Forwarded-For": "1.2.3.4"}
    )
    assert forwarded.json["role"] == "visitor", "a proxy beside the server is not the operator"


def test_a_visitor_commands_what_it_sends_and_not_what_all_see(page: WebPage, visitor: PageAddress) -> None:
    async def work() -> None:
        viewer, sender = Client(visitor), Client(visitor, Camera())
        for client in (viewer, sender):
            assert (await client.connect()).status == 200
            await client.until(RED)
            await client.say({"select": 2})
        await sender.until(GREEN)
        await wait_for(lambda: any("only the operator" in m.get("error", "") for m in viewer.messages))
        await viewer.say({"split": 0.5})
        await viewer.until((128, 128, 128), at=(0.5, 0.2))
        assert page.said == []
        for client in (viewer, sender):
            await client.close()

    asyncio.run(work())


def test_on_an_open_stage_everybody_commands() -> None:
    served = WebPage(options=WebOptions("0.0.0.0", port=0, open_stage=True))
    anybody = PageAddress(served.sink.visitor_addresses[0])
    state = anybody.ask("GET", "/api/state").json
    assert (state["role"], state["open_stage"]) == ("visitor", True)
    assert anybody.post("/api/command", {"command": "next_style"}).status == 200
    served.close()


def test_a_token_does_without_an_origin(visitor: PageAddress) -> None:
    answer = visitor.post("/api/images/none/stylized", {}, Origin="")
    assert answer.status == 404, "it was let in"


def test_silent_sockets_slow_uploads_and_dead_offers_keep_no_honest_visitor_out(
    visitor: PageAddress, connect: Callable[[bytes], socket.socket]
) -> None:
    for number in range(70):
        connect(b"" if number % 2 else b"GET / HTTP/1.1\r\nX-Slow: ")
    for _ in range(4):
        connect(_upload_head(visitor, 1_000_000) + b"x")

    async def work() -> float:
        dead = Client(visitor)
        dead.connection.addTransceiver("video", direction="recvonly")
        await dead.connection.setLocalDescription(await dead.connection.createOffer())
        offer = {"sdp": dead.connection.localDescription.sdp, "mode": "view"}
        for _ in range(8):
            assert (await asyncio.to_thread(visitor.post, "/api/offer", offer)).status == 200
        start_s = time.monotonic()
        assert (await asyncio.to_thread(visitor.ask, "GET", "/")).status == 200
        honest = Client(visitor)
        assert (await honest.connect()).status == 200
        await honest.until(RED)
        took_s = time.monotonic() - start_s
        for client in (honest, dead):
            await client.close()
        return took_s

    assert asyncio.run(work()) < WITHIN_S


@pytest.mark.slow
def test_who_sends_no_head_is_cut_off(
    connect: Callable[[bytes], socket.socket], monkeypatch: pytest.MonkeyPatch, visitor: PageAddress
) -> None:
    monkeypatch.setattr(door, "HEAD_S", 0.5)
    address = urlsplit(visitor.url)
    whole = f"GET /api/styles HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {address.query}\r\n\r\n".encode()
    start_s = time.monotonic()
    for sent in (b"", b"GET / HT", whole, whole + b"GET / HT"):
        connection = connect(sent)
        if sent:
            time.sleep(0.2)
            connection.sendall(b"T")  # a little more does not win more time
        while connection.recv(65_536):
            pass
    assert time.monotonic() - start_s < 10


@pytest.mark.slow
def test_an_upload_that_trickles_is_told_and_ended(
    connect: Callable[[bytes], socket.socket], monkeypatch: pytest.MonkeyPatch, visitor: PageAddress
) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.5)
    slow = [connect(_upload_head(visitor, 1_000_000) + b"x") for _ in range(3)]
    file = io.BytesIO()
    Pillow.new("RGB", (40, 30)).save(file, "PNG")
    for connection in slow:
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        assert b" 408 " in answer
        assert b"too slowly" in answer
    assert visitor.ask("POST", "/api/images", file.getvalue()).status == 201, "their places are free again"


def test_who_leaves_in_the_middle_of_an_upload_is_one_line_in_the_log(
    visitor: PageAddress, connect: Callable[[bytes], socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect(_upload_head(visitor, 1_000_000) + b"x" * 100_000)
    time.sleep(0.2)
    connection.close()
    time.sleep(0.3)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "who sent 100000 bytes to '/api/images' has left before the end"
    assert record.exc_info is None


def _garbled(sdp: str, chance: random.Random) -> str:
    """One to three lines left out, doubled, cut or overwritten."""
    lines = sdp.split("\r\n")
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(1, len(lines) - 1)
        line = lines[place]
        garbage = "".join(chance.choices("0123456789abc:/- \u00e9\u0661", k=8))
        lines[place : place + 1] = chance.choice(
            [[], [line, line], [line[: chance.randint(0, len(line))]], [line[:2] + garbage], [line[:12] + garbage]]
        )
    return "\r\n".join(lines)


def test_garbled_offers_are_answered_or_refused_and_leave_no_traceback(
    visitor: PageAddress, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> set[int]:
        model = Client(visitor)
        model.connection.addTransceiver("video", direction="recvonly")
        await model.connection.setLocalDescription(await model.connection.createOffer())
        sdp, chance, statuses = model.connection.localDescription.sdp, random.Random(3), set()
        for _ in range(60):
            offer = {"sdp": _garbled(sdp, chance), "mode": chance.choice(["view", "send"])}
            answer = await asyncio.to_thread(visitor.post, "/api/offer", offer)
            assert answer.status == 200 or answer.json["error"]
            statuses.add(answer.status)
        honest = Client(visitor)
        assert (await honest.connect()).status == 200
        await honest.until(RED)
        for client in (model, honest):
            await client.close()
        return statuses

    assert asyncio.run(work()) == {200, 400}
    assert all(record.exc_info is None and "\n" not in record.getMessage() for record in caplog.records)


def test_https_that_is_never_spoken_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "HEAD_S", 0.5)
    cert, key = certificate(tmp_path)
    served = WebPage(options=WebOptions(port=0, tls_cert=cert, tls_key=key))
    address = urlsplit(served.url)
    try:
        with socket.create_connection((address.hostname, address.port), timeout=10) as silent:
            start_s = time.monotonic()
            assert silent.recv(1) == b""
            assert time.monotonic() - start_s < 5
    finally:
        served.close()
