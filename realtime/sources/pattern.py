"""The moving test pattern: a source that needs no camera and no file."""

import time

import cv2
import numpy as np

from realtime.frame import Frame, Image
from realtime.sources.clock import Pacer
from realtime.sources.protocol import SourceInfo

DEFAULT_SIZE_WH = (640, 480)
_STEP_PX = 4


class PatternSource:
    """A wide image of colours and shapes that moves past, four pixels a frame.

    Args:
        size_wh: width and height in px.
        paced: give 30 frames a second, instead of as many as are read.

    Attributes:
        info: see `Source.info`.
    """

    def __init__(self, size_wh: tuple[int, int] = DEFAULT_SIZE_WH, paced: bool = True) -> None:
        self.info = SourceInfo("test pattern", size_wh, 30.0, can_pause=True)
        self._panorama = _draw_panorama(*size_wh)
        self._pacer = Pacer(paced)
        self._index = 0

    def read(self) -> Frame | None:
        """See `Source.read`; the pattern never ends by itself."""
        media_time_s = self._index / self.info.rate_fps
        if not self._pacer.wait_until_due(media_time_s):
            return None
        width = self.info.size_wh[0]
        left = self._index * _STEP_PX % (self._panorama.shape[1] - width)
        pixels = np.ascontiguousarray(self._panorama[:, left : left + width])
        frame = Frame(pixels, self._index, time.perf_counter(), media_time_s)
        self._index += 1
        return frame

    def close(self) -> None:
        """See `Source.close`."""
        self._pacer.stop()


def _draw_panorama(width: int, height: int) -> Image:
    """Colours that change slowly, under bars, discs and rings; the right end repeats the left."""
    length = 3 * width // _STEP_PX * _STEP_PX or _STEP_PX
    x = np.linspace(0, 6 * np.pi, length, endpoint=False)[None, :]
    y = np.linspace(0, np.pi, height)[:, None]
    planes = [127 + 100 * np.sin(x * k + phase) * np.cos(y * 0.7) + 0 * y for k, phase in ((1, 0), (2, 2), (1, 4))]
    image = np.ascontiguousarray(np.stack(planes, axis=2).clip(0, 255).astype(np.uint8))
    rng = np.random.default_rng(7)
    for _ in range(24):
        centre = (int(rng.integers(length)), int(rng.integers(height)))
        colour = [int(value) for value in rng.integers(0, 256, 3)]
        radius = max(1, int(height * rng.uniform(0.04, 0.16)))
        cv2.circle(image, centre, radius, colour, -1 if rng.random() < 0.5 else max(1, radius // 4), cv2.LINE_AA)
    for start in range(0, length, max(8, width // 3)):
        image[:, start : start + max(1, width // 80)] = 245
    return np.concatenate([image, image[:, :width]], axis=1)
