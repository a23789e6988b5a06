"""Makes `saved_models/styles.webp`, the moving image of the README: `python -m tests.make_moving_image`.

The sample clip, original beside stylized, one style after the other. To be made again when styles are trained anew.
"""

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import cv2
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

import stylize
from neural_style.weights import SAVED_MODELS
from realtime.frame import Image
from realtime.media.video_reader import VideoReader
from realtime.sources.selection import SAMPLE_CLIP

STYLES = "candy,starry_night,udnie,great_wave,mosaic,the_scream"
_CELL_WH = (320, 240)
_RATE_FPS = 25
_EVERY = 2
"""Every second frame of the clip is shown, at half of its rate."""

_MOST_BYTES = 1_400_000
_QUALITIES = (65, 55, 45, 35, 25)


def _frames(path: Path) -> list[Image]:
    reader = VideoReader(path)
    frames = [frame.pixels for frame in islice(reader.frames(), 0, None, _EVERY)]
    reader.close()
    return frames


def _stylized(style: str, first: int, end: int) -> list[Image]:
    """Frames of a part of the sample clip, counted in shown frames, as `stylize.py` makes them."""
    times = (str(count * _EVERY / _RATE_FPS) for count in (first, end))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "stylized.mkv"
        arguments = [str(SAMPLE_CLIP), "-o", str(target), "--style", style, "--codec", "ffv1"]
        if stylize.main([*arguments, "--start", next(times), "--end", next(times)]):
            raise SystemExit(1)
        return _frames(target)


def _pair(original: Image, stylized: Image, style: str) -> Pillow.Image:
    """Two frames, uint8 (H, W, 3), side by side, each with a label at its lower left."""
    width, height = _CELL_WH
    both = Pillow.new("RGB", (2 * width, height))
    font = ImageFont.load_default(16)
    for column, (pixels, label) in enumerate(((original, "original"), (stylized, style))):
        both.paste(Pillow.fromarray(cv2.resize(pixels, _CELL_WH, interpolation=cv2.INTER_AREA)), (column * width, 0))
        place = (column * width + 8, height - 26)
        ImageDraw.Draw(both).text(place, label, "white", font, stroke_width=2, stroke_fill="black")
    return both


def make_moving_image(target: Path, styles: list[str]) -> None:
    """Writes the moving image, in the best quality that is small enough; each style has an equal part of the clip."""
    originals = _frames(SAMPLE_CLIP)
    length = len(originals) // len(styles)
    pairs = [
        _pair(original, stylized, style)
        for number, style in enumerate(styles)
        for original, stylized in zip(
            originals[number * length :], _stylized(style, number * length, (number + 1) * length), strict=False
        )
    ]
    for quality in _QUALITIES:
        pairs[0].save(
            target, save_all=True, append_images=pairs[1:], duration=1000 * _EVERY // _RATE_FPS, loop=0, quality=quality
        )
        if target.stat().st_size <= _MOST_BYTES:
            break
    print(f"wrote {target}: {len(pairs)} frames, {target.stat().st_size / 1e6:.2f} MB")  # noqa: T201


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Make the moving image of the README.")
    parser.add_argument("-o", "--output", type=Path, default=SAVED_MODELS / "styles.webp")
    parser.add_argument("--styles", default=STYLES, help="names with commas between (default %(default)s)")
    chosen = parser.parse_args()
    make_moving_image(chosen.output, chosen.styles.split(","))


if __name__ == "__main__":
    main()
