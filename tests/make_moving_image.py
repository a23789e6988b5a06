"""Makes `saved_models/styles.webp`, the moving image of the README: `python -m tests.make_moving_image`.

The sample clip, original beside stylized, one style after the other. To be made again when styles are trained anew.
"""

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from realtime import Stylizer
from realtime.frame import Image
from realtime.media.video_reader import VideoReader
from realtime.sources.selection import SAMPLE_CLIP
from realtime.style_catalogue import SAVED_MODELS

STYLES = ("candy", "starry_night", "udnie", "great_wave", "mosaic", "the_scream")
_CELL_WH = (320, 240)
_EVERY = 2
"""Every second frame of the clip is shown, at half of its rate."""


def _frames(path: Path) -> list[Image]:
    reader = VideoReader(path)
    frames = [frame.pixels for frame in islice(reader.frames(), 0, None, _EVERY)]
    reader.close()
    return frames


def _labelled(image: Image, label: str) -> Image:
    """A frame, uint8 (H, W, 3), small and with a label at its lower left."""
    cell = np.asarray(cv2.resize(image, _CELL_WH, interpolation=cv2.INTER_AREA), np.uint8)
    place = (8, _CELL_WH[1] - 10)
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(cell, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, colour, thickness, cv2.LINE_AA)
    return cell


def make_moving_image(target: Path, styles: tuple[str, ...] = STYLES, quality: int = 60) -> None:
    """Writes the moving image; its file holds each style for an equal part of the clip."""
    originals = _frames(SAMPLE_CLIP)
    length = len(originals) // len(styles)
    shown = []
    for number, style in enumerate(styles):
        part = slice(number * length, (number + 1) * length)
        with tempfile.TemporaryDirectory() as folder, Stylizer(style) as stylizer:
            stylizer.video(SAMPLE_CLIP, Path(folder) / "stylized.mkv", codec="ffv1")
            stylized = _frames(Path(folder) / "stylized.mkv")[part]
        pairs = zip(originals[part], stylized, strict=True)
        shown += [np.hstack([_labelled(before, "original"), _labelled(after, style)]) for before, after in pairs]
    images = [Pillow.fromarray(image) for image in shown]
    images[0].save(
        target, save_all=True, append_images=images[1:], duration=40 * _EVERY, loop=0, quality=quality, method=6
    )


def main() -> None:
    """Writes the file and says how large it is."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("-o", "--output", type=Path, default=SAVED_MODELS / "styles.webp")
    parser.add_argument("--styles", default=",".join(STYLES), help="names with commas between")
    parser.add_argument("--quality", type=int, default=60, help="of the WebP, 0 to 100")
    chosen = parser.parse_args()
    make_moving_image(chosen.output, tuple(chosen.styles.split(",")), chosen.quality)
    print(f"wrote {chosen.output}: {chosen.output.stat().st_size / 1e6:.2f} MB")  # noqa: T201


if __name__ == "__main__":
    main()
