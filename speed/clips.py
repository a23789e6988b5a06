"""Owns the frames that are stylized: a clip cut and scaled to the sizes that are measured."""

from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.frame import Image
from realtime.media.codecs import ENCODERS
from realtime.media.resize import resize
from realtime.media.video_reader import VideoReader
from realtime.media.video_writer import VideoWriter

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
    reader = VideoReader(source)
    video_format = replace(reader.info, size_wh=size_wh)
    writer = VideoWriter(target, ENCODERS["h264"], video_format, f"video {target}")
    for frame in islice(reader.frames(), _FRAMES):
        writer.write(fill(frame.pixels, size_wh), frame.time, frame.duration)
    writer.close()
    reader.close()


def first_frames(clip: Path, size_wh: tuple[int, int], count: int) -> NDArray[np.uint8]:
    """The first frames of a clip, again from its first when it is shorter: uint8 (count, H, W, 3) RGB.

    Raises:
        SourceError: it cannot be read.
    """
    reader = VideoReader(clip)
    frames = [fill(frame.pixels, size_wh) for frame in islice(reader.frames(), count)]
    reader.close()
    return np.stack(list(islice(cycle(frames), count)))


def fill(pixels: Image, size_wh: tuple[int, int]) -> Image:
    """Cuts the middle to a shape and scales it; uint8 (H, W, 3) RGB in and out."""
    (height, width), (wanted_width, wanted_height) = pixels.shape[:2], size_wh
    if (width, height) == size_wh:
        return pixels
    scale = max(wanted_width / width, wanted_height / height)
    cut_width, cut_height = min(width, round(wanted_width / scale)), min(height, round(wanted_height / scale))
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    middle = pixels[top : top + max(1, cut_height), left : left + max(1, cut_width)]
    return resize(middle, size_wh)
