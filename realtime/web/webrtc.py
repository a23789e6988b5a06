"""Owns WebRTC connections: who is connected, the video of each, and the messages beside it."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import aioice
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from realtime.controls import Controls
from realtime.frame import Frame
from realtime.web.broadcast import Broadcast
from realtime.web.messages import MessageError, command_in, read_message, state_as_json
from realtime.web.senders import Sender, SenderStage
from realtime.web.video_track import StylizedTrack, pixels_of

MAX_CONNECTIONS = 8
MAX_OFFER_CHARACTERS = 64_000
MAX_SENT_PIXELS = 1920 * 1088
_MAX_UNSENT_BYTES = 16_384
_CONNECT_S = 15.0
_SILENT_S = 20.0
_FIGURES_S = 0.5

_Gather = Callable[[int, list[str]], Awaitable[list[aioice.Candidate]]]


class TooManyConnectionsError(Exception):
    """No further connection is taken now."""


class Connections:
    """All connections.

    Args:
        senders: stylizes what senders send.
        make_controls: settings of a new sender.
        broadcast: the server's own source.
        loopback: only this machine may connect, as it alone can open the page.

    Attributes:
        broadcast: as given.
    """

    def __init__(
        self, senders: SenderStage, make_controls: Callable[[], Controls], broadcast: Broadcast, loopback: bool
    ) -> None:
        self._senders, self._make_controls, self._loopback = senders, make_controls, loopback
        self.broadcast = broadcast
        self._connections: set[_Connection] = set()

    @property
    def viewers(self) -> int:
        """How many watch the server's own source; from any thread."""
        return sum(not connection.sends for connection in list(self._connections))

    @property
    def count(self) -> int:
        """How many are connected."""
        return len(self._connections)

    async def answer(self, offer: dict[str, Any]) -> dict[str, str]:
        """Accepts {"sdp": ..., "mode": "send" or "view"}, and returns {"sdp": ..., "type": "answer"}.

        Raises:
            MessageError: it is malformed.
            TooManyConnectionsError: there are too many already.
        """
        sdp, mode = offer.get("sdp"), offer.get("mode")
        if mode not in ("send", "view"):
            raise MessageError('mode: must be "send" or "view"')
        if not isinstance(sdp, str) or not sdp.startswith("v=0") or len(sdp) > MAX_OFFER_CHARACTERS:
            raise MessageError(f"sdp: must be a session description of at most {MAX_OFFER_CHARACTERS} characters")
        if len(self._connections) >= MAX_CONNECTIONS:
            raise TooManyConnectionsError(f"{MAX_CONNECTIONS} are connected already; try again later")
        broadcast = self.broadcast
        if mode == "send":
            controls = self._make_controls()
            broadcast = Broadcast("camera", controls, controls.apply)
        connection = _Connection(self._senders, broadcast, mode == "send", self._connections.discard)
        self._connections.add(connection)
        try:
            return await connection.answer(sdp, self._loopback)
        except Exception as error:
            await connection.close()
            if isinstance(error, MessageError):
                raise
            raise MessageError(f"sdp: cannot be accepted ({type(error).__name__}: {error})") from error

    async def close(self) -> None:
        """Ends all connections."""
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))


