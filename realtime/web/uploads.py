"""Owns images that visitors upload: decoded within limits, stylized, given back as PNG."""

import threading
from dataclasses import dataclass, replace
from functools import cache

from realtime.flow import EngineStage
from realtime.frame import Image
from realtime.look import Look
from realtime.media.image_file import KINDS, ImageLimits, StillImage, decode_still, encode_still
from realtime.media.resize import resize
from realtime.media.video_reader import VideoReader
from realtime.postprocess import Finisher
from realtime.sources.selection import SAMPLE_CLIP
from realtime.style import Style

MAX_UPLOAD_BYTES = 32 * 2**20
UPLOAD_LIMITS = ImageLimits(pixels=24_000_000, side_px=16384, aspect=32)
_SMALL_SIDE_PX = 640
_THUMBNAIL_WH = (160, 120)


class LeftError(Exception):
    """Nobody waits for this work any more."""


@dataclass(frozen=True)
class Upload:
    """An uploaded image.

    Attributes:
        content: of its file.
        size_wh: in px, upright.
        small: the same for previews.
    """

    content: bytes
    size_wh: tuple[int, int]
    small: StillImage

    @property
    def size_bytes(self) -> int:
        """What it takes to keep it."""
        return len(self.content) + self.small.pixels.nbytes


def read_upload(content: bytes) -> Upload:
    """Decodes an uploaded file, to learn whether it is an image that is taken.

    Raises:
        SourceError: it is damaged, too large, or of a kind that is not taken.
    """
    still = _decoded(content)
    small = still.shrunk(_SMALL_SIDE_PX)
    return Upload(content, (still.pixels.shape[1], still.pixels.shape[0]), small)


def stylize_upload(
    upload: Upload, stage: EngineStage[None], look: Look, max_side_px: int | None, left: threading.Event
) -> bytes:
    """Stylizes an uploaded image.

    Args:
        upload: the image.
        stage: what stylizes.
        look: style and strength.
        max_side_px: shrink it first, for a preview; None keeps its size.
        left: set when nobody waits for the result any more.

    Returns:
        A PNG file of the same size, transparent where the image is. Strokes are relative to the image.

    Raises:
        EngineError: it cannot be stylized.
        LeftError: nobody waits for it.
    """
    fits = max_side_px is not None and max_side_px <= max(upload.small.pixels.shape[:2])
    _check(left)
    still = (upload.small if fits else _decoded(upload.content)).shrunk(max_side_px)
    _check(left)
    stylized = stage.stylize(still.pixels[None], look.style, look.strength)[0]
    _check(left)
    finished = replace(still, pixels=Finisher().finish(stylized, still.pixels, look))
    del still, stylized
    _check(left)
    return encode_still(finished, ".png")


def _decoded(content: bytes) -> StillImage:
    return decode_still(content, "image upload", UPLOAD_LIMITS, KINDS)


def _check(left: threading.Event) -> None:
    """Between two steps of work; raises LeftError when it is for nobody."""
    if left.is_set():
        raise LeftError


def thumbnail(stage: EngineStage[None], style: Style) -> bytes:
    """A small JPEG of the sample clip's first frame in a style."""
    return encode_still(StillImage(stage.stylize(_sample()[None], style, 1.0)[0]), ".jpg", quality=85)


@cache
def _sample() -> Image:
    """What thumbnails show: uint8 (120, 160, 3) RGB."""
    reader = VideoReader(SAMPLE_CLIP)
    frame = next(reader.frames())
    reader.close()
    return resize(frame.pixels, _THUMBNAIL_WH)
