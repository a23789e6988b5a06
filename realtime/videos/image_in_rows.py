"""Owns stylizing an image that fits into memory only once: enlarged and finished a few rows at a time."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from PIL import Image as Pillow

from realtime.frame import Image
from realtime.look import Look
from realtime.media.image_rows import Canvas, ImageRows
from realtime.postprocess import Finisher
from realtime.upsampling import Strip, Upsampling


def enlarge_in_rows(image: ImageRows, upsampling: Upsampling, look: Look, canvas: Canvas) -> Pillow.Image:
    """Brings a stylized image back to the size of its image.

    Args:
        image: at full size.
        upsampling: of the stylized image to the same size.
        look: what it was made with; its smoothing counts for nothing.
        canvas: of the same size; may be the image itself.
    """
    still = replace(look, smoothing=0.0)

    def made(strip: Strip, seen: Image) -> Image:
        own = seen[strip.first - strip.seen_first : strip.last - strip.seen_first]
        return Finisher().finish(upsampling.enlarged(strip, seen), own, still)

    count = os.cpu_count() or 1
    waiting: deque[tuple[Strip, Future[Image]]] = deque()

    def fill_one() -> None:
        strip, pixels = waiting.popleft()
        canvas.fill(strip.first, pixels.result())

    with ThreadPoolExecutor(count) as threads:
        for strip in upsampling.strips():
            seen = image.pixels(strip.seen_first, strip.seen_last)
            waiting.append((strip, threads.submit(made, strip, seen)))
            if len(waiting) > count:  # at least two: a strip is filled after the next one has seen it
                fill_one()
        while waiting:
            fill_one()
    return canvas.filled()
