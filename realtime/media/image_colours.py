"""Owns what the values of a decoded image mean: its colour profile, and its transparency."""

import io
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms

from realtime.frame import Image


def has_alpha(image: Pillow.Image) -> bool:
    """Whether an image says how opaque its pixels are."""
    return "A" in image.getbands() or "transparency" in image.info


def alpha_of(image: Pillow.Image) -> NDArray[np.uint8] | None:
    """The transparency, uint8 (H, W), or None when there is none."""
    if not has_alpha(image):
        return None
    alpha = np.array(image.convert("RGBA").getchannel("A"), np.uint8)
    return None if (alpha == 255).all() else alpha


def srgb(image: Pillow.Image) -> Pillow.Image:
    """RGB by the image's own profile; a profile that cannot be used counts as none."""
    profile = image.info.get("icc_profile")
    base = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            base = ImageCms.profileToProfile(base, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or base
    return base if base.mode == "RGB" else base.convert("RGB")


def on_white(pixels: Image, alpha: NDArray[np.uint8]) -> Image:
    """What is seen of an image, uint8 (H, W, 3), with transparency, uint8 (H, W), on white paper."""
    share = alpha[..., None].astype(np.float32) / 255
    return np.asarray(np.rint(pixels * share + 255 * (1 - share)), np.uint8)
