"""Owns a WebRTC video track of coded stylized images, and frames of a browser's track as pixels."""

import time

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from realtime.frame import Image
from realtime.web.video_coding import FIRST_RATE_BPS, RATES_BPS, CodedVideo, CodedVideos, Packet, Seat

_SPLIT_STEPS = 200
"""Places of the comparison's edge: who stand at the same one share a coded video."""

_MORE = 1.15
_RAISE_EVERY_S = 2.0
"""A rate is raised only where so much more reaches a browser, and seldom: each change costs a whole image."""


class StylizedTrack(MediaStreamTrack):
    """The images of a broadcast for one browser, coded together with those of others who see the same.

    Args:
        videos: of the broadcast.
        codec: "VP8" or "H264".

    Attributes:
        split: the original is shown left of this share of the width, for comparison.
    """

    kind = "video"

    def __init__(self, videos: CodedVideos, codec: str) -> None:
        super().__init__()
        self.split = 0.0
        self._videos, self._codec = videos, codec
        self._rate_bps, self._changed_s = FIRST_RATE_BPS, 0.0
        self._wanted: tuple[int, float] | None = None
        self._joined: tuple[CodedVideo, Seat] | None = None

    async def recv(self) -> Packet:
        """Waits for the next packet; `RTCRtpSender` sends a packet as it is."""
        while self.readyState == "live":
            wanted = self._rate_bps, round(self.split * _SPLIT_STEPS) / _SPLIT_STEPS
            if self._joined is None or wanted != self._wanted:
                self._leave()
                self._wanted, self._joined = wanted, self._videos.join(self._codec, *wanted)
            packet = await self._joined[1].packets.get()
            if packet is None:
                break
            return packet
        self.stop()
        raise MediaStreamError

    def want_key(self) -> None:
        """The browser asks for a whole image."""
        if self._joined is not None:
            self._joined[0].want_key()

    def can_receive(self, rate_bps: int) -> None:
        """The browser estimates that so much reaches it."""
        fitting = max((rate for rate in RATES_BPS if rate <= rate_bps), default=RATES_BPS[0])
        raises = fitting > self._rate_bps
        if raises:
            fitting = max((rate for rate in RATES_BPS if rate * _MORE <= rate_bps), default=RATES_BPS[0])
        now_s = time.monotonic()
        if fitting < self._rate_bps or (fitting > self._rate_bps and now_s - self._changed_s > _RAISE_EVERY_S):
            self._rate_bps, self._changed_s = fitting, now_s

    def stop(self) -> None:
        """See `MediaStreamTrack.stop`."""
        self._leave()
        super().stop()

    def _leave(self) -> None:
        if self._joined is not None:
            video, seat = self._joined
            self._joined = None
            seat.packets.put_nowait(None)
            self._videos.leave(video, seat)


def pixels_of(frame: av.VideoFrame) -> Image:
    """Uint8 (H, W, 3) RGB of a frame that a browser sent."""
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
