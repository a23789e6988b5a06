"""Owns remote control by Open Sound Control (OSC): messages become commands, and style and frame rate are told.

Addresses that are taken:
    /style NAME or NUMBER          /blend "candy:0.6+udnie:0.4", or NAME SHARE NAME SHARE ...
    /strength 0..1                 /smoothing 0..1
    /freeze 0 or 1                 /next    /previous
    /cycle SECONDS, 0 stops        /listen PORT: from now on the sender's machine is told at this port
Told once a second, and at once when the style changes: /style NAME, /fps FRAMES_A_SECOND.
What cannot be understood is answered by /error TEXT to who listens.
"""

import socket
import time
from collections.abc import Callable
from typing import Any

from neural_style.packages import optional_packages
from realtime.controls import Action, ChangeLook, Command, Controls, SelectStyle, SetCycle
from realtime.errors import SinkError, StyleError
from realtime.flow import StageThreads
from realtime.sinks.protocol import Sink, StylizedFrame
from realtime.stats import Stats
from realtime.style_catalogue import Catalogue, find_style

LONGEST_CYCLE_S = 86400.0
_MOST_PARTS = 8
_LONGEST_REASON = 500
_MOST_LISTENERS = 8
_LARGEST_PACKET = 8192
_TOLD_EVERY_S = 1.0
_POLL_S = 0.2
_ADDRESSES = "/style /blend /strength /smoothing /freeze /next /previous /cycle /listen"

Values = list[Any]


class OscError(Exception):
    """A message that means nothing; the text says why."""


def command_of(address: str, values: Values, controls: Controls, catalogue: Catalogue) -> Command | None:
    """The command that a message means; None where nothing would change.

    Args:
        address: of the message, for example "/strength".
        values: strings and numbers.
        controls: the settings.
        catalogue: the styles to choose from.

    Raises:
        OscError: there is no such address, or a value is not allowed.
    """
    command: Command | None = None
    match address.strip("/"):
        case "style" if values and isinstance(values[0], int):
            command = SelectStyle(int(_number(address, values, (1, len(catalogue)))))
        case "style":
            command = _style(address, _text(address, values), catalogue)
        case "blend":
            command = _style(address, _blend(address, values), catalogue)
        case "strength":
            command = ChangeLook(strength=_number(address, values, (0, 1)))
        case "smoothing":
            command = ChangeLook(smoothing=_number(address, values, (0, 1)))
        case "freeze":
            wanted = bool(_number(address, values, (0, 1)))
            command = Action.FREEZE if wanted != controls.panel.frozen else None
        case "next":
            command = Action.NEXT_STYLE
        case "previous":
            command = Action.PREVIOUS_STYLE
        case "cycle":
            command = SetCycle(_number(address, values, (0, LONGEST_CYCLE_S)))
        case _:
            raise OscError(f"{address[:40]}: unknown; allowed: {_ADDRESSES}")
    return command


def _number(address: str, values: Values, allowed: tuple[float, float]) -> float:
    if len(values) != 1 or not isinstance(values[0], int | float) or not allowed[0] <= values[0] <= allowed[1]:
        raise OscError(f"{address}: got {str(values)[:40]}, expected one number, {allowed[0]:g} to {allowed[1]:g}")
    return float(values[0])


def _text(address: str, values: Values) -> str:
    if len(values) != 1 or not isinstance(values[0], str):
        raise OscError(f"{address}: got {str(values)[:40]}, expected one name")
    return values[0]


def _blend(address: str, values: Values) -> str:
    """A blend as `--style` takes it; shares of 0 are left out, so that a fader can take a style away."""
    if len(values) == 1:
        text = _text(address, values)
    else:
        names, shares = values[::2], values[1::2]
        if len(names) != len(shares) or not all(isinstance(name, str) for name in names):
            raise OscError(f"{address}: expected NAME SHARE NAME SHARE ..., got {str(values)[:40]}")
        kept = [(n, _number(address, [s], (0, 1e6))) for n, s in zip(names, shares, strict=True) if s != 0]
        text = kept[0][0] if len(kept) == 1 else "+".join(f"{name}:{share!r}" for name, share in kept)
    if text.count("+") >= _MOST_PARTS:
        raise OscError(f"{address}: at most {_MOST_PARTS} styles can be blended")
    return text


