"""Owns stylized images as a WebRTC video track, and frames of a browser's track as pixels."""

import time
from fractions import Fraction

import av
import numpy as np
from aiortc import VideoStreamTrack
from aiortc.codecs import h264, vpx
from aiortc.mediastreams import MediaStreamError

from realtime.frame import Image
from realtime.sinks.protocol import StylizedFrame
from realtime.web.broadcast import Broadcast

_CLOCK_HZ = 90_000

# Stylized images are all edges, and blur at the bit rates that aiortc allows for faces. It has no option
# for them: its encoders read these constants, and `RTCRtpSender` makes the encoders where nothing reaches them.
vpx.MIN_BITRATE = h264.MIN_BITRATE = 1_000_000
vpx.DEFAULT_BITRATE = h264.DEFAULT_BITRATE = 3_000_000
vpx.MAX_BITRATE = h264.MAX_BITRATE = 12_000_000


class StylizedTrack(VideoStreamTrack):
    """The newest frame of a broadcast; frames that the encoder has no time for are left out.

    Attributes:
        split: the original is shown left of this share of the width, for comparison.
    """

    def __init__(self, broadcast: Broadcast) -> None:
        super().__init__()
        self.split = 0.0
        self._broadcast, self._start_s = broadcast, time.perf_counter()
        self._shown: StylizedFrame | None = None

    async def recv(self) -> av.VideoFrame:
        """Waits for a frame that was not shown yet."""
        stylized = self._shown = await self._broadcast.newer(self._shown)
        if stylized is None or self.readyState != "live":
            self.stop()
            raise MediaStreamError
        frame = av.VideoFrame.from_ndarray(_compared(stylized.frame.pixels, stylized.pixels, self.split), "rgb24")
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


def pixels_of(frame: av.VideoFrame) -> Image:
    """Uint8 (H, W, 3) RGB of a frame that a browser sent."""
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
