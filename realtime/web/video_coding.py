"""Owns coding stylized images for browsers: once for all who see the same, at one of a few rates."""

import asyncio
import time
from fractions import Fraction
from functools import partial
from typing import TypeAlias

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from realtime.frame import Image
from realtime.sinks.protocol import StylizedFrame
from realtime.web.broadcast import Broadcast

Packet: TypeAlias = "av.Packet[av.VideoStream]"
"""Of coded video."""

RATES_BPS = (1_000_000, 2_000_000, 3_000_000, 5_000_000, 8_000_000, 12_000_000)
"""Of videos. Stylized images are all edges, and blur at the rates that are usual for faces."""

FIRST_RATE_BPS = 3_000_000
"""Before a browser has said how much reaches it."""

_CLOCK_HZ = 90_000
_ORIGIN_S = time.perf_counter()
_KEY_INTERVAL_S = 0.5
"""Whoever asks for a whole image more often waits: it costs all others sharpness."""

_MAX_WAITING = 8
"""Packets. Who falls further behind goes on with the next whole image."""

_FASTEST_FPS = 30
_OPTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "VP8": (
        "libvpx",
        {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "static-thresh": "1"},
    ),
    "H264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline"}),
}


class Seat:
    """What one viewer has yet to be sent of a coded video.

    Attributes:
        packets: in order; None is the end.
        needs_key: nothing can be shown before the next whole image.
    """

    def __init__(self) -> None:
        self.packets: asyncio.Queue[Packet | None] = asyncio.Queue()
        self.needs_key = True

    def put(self, packet: Packet) -> bool:
        """Adds a packet, unless it cannot be shown; False when a whole image is needed."""
        if self.packets.qsize() >= _MAX_WAITING:
            while not self.packets.empty():
                self.packets.get_nowait()
            self.needs_key = True
        if self.needs_key and not packet.is_keyframe:
            return False
        self.needs_key = False
        self.packets.put_nowait(packet)
        return True


class CodedVideo:
    """A broadcast, coded once for all who want it at the same rate and with the same comparison.

    Args:
        broadcast: whose frames; those that the coder has no time for are left out.
        codec: "VP8" or "H264".
        rate_bps: bits per second, at most.
        split: the original is shown left of this share of the width.
    """

    def __init__(self, broadcast: Broadcast, codec: str, rate_bps: int, split: float) -> None:
        self._broadcast, self._split = broadcast, split
        self._coder = _Coder(codec, rate_bps)
        self._seats: set[Seat] = set()
        self._key_wanted, self._key_s = True, 0.0
        self._task: asyncio.Task[None] | None = None

    def join(self) -> Seat:
        """Begins to be sent to somebody."""
        seat = Seat()
        self._seats.add(seat)
        self._key_wanted = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._code())
        return seat

    def leave(self, seat: Seat) -> bool:
        """Is sent to them no more; True when nobody is left, and the coding has ended."""
        self._seats.discard(seat)
        if not self._seats and self._task is not None:
            self._task.cancel()
        return not self._seats

    def want_key(self) -> None:
        """Makes the next image a whole one, soon."""
        self._key_wanted = True

    async def _code(self) -> None:
        loop, shown = asyncio.get_running_loop(), None
        try:
            while (shown := await self._broadcast.newer(shown)) is not None:
                is_key = self._key_wanted and time.monotonic() - self._key_s >= _KEY_INTERVAL_S
                coded = partial(self._coder.code, shown, self._split, is_key)
                self._send(await loop.run_in_executor(None, coded))
        finally:
            for seat in self._seats:
                seat.packets.put_nowait(None)

    def _send(self, packets: list[Packet]) -> None:
        for packet in packets:
            if packet.is_keyframe:
                self._key_wanted, self._key_s = False, time.monotonic()
            behind = [seat for seat in self._seats if not seat.put(packet)]
            self._key_wanted = self._key_wanted or bool(behind)


class CodedVideos:
    """The coded videos of one broadcast; each begins with its first viewer and ends with its last.

    Args:
        broadcast: whose frames.
    """

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._videos: dict[tuple[str, int, float], CodedVideo] = {}

    def join(self, codec: str, rate_bps: int, split: float) -> tuple[CodedVideo, Seat]:
        """A seat before the video that is coded so."""
        key = codec, rate_bps, split
        if key not in self._videos:
            self._videos[key] = CodedVideo(self._broadcast, codec, rate_bps, split)
        return self._videos[key], self._videos[key].join()

    def leave(self, video: CodedVideo, seat: Seat) -> None:
        """Gives a seat back."""
        if video.leave(seat):
            self._videos = {key: each for key, each in self._videos.items() if each is not video}


class _Coder:
    """Codes images, one after the other; another size begins anew."""

    def __init__(self, codec: str, rate_bps: int) -> None:
        self._codec, self._rate_bps = codec, rate_bps
        self._context: VideoCodecContext | None = None

    def code(self, stylized: StylizedFrame, split: float, is_key: bool) -> list[Packet]:
        pixels = compared(stylized.frame.pixels, stylized.pixels, split)
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
        frame.pts = round((time.perf_counter() - _ORIGIN_S) * _CLOCK_HZ)
        frame.time_base = Fraction(1, _CLOCK_HZ)
        if is_key:
            frame.pict_type = av.video.frame.PictureType.I
        if self._context is None or (self._context.width, self._context.height) != (frame.width, frame.height):
            self._context = self._open(frame.width, frame.height)
        packets = self._context.encode(frame)
        for packet in packets:
            packet.time_base = Fraction(1, _CLOCK_HZ)
        return packets

    def _open(self, width: int, height: int) -> VideoCodecContext:
        name, options = _OPTIONS[self._codec]
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, _CLOCK_HZ), Fraction(_FASTEST_FPS)
        context.bit_rate = self._rate_bps
        context.gop_size = 3000  # whole images come when somebody needs one
        context.qmin, context.qmax = 2, 56
        rate = str(self._rate_bps)  # in one second no more than the rate, or packets would pile up on their way
        constant = {"minrate": rate} if name == "libvpx" else {}
        context.options = {**options, **constant, "maxrate": rate, "bufsize": rate}
        context.thread_count = 1
        return context


def compared(original: Image, stylized: Image, split: float) -> Image:
    """The stylized image with the original on its left; sides are made even, as the codecs need them."""
    height, width = (side // 2 * 2 for side in stylized.shape[:2])
    edge = round(split * width)
    if edge == 0:
        return np.ascontiguousarray(stylized[:height, :width])
    return np.concatenate([original[:height, :edge], stylized[:height, edge:width]], axis=1)
