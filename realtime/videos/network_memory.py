"""Owns finding out before it is too late that a network has not enough memory for an image."""

import math
from collections.abc import Iterable

from realtime.errors import EngineMemoryError
from realtime.look import Look
from realtime.media.image_memory import usable_bytes
from realtime.stroke_size import IMAGE_PIXELS, stylized_size_wh

_PIXEL_BYTES = {"fast": 150, "fine": 240}
_OTHER_PIXEL_BYTES = 700
"""What networks take for each pixel with the engine that takes most, measured."""


def check_network_memory(name: str, size_wh: tuple[int, int], stroke: float, looks: Iterable[Look]) -> None:
    """Checks an image before it is stylized as a whole.

    Args:
        name: for messages: "image a.png".
        size_wh: its width and height in px.
        stroke: as of `stylized_size_wh`.
        looks: whose networks it is stylized with, one after the other.

    Raises:
        EngineMemoryError: there is not enough; the message has numbers that fit.
    """
    pixel_bytes = max(_PIXEL_BYTES.get(look.style.network, _OTHER_PIXEL_BYTES) for look in looks)
    stylized_wh, usable = stylized_size_wh(size_wh, stroke), usable_bytes()
    needed = math.prod(stylized_wh) * pixel_bytes
    if needed <= usable:
        return
    # From IMAGE_PIXELS on, all sizes are stylized at the same one.
    pixels = 0.9 * min(IMAGE_PIXELS, math.prod(size_wh)) * usable / needed
    side = math.floor(max(size_wh) * math.sqrt(pixels / math.prod(size_wh)) / 10) * 10
    raise EngineMemoryError(
        f"{name}: is stylized at {stylized_wh[0]}x{stylized_wh[1]} px, for which the network takes about "
        f"{needed / 1e9:.1f} GB of memory, and {usable / 1e9:.1f} GB can be used; use --engine torch --tile 1024, "
        f"or --max-side {max(16, side)}"
    )
