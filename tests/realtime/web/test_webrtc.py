"""Tests of live connections: real WebRTC on this machine, a client without a browser, a fake engine; no network."""

import asyncio
import gc
import re
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import psutil
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from web_page import Camera, Client, ColourEngine, WebPage, wait_for

from realtime.controls import Action, ChangeLook, SelectStyle
from realtime.web import connections, webrtc

GREY = (128, 128, 128)
RED, GREEN, BLUE = ColourEngine.COLOURS

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def page() -> Iterator[WebPage]:
    served = WebPage()
    yield served
    served.close()


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 100))


def test_a_viewer_sees_the_stylized_and_changes_it_for_all(page: WebPage) -> None:
    async def work() -> None:
        first, second = Client(page), Client(page)
        await first.connect()
        await second.connect()
        await first.until(RED)
        await first.say({"look": {"style": "green"}})
        await second.until(GREEN)
        await first.until(GREEN)
        await second.say({"select": 3})
        await first.until(BLUE)
        assert page.said == [ChangeLook(style="green"), SelectStyle(3)]
        await second.close()
        await first.until(BLUE)
        await wait_for(lambda: first.messages and first.messages[-1]["look"]["style"] == "blue")
        assert first.messages[-1]["fps"] > 1
        assert not first.messages[-1]["sends"]
        await first.close()

    _run(work)


def test_a_sender_sees_its_own_camera_in_its_own_style(page: WebPage) -> None:
    async def work() -> None:
        first, second = Client(page, Camera()), Client(page, Camera((64, 48)))
        await first.connect()
        await second.connect()
        await first.until(RED)
        await second.say({"look": {"style": "blue"}})
        assert (await second.until(BLUE)).shape == (48, 64, 3)
        assert (await first.until(RED)).shape == (64, 96, 3)
        await second.say({"command": "next_style"})
        await second.until(RED)
        await wait_for(lambda: second.messages and second.messages[-1].get("look", {}).get("style") == "red")
        assert page.said == [], "the server's own source is not touched"
        await first.close()
        await second.close()

    _run(work)


def test_before_and_after_stand_side_by_side(page: WebPage) -> None:
    async def work() -> None:
        client = Client(page)
        await client.connect()
        await client.say({"split": 0.5})
        image = await client.until(GREY, at=(0.5, 0.25))
        assert abs(int(image[32, 72, 0]) - RED[0]) < 40
        await client.say({"split": "nonsense"})
        await client.until(RED, at=(0.5, 0.25))
        await client.close()

    _run(work)


def test_messages_that_mean_nothing_are_told_and_change_nothing(page: WebPage) -> None:
    async def work() -> None:
        client = Client(page)
        await client.connect()
        for text in ("no json", "[1]", '{"command": "quit"}', '{"look": {"strength": 7}}', "{" * 3000, "x" * 5000):
            await wait_for(lambda: client.channel.readyState == "open")
            client.channel.send(text)
        client.channel.send(b"\0\1")
        await wait_for(lambda: sum("error" in message for message in client.messages) == 7)
        assert page.said == []
        await client.say({"command": "freeze"})
        await wait_for(lambda: page.said == [Action.FREEZE])
        await client.close()

    _run(work)


