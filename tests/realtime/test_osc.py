"""Tests of remote control by Open Sound Control: over loopback, and with packets that mean nothing."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from fakes import make_catalogue, make_stylized, noise
from hypothesis import given, settings
from hypothesis import strategies as any_of
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket

from realtime.controls import Action, ChangeLook, Command, Controls, SelectStyle, SetCycle
from realtime.errors import OptionError, SinkError
from realtime.options import LookOptions
from realtime.osc import OscError, OscSink, command_of
from realtime.show_options import ShowOptions, osc_address

CATALOGUE = make_catalogue("candy", "mosaic", "udnie", identity=0.0)
PATIENCE_S = 10.0


@pytest.fixture
def controls() -> Controls:
    return Controls(CATALOGUE, 0, LookOptions())


MEANINGS: list[tuple[str, list[object], Command | None]] = [
    ("/style", ["mosaic"], ChangeLook(style="mosaic")),
    ("/style", [3], SelectStyle(3)),
    ("/blend", ["candy:0.6+udnie:0.4"], ChangeLook(style="candy:0.6+udnie:0.4")),
    ("/blend", ["candy", 0.5, "udnie", 0.25], ChangeLook(style="candy:0.5+udnie:0.25")),
    ("/blend", ["candy", 0.0, "udnie", 1.0], ChangeLook(style="udnie")),
    ("/strength", [0.25], ChangeLook(strength=0.25)),
    ("/strength", [1], ChangeLook(strength=1.0)),
    ("/smoothing", [0.0], ChangeLook(smoothing=0.0)),
    ("/freeze", [1], Action.FREEZE),
    ("/freeze", [0], None),
    ("/next", [], Action.NEXT_STYLE),
    ("/next", [1.0], Action.NEXT_STYLE),
    ("/previous", [], Action.PREVIOUS_STYLE),
    ("/cycle", [20.0], SetCycle(20.0)),
    ("/cycle", [0], SetCycle(0.0)),
]


@pytest.mark.parametrize(("address", "values", "command"), MEANINGS)
def test_every_address_has_its_meaning(
    controls: Controls, address: str, values: list[object], command: Command | None
) -> None:
    assert command_of(address, values, controls, CATALOGUE) == command


def test_freezing_twice_stays_frozen(controls: Controls) -> None:
    controls.apply(Action.FREEZE)
    assert command_of("/freeze", [1], controls, CATALOGUE) is None
    assert command_of("/freeze", [0], controls, CATALOGUE) is Action.FREEZE


@pytest.mark.parametrize(
    ("address", "values", "reason"),
    [
        ("/strength", [float("nan")], "expected one number, 0 to 1"),
        ("/strength", [1.5], "expected one number, 0 to 1"),
        ("/strength", ["full"], "expected one number"),
        ("/strength", [], "expected one number"),
        ("/cycle", [-1], "0 to 86400"),
        ("/style", ["cnady"], "did you mean candy"),
        ("/style", [7], "1 to 3"),
        ("/style", [], "expected one name"),
        ("/style", ["/tmp/photo.jpg"], "there is no such style"),
        ("/blend", ["candy:0.5+/tmp/photo.jpg:0.5"], "there is no such style"),
        ("/blend", ["candy", 0.5, "udnie"], "expected NAME SHARE"),
        ("/blend", ["candy", "a lot"], "expected one number"),
        ("/blend", ["candy", 0.0], "a name is missing"),
        ("/blend", ["+".join(["candy"] * 300)], "at most 8"),
        ("/quit", [], "unknown; allowed: /style"),
        ("", [], "unknown"),
    ],
)
def test_what_means_nothing_says_why(controls: Controls, address: str, values: list[object], reason: str) -> None:
    with pytest.raises(OscError) as refused:
        command_of(address, values, controls, CATALOGUE)
    assert reason in str(refused.value)


class Client:
    """A program that controls by OSC, and what the server did."""

    def __init__(self) -> None:
        self.controls, self.sent = Controls(CATALOGUE, 0, LookOptions()), list[Command]()
        self.sink = OscSink(("127.0.0.1", 0), CATALOGUE)
        self.sink.open(self.controls, self.sent.append)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE_S)

    def send(self, address: str, *values: object) -> None:
        self.send_bytes(build_msg(address, list(values)).dgram)

    def send_bytes(self, content: bytes) -> None:
        self.socket.sendto(content, ("127.0.0.1", self.sink.port))

    def told(self) -> tuple[str, object]:
        (timed,) = OscPacket(self.socket.recv(8192)).messages
        return timed.message.address, timed.message.params[0]

    def close(self) -> None:
        assert self.sink.close() == ""
        self.socket.close()


@pytest.fixture
def client() -> Iterator[Client]:
    opened = Client()
    yield opened
    opened.close()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.002)


def test_messages_over_loopback_become_commands(client: Client) -> None:
    client.send("/style", "mosaic")
    client.send("/blend", "candy", 0.5, "udnie", 0.5)
    client.send("/next")
    _wait_until(lambda: len(client.sent) == 3)
    assert client.sent == [ChangeLook(style="mosaic"), ChangeLook(style="candy:0.5+udnie:0.5"), Action.NEXT_STYLE]


def test_a_bundle_for_next_year_is_taken_now(client: Client) -> None:
    bundle = OscBundleBuilder(int(time.time()) + 30_000_000)
    bundle.add_content(build_msg("/strength", [0.5]))
    bundle.add_content(build_msg("/next", []))
    client.send_bytes(bundle.build().dgram)
    _wait_until(lambda: len(client.sent) == 2)
    assert client.sent == [ChangeLook(strength=0.5), Action.NEXT_STYLE]


def test_style_and_frame_rate_are_told_to_who_listens(client: Client) -> None:
    client.sink.write(make_stylized(noise()))
    client.send("/listen", client.socket.getsockname()[1])
    _wait_until(lambda: bool(client.sink._listeners))
    for _ in range(5):
        client.sink.write(make_stylized(noise()))
    assert client.told() == ("/style", "candy")
    address, fps = client.told()
    assert address == "/fps"
    assert isinstance(fps, float)
    client.controls.apply(ChangeLook(style="udnie"))
    client.sink.write(make_stylized(noise()))
    assert client.told() == ("/style", "udnie")
    client.told()
    client.send("/strength", 7.0)
    address, reason = client.told()
    assert (address, str(reason).partition(":")[0]) == ("/error", "/strength")


def test_only_the_last_few_listeners_are_told(client: Client) -> None:
    for port in range(40000, 40020):
        client.send("/listen", port)
    _wait_until(lambda: ("127.0.0.1", 40019) in client.sink._listeners)
    assert len(client.sink._listeners) <= 8


@settings(max_examples=50)
@given(any_of.lists(any_of.binary(max_size=64), max_size=5))
def test_any_bytes_are_ignored(packets: list[bytes]) -> None:
    for head in (b"", b"/style\0\0,", b"#bundle\0"):
        for packet in packets:
            for message in _PARSER._messages(head + packet):
                _PARSER._obey(message.address, list(message.params), "127.0.0.1")


@settings(max_examples=50)
@given(
    any_of.sampled_from(["/style", "/blend", "/strength", "/smoothing", "/freeze", "/cycle", "/listen", "/next", "/x"]),
    any_of.lists(any_of.one_of(any_of.integers(), any_of.floats(), any_of.text(), any_of.booleans(), any_of.none())),
)
def test_any_values_are_a_command_or_say_why(address: str, values: list[object]) -> None:
    sent: list[Command] = []
    _PARSER._send = sent.append
    _PARSER._obey(address, values, "127.0.0.1")
    for command in sent:
        _PARSER._controls.apply(command)


_PARSER = OscSink(("127.0.0.1", 0), CATALOGUE)
_PARSER._controls, _PARSER._send = Controls(CATALOGUE, 0, LookOptions()), lambda _: None
_PARSER.close()


def test_a_port_that_is_taken_is_refused(client: Client) -> None:
    with pytest.raises(SinkError, match=rf"osc: cannot listen on 127.0.0.1 port {client.sink.port}"):
        OscSink(("127.0.0.1", client.sink.port), CATALOGUE)


def test_addresses_of_the_command_line() -> None:
    assert osc_address("9000") == ("127.0.0.1", 9000)
    assert osc_address("0.0.0.0:9000") == ("0.0.0.0", 9000)
    assert osc_address("[::1]:9000") == ("::1", 9000)
    for text in ("", "nine", "host:", "70000", "-1"):
        with pytest.raises(OptionError, match="osc "):
            ShowOptions(osc=text)
