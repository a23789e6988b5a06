"""Owns what happens to a stylized image between engine and sinks, with what it must remember of the one before.

Must not know engines, sinks or threads.
"""

from realtime import postprocess
from realtime.controls import Look
from realtime.frame import Image


class Finisher:
    """Smooths, keeps colours and fades stylized images of one video or camera, as a look asks for.

    Attributes:
        smoothed: what smoothing remembers of the last stylized image; None where it begins anew.
    """

    def __init__(self) -> None:
        self.smoothed: postprocess.Smoothed | None = None
        self._look: tuple[object, ...] = ()

    def go_on(self, smoothed: postprocess.Smoothed | None, look: Look) -> None:
        """Sets what is remembered, as if the stylized image before had come through here."""
        self.smoothed, self._look = smoothed, _kept(look)

    def finish(self, pixels: Image, original: Image, look: Look) -> Image:
        """Gives the image to show.

        Args:
            pixels: uint8 (H, W, 3) RGB, the stylized image as the engine gave it.
            original: uint8 (H, W, 3) RGB, what it was made from.
            look: what it was made with; another style, strength or side begins the smoothing anew.
        """
        if look.smoothing > 0.0:
            previous = self.smoothed if _kept(look) == self._look else None
            self.smoothed = postprocess.smooth(pixels, original, look.smoothing, previous)
            self._look, pixels = _kept(look), self.smoothed.pixels
        if look.keep_colors:
            pixels = postprocess.keep_colors(original, pixels)
        return pixels if look.style.fades_by_vector else postprocess.fade(original, pixels, look.strength)


def _kept(look: Look) -> tuple[object, ...]:
    return look.style, look.strength, look.mirror
