"""Owns images that visitors upload: decoded within limits, stylized, given back as PNG, never kept.

Must not know connections.
"""

import io
from functools import cache

import cv2
import numpy as np
from PIL import Image as Pillow

from realtime.flow import EngineStage
from realtime.frame import Image, resize_to_fit
from realtime.look import Look
from realtime.media.image_file import ImageLimits, decode_still
from realtime.postprocess import Finisher
from realtime.sources.selection import SAMPLE_CLIP
from realtime.sources.video_file import VideoFileSource
from realtime.style_catalogue import Style

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
    Pillow.init()  # else it knows only the usual kinds by name
    still = decode_still(content, "upload", UPLOAD_LIMITS, _KINDS)
    pixels, alpha = still.pixels, still.alpha
    if max_side_px is not None and max_side_px < max(pixels.shape):
        pixels = resize_to_fit(pixels, (max_side_px, max_side_px))
        height, width = pixels.shape[:2]
        alpha = None if alpha is None else np.asarray(cv2.resize(alpha, (width, height)), np.uint8)
    stylized = stage.stylize(pixels[None], look.style, look.strength)[0]
    stylized = Finisher().finish(stylized, pixels, look)
    stored = Pillow.fromarray(stylized if alpha is None else np.dstack([stylized, alpha]))
    file = io.BytesIO()
    stored.save(file, "PNG", compress_level=3)
    return file.getvalue()


def thumbnail(stage: EngineStage[None], style: Style) -> bytes:
    """A small JPEG of the sample clip's first frame in a style."""
    file = io.BytesIO()
    Pillow.fromarray(stage.stylize(_sample()[None], style, 1.0)[0]).save(file, "JPEG", quality=85)
    return file.getvalue()


@cache
def _sample() -> Image:
    """What thumbnails show: uint8 (120, 160, 3) RGB."""
    reader = VideoFileSource(SAMPLE_CLIP, "sample", paced=False)
    frame = reader.read()
    reader.close()
    assert frame is not None
    return np.asarray(cv2.resize(frame.pixels, _THUMBNAIL_WH, interpolation=cv2.INTER_AREA), np.uint8)