class _Connection:
    """One browser: it sends its camera and sees that stylized, or it sees the server's own source."""

    def __init__(
        self, senders: SenderStage, broadcast: Broadcast, sends: bool, closed: Callable[["_Connection"], None]
    ) -> None:
        self.sends = sends
        self._senders, self._broadcast, self._when_closed = senders, broadcast, closed
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._loop = asyncio.get_running_loop()
        self._track = StylizedTrack(broadcast)
        self._sender = Sender(broadcast.controls, broadcast.publish, self._tell_error)
        self._channel: Any = None
        self._heard_s = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def answer(self, sdp: str, loopback: bool) -> dict[str, str]:
        peer = self._peer
        peer.on("connectionstatechange", self._on_state)
        peer.on("datachannel", self._on_channel)
        peer.on("track", self._on_track)
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        transceivers = peer.getTransceivers()
        if [transceiver.kind for transceiver in transceivers] != ["video"]:
            raise MessageError("sdp: must offer exactly one video stream, and nothing else but a data channel")
        transceivers[0].sender.replaceTrack(self._track)
        transceivers[0].direction = "sendrecv" if self.sends else "sendonly"
        if loopback:
            stay_on_loopback(peer)
        await peer.setLocalDescription(await peer.createAnswer())
        self._start(self._watch())
        local = peer.localDescription
        return {"sdp": local.sdp, "type": local.type}

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self.sends:
            self._senders.remove(self._sender)
            self._broadcast.close()
        self._track.stop()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        try:
            await self._peer.close()
        finally:
            self._when_closed(self)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """Ends the connection when it does not come about, or when the page is silent."""
        limit_s = _CONNECT_S
        while time.monotonic() - self._heard_s < limit_s:
            await asyncio.sleep(_FIGURES_S)
            if self._channel is not None and self._channel.readyState == "open":
                limit_s = _SILENT_S
                self._tell(self._figures())
        await self.close()

    def _figures(self) -> dict[str, Any]:
        return {**state_as_json(self._broadcast.controls, self._broadcast.stats), "sends": self.sends}

    def _on_state(self) -> None:
        if self._peer.connectionState in ("failed", "closed", "disconnected"):
            self._start(self.close())

    def _on_channel(self, channel: Any) -> None:
        if self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", lambda: self._start(self.close()))

    def _on_track(self, track: MediaStreamTrack) -> None:
        if self.sends and track.kind == "video":
            self._senders.add(self._sender)
            self._start(self._receive(track))

    async def _receive(self, track: MediaStreamTrack) -> None:
        """Hands the browser's frames to the stage; the newest replaces one that still waits."""
        stats = self._broadcast.stats
        try:
            while True:
                frame: Any = await track.recv()
                if frame.width * frame.height > MAX_SENT_PIXELS:
                    self._tell({"error": f"the camera sends {frame.width}x{frame.height}; choose a smaller size"})
                    break
                arrived_s = time.perf_counter()
                pixels = await self._loop.run_in_executor(None, pixels_of, frame)
                self._senders.put(self._sender, Frame(pixels, stats.frames_in, arrived_s, frame.time or 0.0))
                stats.frames_in += 1
        except MediaStreamError:
            pass
        await self.close()

    def _on_message(self, text: str | bytes) -> None:
        self._heard_s = time.monotonic()
        try:
            message = read_message(text)
            if "split" in message:
                split = message["split"]
                self._track.split = float(split) if isinstance(split, int | float) and 0 <= split <= 1 else 0.0
            elif "ping" not in message:
                said = self._broadcast.send(command_in(message))
                if self.sends:
                    self._tell({**self._figures(), "said": said or ""})
        except MessageError as error:
            self._tell({"error": str(error)})

    def _tell_error(self, line: str) -> None:
        self._loop.call_soon_threadsafe(self._tell, {"error": line})

    def _tell(self, message: dict[str, Any]) -> None:
        """Drops what a page does not read: the next figures come soon."""
        channel = self._channel
        if channel is not None and channel.readyState == "open" and channel.bufferedAmount < _MAX_UNSENT_BYTES:
            channel.send(json.dumps(message))


def stay_on_loopback(peer: RTCPeerConnection) -> None:
    """Has a connection use an address that only this machine reaches; before its local description is set.

    Neither aiortc nor aioice has an option for it, so a method of this connection's own object is replaced.
    """
    transports = [transceiver.receiver.transport for transceiver in peer.getTransceivers()]
    if peer.sctp is not None:
        transports.append(peer.sctp.transport)
    for ice_transport in {transport.transport for transport in transports}:
        ice: Any = ice_transport.iceGatherer._connection
        ice.get_component_candidates = partial(_loopback_candidates, ice.get_component_candidates)


async def _loopback_candidates(gather: _Gather, component: int, addresses: list[str]) -> list[aioice.Candidate]:
    return await gather(component, ["127.0.0.1"])
