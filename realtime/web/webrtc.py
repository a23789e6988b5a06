"""Owns WebRTC connections: who is connected, the video of each, and the messages beside it."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from realtime.errors import StyleError
from realtime.frame import Frame
from realtime.style import Style
from realtime.web.broadcast import Broadcast
from realtime.web.messages import MessageError, command_in, is_share, read_message, state_as_json
from realtime.web.offers import Offer, not_accepted
from realtime.web.senders import Sender, SenderStage
from realtime.web.video_coding import CodedVideos
from realtime.web.video_track import StylizedTrack, pixels_of
from realtime.web.visitor_styles import UnknownVisitorError, VisitorStyles
from realtime.web.webrtc_settings import received_bytes, send_coded, stay_on_loopback

MAX_SENT_PIXELS = 1920 * 1088
ONLY_OPERATOR = "only the operator changes the show; send your own camera to choose for yourself"
_MAX_UNSENT_BYTES = 16_384
_CONNECT_S = 6.0
"""After the answer, until the connection must stand."""

_ANSWER_S = 5.0
_SILENT_S = 5.0
"""A browser answers the figures that it is sent, twice a second; who answers nothing for so long has gone."""

_FIGURES_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """What a connection finds around it.

    Attributes:
        senders: stylizes what it sends.
        styles: to choose from: everybody's, and those of visitors.
        loopback: only this machine may connect, as it alone can open the page.
        may_command: it may change what all see.
        has_place: asked when it has connected; it is closed where there is none.
        left: told when it is closed.
    """

    senders: SenderStage
    styles: VisitorStyles
    loopback: bool
    may_command: bool
    has_place: "Callable[[Connection], bool]"
    left: "Callable[[Connection], None]"


class Connection:
    """One browser: it sends its camera and sees that stylized, or it sees the server's own source.

    Args:
        offer: what it wants.
        broadcast: what it sees.
        videos: the same, coded.
        setting: what is around it.

    Attributes:
        sends: it sends its camera.
        stands: it has connected, and counts.
    """

    def __init__(self, offer: Offer, broadcast: Broadcast, videos: CodedVideos, setting: Setting) -> None:
        self.sends, self.stands, self._closed = offer.sends, False, False
        self._offer, self._broadcast, self._setting = offer, broadcast, setting
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._loop = asyncio.get_running_loop()
        self._track = StylizedTrack(videos, offer.codec)
        self._sender = Sender(broadcast.controls, broadcast.publish, self._tell_error)
        self._channel: Any = None
        self._visitor = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self) -> dict[str, str]:
        """Accepts the offer, and returns {"sdp": ..., "type": "answer"}.

        Raises:
            MessageError: it cannot be accepted.
        """
        try:
            return await asyncio.wait_for(self._answer(), _ANSWER_S)
        except Exception as error:
            await self.close()
            raise not_accepted(error) from error

    async def _answer(self) -> dict[str, str]:
        peer = self._peer
        peer.on("connectionstatechange", self._on_state)
        peer.on("datachannel", self._on_channel)
        peer.on("track", self._on_track)
        send_coded(peer, self._track, self._offer.codec, receives=self.sends)
        await peer.setRemoteDescription(RTCSessionDescription(self._offer.sdp, "offer"))
        if self._setting.loopback:
            stay_on_loopback(peer)
        await peer.setLocalDescription(await peer.createAnswer())
        self._start(self._watch())
        local = peer.localDescription
        return {"sdp": local.sdp, "type": local.type}

    async def close(self) -> None:
        """Ends it."""
        if self._closed:
            return
        self._closed = True
        if self.sends:
            self._setting.senders.remove(self._sender)
            self._broadcast.close()
        self._track.stop()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        try:
            await self._peer.close()
        except Exception as error:  # noqa: BLE001  of an offer that aiortc stumbled over, it stumbles over the pieces
            _log.warning("web: a connection could not be closed well: %s", ascii(str(error))[:200])
        finally:
            self._setting.left(self)

    def close_soon(self) -> None:
        """Ends it, and waits for nothing."""
        self._setting.left(self)
        self._start(self.close())

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """Ends the connection when it does not come about, or when the browser is silent."""
        heard, limit_s = -1, time.monotonic() + _CONNECT_S
        while time.monotonic() < limit_s:
            await asyncio.sleep(_FIGURES_S)
            self._tell(self._figures())
            heard_before, heard = heard, await received_bytes(self._peer)
            if self.stands and heard != heard_before:
                self._setting.styles.keep(self._visitor)
                limit_s = time.monotonic() + _SILENT_S
        await self.close()

    def _figures(self) -> dict[str, Any]:
        state = state_as_json(self._broadcast.controls, self._broadcast.stats)
        return {**state, "sends": self.sends, "styles": self._setting.styles.catalogue.version}

    def _on_state(self) -> None:
        state = self._peer.connectionState
        if state == "connected" and not self.stands:
            self.stands = self._setting.has_place(self)
        if state in ("failed", "closed", "disconnected") or (state == "connected" and not self.stands):
            self.close_soon()

    def _on_channel(self, channel: Any) -> None:
        if self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", self.close_soon)

    def _on_track(self, track: MediaStreamTrack) -> None:
        if self.sends and track.kind == "video":
            self._setting.senders.add(self._sender)
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
                self._setting.senders.put(self._sender, Frame(pixels, stats.frames_in, arrived_s, frame.time or 0.0))
                stats.frames_in += 1
        except MediaStreamError:
            pass
        await self.close()

    def _on_message(self, text: str | bytes) -> None:
        try:
            message = read_message(text)
            if "split" in message:
                self._track.split = float(message["split"]) if is_share(message["split"]) else 0.0
            elif "visitor" in message:
                self._visitor = message["visitor"] if isinstance(message["visitor"], str) else ""
            elif "ping" not in message:
                self._command(message)
        except (MessageError, StyleError) as error:
            self._tell({"error": str(error)})

    def _command(self, message: dict[str, Any]) -> None:
        command = command_in(message, self._setting.styles.catalogue, self._own_styles())
        if not (self.sends or self._setting.may_command):
            raise MessageError(ONLY_OPERATOR)
        said = self._broadcast.send(command)
        if self.sends:
            self._tell({**self._figures(), "said": said or ""})

    def _own_styles(self) -> tuple[Style, ...]:
        """Of the visitor; none where they were forgotten, so that other commands still do what they mean."""
        try:
            return self._setting.styles.of(self._visitor)
        except UnknownVisitorError:
            return ()

    def _tell_error(self, line: str) -> None:
        self._loop.call_soon_threadsafe(self._tell, {"error": line})

    def _tell(self, message: dict[str, Any]) -> None:
        """Drops what a page does not read: the next figures come soon."""
        channel = self._channel
        if channel is not None and channel.readyState == "open" and channel.bufferedAmount < _MAX_UNSENT_BYTES:
            channel.send(json.dumps(message))
