"""Owns the frames that are stylized: a clip cut and scaled to the sizes that are measured.

Must not know engines.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.frame import Frame, Image
from realtime.sinks.protocol import StylizedFrame
from realtime.sinks.video_file import VideoFileSink
from realtime.sources.video_file import VideoFileSource

_FRAMES = 60


def write_clip(source: Path, size_wh: tuple[int, int], target: Path) -> None:
    """Writes the first two seconds or so of a clip as H.264 in exactly some size, for end-to-end runs.

    Args:
        source: any video file; its middle is taken where it has another shape.
        size_wh: width and height in px; an odd side becomes even, as H.264 has it.
        target: an `.mp4`.

    Raises:
        SourceError: it cannot be read.
        SinkError: it cannot be written.
    """
    reader = VideoFileSource(source, source.name, paced=False)
    sink = VideoFileSink(target, reader.info.rate_fps)
    for _ in range(_FRAMES):
        frame = reader.read()
        if frame is None:
            break
        pixels = fill(frame.pixels, size_wh)
        sink.write(StylizedFrame(Frame(pixels, frame.index, frame.capture_time_s, frame.media_time_s), pixels, pixels))
    sink.close()
    reader.close()


def first_frames(clip: Path, size_wh: tuple[int, int], count: int) -> NDArray[np.uint8]:
    """The first frames of a clip, again from its first when it is shorter: uint8 (count, H, W, 3) RGB.

    Raises:
        SourceError: it cannot be read.
    """
    reader = VideoFileSource(clip, clip.name, paced=False, loop=True)
    frames: list[Image] = []
    while len(frames) < count and (frame := reader.read()) is not None:
        frames.append(fill(frame.pixels, size_wh))
    reader.close()
    return np.stack(frames)


def fill(pixels: Image, size_wh: tuple[int, int]) -> Image:
    """Cuts the middle to a shape and scales it; uint8 (H, W, 3) RGB in and out."""
    (height, width), (wanted_width, wanted_height) = pixels.shape[:2], size_wh
    if (width, height) == size_wh:
        return pixels
    scale = max(wanted_width / width, wanted_height / height)
    cut_width, cut_height = min(width, round(wanted_width / scale)), min(height, round(wanted_height / scale))
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    middle = pixels[top : top + max(1, cut_height), left : left + max(1, cut_width)]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(middle, size_wh, interpolation=way), np.uint8)
