"""Owns WebRTC: who is connected, the video that goes in and out, and the messages beside it.

Must not know HTTP, nor how frames are stylized.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import aioice.ice
import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.codecs import h264, vpx
from aiortc.mediastreams import MediaStreamError

from realtime.controls import Command, Controls
from realtime.frame import Image
from realtime.stats import Stats
from realtime.web.broadcast import Broadcast
from realtime.web.messages import MessageError, command_in, read_message, state_as_json
from realtime.web.senders import Sender, SentFrame, Studio

MAX_PEERS = 8
MAX_OFFER_CHARACTERS = 64_000
MAX_SENT_PIXELS = 1920 * 1088
_CONNECT_S = 15.0
_SILENT_S = 20.0
_FIGURES_S = 0.5
_CLOCK_HZ = 90_000

_log = logging.getLogger(__name__)

# Stylized images are all edges: what these libraries take for a talking head is a blur here.
vpx.DEFAULT_BITRATE = h264.DEFAULT_BITRATE = 3_000_000
vpx.MIN_BITRATE = h264.MIN_BITRATE = 1_000_000
vpx.MAX_BITRATE = h264.MAX_BITRATE = 12_000_000

Send = Callable[[Command], None]


class OfferError(Exception):
    """An offer that cannot be accepted; the text says why."""


class PeersFullError(Exception):
    """No further connection is taken now."""


@dataclass(frozen=True)
class Show:
    """The server's own source, that all viewers see.

    Attributes:
        controls: its settings.
        send: takes viewers' commands.
        stats: its figures.
    """

    controls: Controls
    send: Send
    stats: Stats


def stay_on_loopback() -> None:
    """From now on media goes over addresses that only this machine reaches, as the page does."""
    aioice.ice.get_host_addresses = _loopback_addresses


def _loopback_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return ["127.0.0.1"] if use_ipv4 else []


class _StylizedTrack(VideoStreamTrack):
    """The newest image of a broadcast; what the encoder has no time for is left out.

    Attributes:
        split: what is left of this share of the width shows the original; for comparing.
    """

    def __init__(self, broadcast: Broadcast) -> None:
        super().__init__()
        self.split = 0.0
        self._broadcast, self._shown, self._start_s = broadcast, 0, time.perf_counter()

    async def recv(self) -> av.VideoFrame:
        """Waits for an image that was not shown yet."""
        image = await self._broadcast.newer(self._shown)
        if image is None or self.readyState != "live":
            self.stop()
            raise MediaStreamError
        self._shown = image.number
        frame = av.VideoFrame.from_ndarray(_compared(image.original, image.pixels, self.split), "rgb24")
        frame.pts = round((time.perf_counter() - self._start_s) * _CLOCK_HZ)
        frame.time_base = Fraction(1, _CLOCK_HZ)
        return frame


def _compared(original: Image, stylized: Image, split: float) -> Image:
    """The stylized image with the original on its left; sides are made even, as the codecs need them."""
    height, width = (side // 2 * 2 for side in stylized.shape[:2])
    edge = round(split * width)
    if edge == 0:
        return np.ascontiguousarray(stylized[:height, :width])
    return np.concatenate([original[:height, :edge], stylized[:height, edge:width]], axis=1)


class Peers:
    """All connections.

    Args:
        studio: stylizes what senders send.
        make_controls: settings of a new sender.
        show: the server's own source.
        show_broadcast: its images.
    """

    def __init__(
        self, studio: Studio, make_controls: Callable[[], Controls], show: Show, show_broadcast: Broadcast
    ) -> None:
        self._studio, self._make_controls, self._show, self._show_broadcast = (
            studio,
            make_controls,
            show,
            show_broadcast,
        )
        self._peers: set[_Peer] = set()

    @property
    def viewers(self) -> int:
        """How many watch the server's own source."""
        return sum(not peer.sends for peer in self._peers)

    @property
    def count(self) -> int:
        """How many are connected."""
        return len(self._peers)

    async def answer(self, offer: dict[str, Any]) -> dict[str, str]:
        """Accepts {"sdp": ..., "mode": "send" or "view"}, and returns {"sdp": ..., "type": "answer"}.

        Raises:
            OfferError: it is malformed.
            PeersFullError: there are too many already.
        """
        sdp, mode = offer.get("sdp"), offer.get("mode")
        if mode not in ("send", "view"):
            raise OfferError('mode: must be "send" or "view"')
        if not isinstance(sdp, str) or not sdp.startswith("v=0") or len(sdp) > MAX_OFFER_CHARACTERS:
            raise OfferError(f"sdp: must be a session description of at most {MAX_OFFER_CHARACTERS} characters")
        if len(self._peers) >= MAX_PEERS:
            raise PeersFullError
        peer = _Peer(self._studio, self._make_controls() if mode == "send" else None, self._show, self._show_broadcast)
        self._peers.add(peer)
        peer.when_closed = self._peers.discard
        try:
            return await peer.answer(sdp)
        except OfferError:
            await peer.close()
            raise
        except Exception as error:
            await peer.close()
            raise OfferError(f"sdp: cannot be accepted ({type(error).__name__}: {error})") from error

    async def close(self) -> None:
        """Ends all connections."""
        await asyncio.gather(*(peer.close() for peer in list(self._peers)))


