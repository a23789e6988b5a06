"""Owns writing one frame as two images."""

from pathlib import Path

from realtime.media.image_file import StillImage, write_still
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
        write_still(path, StillImage(pixels))
    return paths
