"""Owns writing one frame as two images.

Must not know who asked for it.
"""

from pathlib import Path

import cv2

from neural_style.atomic_file import whole_file
from realtime.errors import SinkError
from realtime.frame import Image, to_bgr
from realtime.sinks.protocol import StylizedFrame


def write_snapshot(stylized: StylizedFrame, stem: Path) -> tuple[Path, Path]:
    """Writes `STEM_input.png` and `STEM_output.png`.

    Returns:
        Both paths.

    Raises:
        SinkError: a file cannot be written.
    """
    paths = stem.with_name(f"{stem.name}_input.png"), stem.with_name(f"{stem.name}_output.png")
    for path, pixels in zip(paths, (stylized.frame.pixels, stylized.pixels), strict=True):
        write_png(path, pixels)
    return paths


def write_png(path: Path, pixels: Image) -> None:
    """Writes uint8 (H, W, 3) RGB; the file appears only when whole.

    Raises:
        SinkError: it cannot be written.
    """
    _, encoded = cv2.imencode(".png", to_bgr(pixels))
    try:
        with whole_file(path) as partial:
            partial.write_bytes(encoded.tobytes())
    except OSError as error:
        raise SinkError(f"image {path}: cannot be written ({error.strerror})") from error