class _Peer:
    """One browser: it sends its camera and sees that stylized, or sees the server's own source."""

    def __init__(self, studio: Studio, controls: Controls | None, show: Show, show_broadcast: Broadcast) -> None:
        self.sends = controls is not None
        self.when_closed: Callable[[_Peer], None] = lambda _: None
        self._studio, self._show, self._controls = studio, show, controls
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._loop = asyncio.get_running_loop()
        self._broadcast = Broadcast(self._loop) if controls is not None else show_broadcast
        self._stats = Stats() if controls is not None else show.stats
        self._track = _StylizedTrack(self._broadcast)
        self._sender = Sender(controls, self._publish, self._tell_error) if controls is not None else None
        self._channel: Any = None
        self._heard_s = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def answer(self, sdp: str) -> dict[str, str]:
        connection = self._connection
        connection.on("connectionstatechange", self._on_state)
        connection.on("datachannel", self._on_channel)
        connection.on("track", self._on_track)
        await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        video = [transceiver for transceiver in connection.getTransceivers() if transceiver.kind == "video"]
        if len(video) != 1 or len(connection.getTransceivers()) != 1:
            raise OfferError("sdp: must offer exactly one video stream, and nothing else but a data channel")
        video[0].sender.replaceTrack(self._track)
        video[0].direction = "sendrecv" if self.sends else "sendonly"
        await connection.setLocalDescription(await connection.createAnswer())
        self._start(self._watch())
        local = connection.localDescription
        return {"sdp": local.sdp, "type": local.type}

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._sender is not None:
            self._studio.remove(self._sender)
            self._broadcast.close()
        self._track.stop()
        current = asyncio.current_task()
        for task in self._tasks - {current}:
            task.cancel()
        try:
            await self._connection.close()
        finally:
            self.when_closed(self)

    def _start(self, coroutine: Any) -> None:
        task: asyncio.Task[None] = self._loop.create_task(coroutine)
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
        return {**state_as_json(self._controls or self._show.controls, self._stats), "sends": self.sends}

    def _on_state(self) -> None:
        if self._connection.connectionState in ("failed", "closed", "disconnected"):
            self._start(self.close())

    def _on_channel(self, channel: Any) -> None:
        if self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", lambda: self._start(self.close()))

    def _on_track(self, track: MediaStreamTrack) -> None:
        if self._sender is not None and track.kind == "video":
            self._studio.add(self._sender)
            self._start(self._receive(track))

    async def _receive(self, track: MediaStreamTrack) -> None:
        """The browser's frames to the studio; the newest replaces one that still waits."""
        assert self._sender is not None
        try:
            while True:
                frame = await track.recv()
                if not isinstance(frame, av.VideoFrame):
                    continue
                if frame.width * frame.height > MAX_SENT_PIXELS:
                    self._tell({"error": f"the camera sends {frame.width}x{frame.height}; choose a smaller size"})
                    break
                arrived_s = time.perf_counter()
                pixels = await self._loop.run_in_executor(None, _pixels_of, frame)
                self._stats.frames_in += 1
                self._studio.put(self._sender, SentFrame(pixels, arrived_s))
        except MediaStreamError:
            pass
        await self.close()

    def _publish(self, original: Image, stylized: Image, capture_time_s: float) -> None:
        self._broadcast.publish(original, stylized)
        self._stats.frame_out(capture_time_s)

    def _on_message(self, text: Any) -> None:
        self._heard_s = time.monotonic()
        try:
            message = read_message(text if isinstance(text, str) else "")
            if "split" in message:
                split = message["split"]
                self._track.split = float(split) if isinstance(split, int | float) and 0 <= split <= 1 else 0.0
            elif "ping" not in message:
                self._carry_out(command_in(message))
        except MessageError as error:
            self._tell({"error": str(error)})

    def _carry_out(self, command: Command) -> None:
        if self._controls is None:
            self._show.send(command)
            return
        words = self._controls.apply(command)
        self._tell({**self._figures(), "said": words or ""})

    def _tell_error(self, line: str) -> None:
        self._loop.call_soon_threadsafe(self._tell, {"error": line})

    def _tell(self, message: dict[str, Any]) -> None:
        """Drops what a page does not read: the next figures come soon."""
        if self._channel is not None and self._channel.readyState == "open" and self._channel.bufferedAmount < 16_384:
            self._channel.send(json.dumps(message))


def _pixels_of(frame: av.VideoFrame) -> Image:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