def test_more_than_the_most_connections_are_turned_away_and_a_place_becomes_free(
    page: WebPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(connections, "_OPERATORS_PLACES", 0)

    async def work() -> None:
        first, second = Client(page), Client(page)
        assert (await first.connect()).status == 200
        await first.until(RED)
        refused = await second.connect()
        assert refused.status == 503
        assert "try again later" in refused.json["error"]
        await second.close()
        await first.close()
        await wait_for(lambda: page.ask("GET", "/api/state").json["connections"] == 0)
        third = Client(page)
        assert (await third.connect()).status == 200
        await third.until(RED)
        await third.close()

    _run(work)


@pytest.mark.slow
def test_who_never_comes_and_who_falls_silent_is_forgotten(page: WebPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "_CONNECT_S", 1.5)
    monkeypatch.setattr(webrtc, "_SILENT_S", 1.5)

    async def work() -> None:
        offer = Client(page)
        offer.connection.addTransceiver("video", direction="recvonly")
        await offer.connection.setLocalDescription(await offer.connection.createOffer())
        sdp = offer.connection.localDescription.sdp
        assert (await asyncio.to_thread(page.post, "/api/offer", {"sdp": sdp, "mode": "view"})).status == 200
        silent, talking = Client(page), Client(page)
        for client in (silent, talking):
            await client.connect()
            await client.until(RED)
        await _kill(silent)
        await asyncio.sleep(3)
        state = await asyncio.to_thread(page.ask, "GET", "/api/state")
        assert state.json["connections"] == 1, "a browser that is there answers what it is sent"
        assert len(page.sink._server.connections._places) == 1  # type: ignore[union-attr]
        await talking.until(RED)
        for client in (offer, silent, talking):
            await client.close()

    _run(work)


async def _kill(client: Client) -> None:
    """Nothing is said to the server any more, as when a laptop is closed."""
    for transport in list(vars(client.connection)["_RTCPeerConnection__iceTransports"]):
        await transport._connection.close()


def _candidates(sdp: str) -> set[str]:
    return set(re.findall(r"^a=candidate:\S+ \d udp \d+ (\S+)", sdp, re.MULTILINE | re.IGNORECASE))


def test_a_page_for_this_machine_is_connected_over_this_machine_and_other_connections_are_as_they_were(
    page: WebPage,
) -> None:
    async def work() -> None:
        client, other = Client(page), RTCPeerConnection(RTCConfiguration(iceServers=[]))
        answer = await client.connect()
        assert _candidates(answer.json["sdp"]) == {"127.0.0.1"}
        other.createDataChannel("any")
        await other.setLocalDescription(await other.createOffer())
        assert "127.0.0.1" not in _candidates(other.localDescription.sdp)
        await client.close()
        await other.close()

    _run(work)


OFFERS: dict[str, object] = {
    "no sdp": {"mode": "view"},
    "no mode": {"sdp": "v=0\r\n"},
    "no text": {"sdp": 7, "mode": "view"},
    "nonsense": {"sdp": "v=0\r\nnonsense\r\n", "mode": "view"},
    "half": {"sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=video 9 UDP/TLS/RTP/SAVPF\r\n", "mode": "send"},
    "no video": {"sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", "mode": "view"},
    "a list": ["v=0"],
    "too long": {"sdp": "v=0" + "x" * 70_000, "mode": "view"},
}


@pytest.mark.parametrize("name", OFFERS)
def test_a_malformed_offer_is_refused_and_leaves_nothing(page: WebPage, name: str) -> None:
    answer = page.post("/api/offer", OFFERS[name])
    assert answer.status == 400
    assert answer.json["error"]
    assert page.ask("GET", "/api/state").json["connections"] == 0


def test_an_offer_with_sound_is_refused(page: WebPage) -> None:
    async def work() -> None:
        client = Client(page)
        client.connection.addTransceiver("audio", direction="recvonly")
        answer = await client.connect()
        assert answer.status == 400
        assert "exactly one video" in answer.json["error"]
        await client.close()

    _run(work)


@pytest.mark.slow
def test_many_who_come_and_are_killed_leave_nothing_behind(page: WebPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "_SILENT_S", 1.0)
    process = psutil.Process()

    def held() -> tuple[int, int, float]:
        gc.collect()
        own = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]  # a fixed pool
        return process.num_fds(), len(own), process.memory_info().rss / 2**20

    async def come_and_die(sends: bool) -> None:
        client = Client(page, Camera() if sends else None)
        await client.connect()
        await client.until(RED)
        if sends:
            await client.close()
            return
        await _kill(client)
        await client.close()

    async def work() -> None:
        for _ in range(6):
            await come_and_die(sends=True)
        await wait_for(lambda: page.ask("GET", "/api/state").json["connections"] == 0)
        before = held()
        for number in range(24):
            await come_and_die(sends=bool(number % 2))
        await wait_for(lambda: page.ask("GET", "/api/state").json["connections"] == 0)
        await asyncio.sleep(0.5)
        after = held()
        assert after[0] <= before[0] + 4, "file descriptors"
        assert after[1] <= before[1] + 1, "threads"
        assert after[2] <= before[2] + 30, "MB of memory"

    _run(work)
    loop = page.sink._server.broadcast._loop  # type: ignore[union-attr]
    assert loop is not None
    assert len(asyncio.all_tasks(loop)) < 12
