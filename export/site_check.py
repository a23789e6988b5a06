"""Owns the check of a written site: opened in Chromium, where its images are compared with the engine's."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export.exporter import ExportError
from export.site_browser import PROGRAMS, Served, find_browser, opened_page
from realtime.engines.protocol import Engine
from realtime.frame import Image
from realtime.media.image_file import StillImage, encode_still
from realtime.media.resize import resize
from realtime.media.video_reader import VideoReader
from realtime.sources.selection import SAMPLE_CLIP
from realtime.style import Style

MAX_MEAN_DIFFERENCE = 2.0
"""On the 0..255 scale."""

_LIMIT_S = 120
_BLEND_STRENGTH = 0.7
_PAGE = Path(__file__).with_name("site_check.html")
_ROUTE_PAGE, _ROUTE_IMAGE, _ROUTE_ASKED = "/check/page.html", "/check/image.png", "/check/asked.json"


@dataclass(frozen=True)
class CheckSetup:
    """How a site is checked.

    Attributes:
        provider: "wasm" or "webgpu".
        size_wh: width and height of the image in px; no whole cells.
        flags: more of the browser's options.
    """

    provider: str = "wasm"
    size_wh: tuple[int, int] = (318, 239)
    flags: tuple[str, ...] = ()


def check_site(folder: Path, styles: Sequence[Style], engine: Engine, setup: CheckSetup = CheckSetup()) -> str:
    """Opens a site in Chromium, and compares a style, and a blend at part of its strength, with the engine's images.

    Args:
        folder: the site.
        styles: that it has.
        engine: gives the images that are expected.
        setup: how.

    Returns:
        What the check measured, or why there was none.

    Raises:
        ExportError: the images differ, or the browser gave none in time.
    """
    browser = find_browser()
    if browser is None:
        return f"not checked, because there is no Chromium ({', '.join(PROGRAMS)})"
    image, looks = _image(setup.size_wh), _looks(styles)
    asked = {
        "provider": setup.provider,
        "looks": [{"style": text, "strength": strength} for text, strength, _ in looks],
    }
    content = {
        _ROUTE_PAGE: _PAGE.read_bytes(),
        _ROUTE_IMAGE: encode_still(StillImage(image), ".png"),
        _ROUTE_ASKED: json.dumps(asked).encode(),
    }
    expected = [engine.stylize(image[None], style, strength)[0] for _, strength, style in looks]
    answers = _answers(browser, Served(folder, content), setup.flags, len(looks))
    stylized = [_pixels(answer, image.shape) for answer in answers]
    differences = [
        float(np.abs(one.astype(np.float32) - other).mean()) for one, other in zip(stylized, expected, strict=True)
    ]
    if not max(differences) < MAX_MEAN_DIFFERENCE:
        raise ExportError(
            f"site: in Chromium its images differ from the engine's by {max(differences):.2f} of 255 on average; less "
            f"than {MAX_MEAN_DIFFERENCE:.0f} is allowed, and nothing was kept"
        )
    return f"in Chromium its images differ from the engine's by {max(differences):.3f} of 255 on average"


def _image(size_wh: tuple[int, int]) -> Image:
    """The sample clip's first frame: uint8 (H, W, 3) RGB."""
    reader = VideoReader(SAMPLE_CLIP)
    try:
        return resize(next(reader.frames()).pixels, size_wh)
    finally:
        reader.close()


def _looks(styles: Sequence[Style]) -> list[tuple[str, float, Style]]:
    """What is compared: text and strength as the page understands them, and what they mean."""
    first, last = styles[0], styles[-1]
    if first.vector is None or last.vector is None:
        raise ValueError("the styles have no vectors")
    blend = replace(first, vector=np.asarray(0.6 * first.vector + 0.4 * last.vector, np.float32))
    return [(first.name, 1.0, first), (f"{first.name}:0.6+{last.name}:0.4", _BLEND_STRENGTH, blend)]


def _pixels(answer: bytes, shape: tuple[int, ...]) -> Image:
    """What the page sends, rows of RGBA, as uint8 (H, W, 3) RGB."""
    height, width, _ = shape
    if len(answer) != height * width * 4:
        raise ExportError(f"site: in Chromium an image of {width}x{height} px became {len(answer)} bytes")
    return np.frombuffer(answer, np.uint8).reshape(height, width, 4)[:, :, :3]


def _answers(browser: str, served: Served, flags: Sequence[str], count: int) -> list[bytes]:
    """What the check's page sends back."""
    until_s = time.monotonic() + _LIMIT_S
    with opened_page(browser, served, _ROUTE_PAGE, flags) as page:
        return [page.answer(max(0.0, until_s - time.monotonic()))[1] for _ in range(count)]
