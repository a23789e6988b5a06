"""Owns how large images may be, how much memory one will take, and what is said where there is not so much."""

import math
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import psutil
from PIL import Image as Pillow

from realtime.errors import SourceError

_PILLOW_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2}
"""Of a decoded pixel; of all other modes four."""

_DEEP_BYTES = 10
"""More of a pixel with 16 bits, while it is rounded to 8."""

_WHOLE_BYTES = 15
"""More of a pixel that stays: the image, what is stylized of it, and both as they are read and written."""

_ROWS_BYTES = 5
"""More of a pixel of an image that is worked on by its rows: what it becomes, or a copy while it is turned."""

_LEAST_PIXELS_BY_ROWS = 5_000_000
"""Images that are smaller take little memory, and may be stylized at their own size."""

_ALPHA_BYTES = 7
_USED_SHARE = 0.8
"""Of the free memory; the rest is for networks and other programs."""

_CGROUP = Path("/sys/fs/cgroup")

MAX_PIXELS = 2**30


@dataclass(frozen=True)
class ImageLimits:
    """What is decoded; anything beyond is refused by its header, before it takes memory.

    Attributes:
        pixels: width times height, at most.
        side_px: of the longer side, at most; None is any.
        aspect: longer over shorter side, at most; None is any.
    """

    pixels: int = MAX_PIXELS
    side_px: int | None = None
    aspect: float | None = None

    def check(self, name: str, width: int, height: int) -> None:
        """Raises SourceError for an image, called `name`, that says it is larger or longer."""
        said = f"{name}: says that it is {width}x{height} px"
        if width * height > self.pixels:
            raise SourceError(f"{said}; at most {self.pixels / 1e6:.0f} megapixels are read")
        if self.side_px is not None and max(width, height) > self.side_px:
            raise SourceError(f"{said}; each side may be at most {self.side_px} px")
        if self.aspect is not None and max(width, height) > self.aspect * max(1, min(width, height)):
            raise SourceError(f"{said}; one side may be at most {self.aspect:.0f} times the other")


class Reading(Enum):
    """How an image is read: as it is, shrunk while it is decoded, or to be worked on by its rows."""

    WHOLE = auto()
    SHRUNK = auto()
    BY_ROWS = auto()


@dataclass(frozen=True)
class ImageNeeds:
    """What is known of an image before it is decoded.

    Attributes:
        name: for messages: "image a.png".
        size_wh: width and height in px.
        decoded: bytes of a decoded pixel, while nothing is made of it.
        kept: more bytes of each pixel that stays.
    """

    name: str
    size_wh: tuple[int, int]
    decoded: int
    kept: int

    @property
    def whole_bytes(self) -> int:
        """What it takes without being shrunk."""
        return math.prod(self.size_wh) * (self.decoded + self.kept)

    @property
    def whole_line(self) -> str:
        """Why it is worked on in parts, for people."""
        width, height = self.size_wh
        return (
            f"{self.name}: is stylized in parts; as a whole its {width}x{height} px would take about "
            f"{self.whole_bytes / 1e9:.1f} GB, more than is comfortably free"
        )

    def check(self, max_side_px: int | None, by_rows: bool = False) -> Reading:
        """How it is to be read; the whole must fit comfortably.

        Args:
            max_side_px: what it will be shrunk to; None is its size.
            by_rows: whether the caller can work on its rows.

        Raises:
            SourceError: there is not enough memory for any of it.
        """
        usable = usable_bytes()
        if self.whole_bytes <= usable / 2:
            return Reading.WHOLE
        pixels, side = math.prod(self.size_wh), max(self.size_wh)
        if max_side_px is not None and side >= 2 * max_side_px:
            needed = pixels * (self.decoded + 4 * (max_side_px / side) ** 2 * self.kept)
            reading = Reading.SHRUNK
        elif by_rows and pixels > _LEAST_PIXELS_BY_ROWS and (max_side_px is None or side <= max_side_px):
            needed, reading = float(pixels * (self.decoded + _ROWS_BYTES)), Reading.BY_ROWS
        else:
            needed, reading = float(self.whole_bytes), Reading.WHOLE
        if needed <= usable:
            return reading
        width, height = self.size_wh
        raise SourceError(
            f"{self.name}: its {width}x{height} px would take about {needed / 1e9:.1f} GB of memory, and "
            f"{usable / 1e9:.1f} GB can be used; {self._advice(usable)}"
        )

    def _advice(self, usable: float) -> str:
        room = usable / math.prod(self.size_wh) - self.decoded
        if room <= 0:
            return "shrink it with another program, or close others"
        side = math.floor(max(self.size_wh) * min(0.5, math.sqrt(room / (4 * self.kept))) / 100) * 100
        return f"use --max-side {max(side, 100)} or less, or close other programs"


def image_needs(name: str, opened: Pillow.Image) -> ImageNeeds:
    """What an image takes that Pillow has opened and not decoded."""
    deep = opened.mode.startswith("I") or opened.mode == "F" or opened.format == "TIFF"
    decoded = _PILLOW_BYTES.get(opened.mode, 4) + (_DEEP_BYTES if deep else 0)
    alpha = _ALPHA_BYTES if "A" in opened.getbands() or "transparency" in opened.info else 0
    return ImageNeeds(name, opened.size, decoded, _WHOLE_BYTES + alpha)


def usable_bytes() -> float:
    """What of the free memory may be taken."""
    return _USED_SHARE * available_bytes()


def available_bytes() -> int:
    """The memory that is free for this process, in a container that of the container."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return free
    return min(free, max(0, int(limit) - used)) if limit.isdecimal() else free


def shrunk_while_converted(image: Pillow.Image, max_side_px: int) -> Pillow.Image:
    """A decoded image at the largest whole fraction of its size that is at least as large as wanted.

    It is made strip by strip, because converting the whole would take several times its memory.

    Args:
        image: of any mode.
        max_side_px: what the longer side will be shrunk to afterwards.
    """
    factor = max(image.size) // max_side_px
    if factor < 2:
        return image
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    mode = image.mode if image.mode in ("RGB", "CMYK", "L") and not has_alpha else "RGBA" if has_alpha else "RGB"
    width, height = image.size
    shrunk = Pillow.new(mode, (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, 2**22 // (factor * width))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height))).convert(mode)
        shrunk.paste(strip.reduce(factor), (0, top // factor))
    shrunk.info.update({key: image.info[key] for key in ("icc_profile", "exif") if key in image.info})
    return shrunk
