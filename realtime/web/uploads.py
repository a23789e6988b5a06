"""Owns images that visitors upload: decoded within limits, stylized, given back as PNG, never kept."""

from dataclasses import replace
from functools import cache

from realtime.flow import EngineStage
from realtime.frame import Image
from realtime.look import Look
from realtime.media.image_file import ImageLimits, StillImage, decode_still, encode_still
from realtime.media.resize import resize
from realtime.media.video_reader import VideoReader
from realtime.postprocess import Finisher
from realtime.sources.selection import SAMPLE_CLIP
from realtime.style import Style

MAX_UPLOAD_BYTES = 32 * 2**20
UPLOAD_LIMITS = ImageLimits(pixels=24_000_000, side_px=16384, aspect=32)
_KINDS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
_THUMBNAIL_WH = (160, 120)


def stylize_upload(content: bytes, stage: EngineStage[None], look: Look, max_side_px: int | None) -> bytes:
    """Stylizes an uploaded image.

    Args:
        content: of an image file.
        stage: what stylizes.
        look: style and strength.
        max_side_px: shrink it first, for a preview; None keeps its size.

    Returns:
        A PNG file of the same size, transparent where the image is. Strokes are relative to the image.

    Raises:
        SourceError: it is damaged, too large, or of a kind that is not taken.
        EngineError: it cannot be stylized.
    """
    still = decode_still(content, "image upload", UPLOAD_LIMITS, _KINDS).shrunk(max_side_px)
    stylized = stage.stylize(still.pixels[None], look.style, look.strength)[0]
    return encode_still(replace(still, pixels=Finisher().finish(stylized, still.pixels, look)), ".png")


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