def _style(address: str, text: str, catalogue: Catalogue) -> ChangeLook:
    """A style of the catalogue, or a blend of them: who sends packets must not have files of this machine read."""
    try:
        if text not in catalogue.names:
            for part in text.split("+"):
                catalogue.index_of(part.partition(":")[0].strip())
            find_style(text, catalogue)
    except StyleError as error:
        raise OscError(f"{address}: {str(error)[:_LONGEST_REASON]}") from error
    return ChangeLook(style=text)


class OscSink(Sink):
    """Takes messages at a UDP port, and tells style and frame rate to who asked for it.

    Args:
        address: host and port to listen at; port 0 is any that is free.
        catalogue: the styles.

    Attributes:
        port: where it listens.

    Raises:
        MissingPackageError: python-osc is not installed.
        SinkError: the address cannot be used.
    """

    def __init__(self, address: tuple[str, int], catalogue: Catalogue) -> None:
        with optional_packages("osc"):
            from pythonosc.osc_message_builder import build_msg
            from pythonosc.osc_packet import OscPacket, ParseError
        self._build, self._parse, self._parse_error = build_msg, OscPacket, ParseError
        self._catalogue = catalogue
        self._socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(address)
        except OSError as error:
            self._socket.close()
            raise SinkError(
                f"osc: cannot listen on {address[0]} port {address[1]} ({error.strerror or error}); choose another port"
            ) from error
        self._socket.settimeout(_POLL_S)
        self.port: int = self._socket.getsockname()[1]
        self._listeners: dict[tuple[str, int], None] = {}
        self._stats, self._told, self._told_s, self._closed = Stats(), "", 0.0, False
        self._threads = StageThreads(lambda: None)

    def open(self, controls: Controls, send: Callable[[Command], None]) -> None:
        """Begins to listen.

        Args:
            controls: the settings.
            send: takes commands, from another thread.
        """
        self._controls, self._send = controls, send
        self._threads.start([self._listen])

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`; raises what ended listening."""
        self._threads.raise_failure()
        self._stats.frame_out(stylized.frame.capture_time_s)
        name, now_s = self._controls.look.style.name, time.monotonic()
        if self._listeners and (name != self._told or now_s - self._told_s >= _TOLD_EVERY_S):
            self._told, self._told_s = name, now_s
            self._tell("/style", name)
            self._tell("/fps", round(self._stats.live().fps, 1))

    def close(self) -> str:
        """See `Sink.close`."""
        self._closed = True
        self._threads.join(2 * _POLL_S)
        self._socket.close()
        return ""

    def _listen(self) -> None:
        """Thread: packets to commands."""
        while not self._closed:
            try:
                packet, sender = self._socket.recvfrom(_LARGEST_PACKET)
            except TimeoutError:
                continue
            except OSError:  # Windows says here that a listener has gone
                if self._closed:
                    return
                continue
            for message in self._messages(packet):
                self._obey(message.address, list(message.params), sender[0])

    def _messages(self, packet: bytes) -> list[Any]:
        """What is in a packet; messages for later in a bundle are taken now. What is no OSC is ignored."""
        try:
            return [timed.message for timed in self._parse(packet).messages]
        except (self._parse_error, ValueError, IndexError, RecursionError, OverflowError):
            return []

    def _obey(self, address: str, values: Values, host: str) -> None:
        try:
            if address.strip("/") == "listen":
                self._listeners[(host, int(_number(address, values, (1, 65535))))] = None
                while len(self._listeners) > _MOST_LISTENERS:
                    self._listeners.pop(next(iter(self._listeners)))
                self._told = ""
                return
            command = command_of(address, values, self._controls, self._catalogue)
        except OscError as error:
            self._tell("/error", str(error))
            return
        if command is not None:
            self._send(command)

    def _tell(self, address: str, value: str | float) -> None:
        content = self._build(address, value).dgram
        for listener in list(self._listeners):
            try:
                self._socket.sendto(content, listener)
            except OSError:  # it has gone, or its network has
                self._listeners.pop(listener, None)
