"""Owns what low precision costs in quality: `python -m speed.quality --style-dir STYLE_IMAGES --photo-dir PHOTOS`."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from neural_style.contact_sheet import Cell, draw_sheet
from neural_style.judging.inputs import find_style_images, held_out_photos, read_exhibit
from neural_style.judging.judge import Image, Judge, compare, structural_similarity
from neural_style.photos import packaged_photo
from realtime.cli import run_main
from realtime.engines import open_engine
from realtime.engines.protocol import Engine
from realtime.errors import EngineError, OptionError
from realtime.media.image_file import StillImage, read_still, write_still
from realtime.media.resize import resize, with_short_side
from realtime.options import EngineName, EngineOptions, Precision
from realtime.style_catalogue import load_catalogue
from speed.results import write_json
from speed.table import Columns, make_table

_EXACT = EngineOptions("torch", "cpu", "fp32")
_VARIANTS: tuple[tuple[EngineName, Precision], ...] = (
    ("torch", "bf16"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnx", "int8"),
)
_EXAMPLES = ("astronaut.png", "chelsea.png", "coffee.png")
_SHOWN_WH = (250, 196)
_ENLARGED = 8


@dataclass(frozen=True)
class Quality:
    """What one engine and precision makes of one photograph in one style, beside PyTorch in fp32.

    Attributes:
        engine: its name.
        precision: what it computes in.
        style: name.
        psnr_db: peak signal-to-noise ratio to the image in fp32.
        ssim: structural similarity of luminance to it; 1 is equal.
        style_distance: to the style image, as `neural_style.judging.evaluate` judges.
        exact_style_distance: the same of the image in fp32.
    """

    engine: str
    precision: str
    style: str
    psnr_db: float
    ssim: float
    style_distance: float
    exact_style_distance: float


def judge_variants(style_dir: Path, photos: Sequence[Image], progress: Progress) -> list[Quality]:
    """Judges every engine and precision that differs from PyTorch in fp32, and can be had, in all styles.

    Args:
        style_dir: the style images, each named as its style.
        photos: uint8 (H, W, 3) RGB each.
        progress: shows how far it is.

    Raises:
        StylizationError: a style image is missing, or no engine can be had.
    """
    catalogue, judge = load_catalogue(), Judge()
    styles = [style for style in catalogue.styles if not style.fault and style.vector is not None]
    paths = find_style_images(style_dir, tuple(style.name for style in styles))
    style_images = [read_exhibit(path, "style image").image for path in paths]
    exact, engines = open_engine(catalogue, _EXACT), open_variants()
    looks = [judge.look(photo) for photo in photos]
    found = []
    for style, style_image in progress.track(list(zip(styles, style_images, strict=True)), description="styles"):
        for photo, look in zip(photos, looks, strict=True):
            aim = judge.look(with_short_side(style_image, min(photo.shape[:2])))
            wanted = exact.stylize(photo[None], style)[0]
            wanted_look = judge.look(wanted)
            wanted_distance = compare(wanted_look, look, aim).style_distance
            for engine in engines:
                got = engine.stylize(photo[None], style)[0]
                got_look = judge.look(got)
                found.append(
                    Quality(
                        engine.info.engine,
                        engine.info.precision,
                        style.name,
                        cv2.PSNR(got, wanted),
                        structural_similarity(got_look.luminance, wanted_look.luminance),
                        compare(got_look, look, aim).style_distance,
                        wanted_distance,
                    )
                )
    return found


def open_variants() -> list[Engine]:
    """All engines and precisions that are compared with PyTorch in fp32 and can be had here.

    Raises:
        EngineError: there is none.
    """
    catalogue, engines = load_catalogue(), []
    for name, precision in _VARIANTS:
        try:
            engines.append(open_engine(catalogue, EngineOptions(name, "cpu", precision)))
        except EngineError:
            continue
    if not engines:
        raise EngineError("engines: none but torch in fp32 can be had here; install openvino or export int8 files")
    return engines


def side_by_side(photos: Sequence[Image]) -> list[list[Cell]]:
    """A row for each photograph and a flat ramp: fp32, then each variant and what it changed, enlarged."""
    catalogue, engines = load_catalogue(), open_variants()
    exact = open_engine(catalogue, _EXACT)
    rows = []
    for photo, style in zip([*photos, _ramp()], catalogue.styles, strict=False):
        wanted = exact.stylize(photo[None], style)[0]
        row = [Cell("input", photo), Cell(f"{style.name}: torch fp32", wanted)]
        for engine in engines:
            got = engine.stylize(photo[None], style)[0]
            change = 128 + _ENLARGED * (got.astype(np.int16) - wanted)
            row.append(Cell(f"{engine.info.engine} {engine.info.precision}", got))
            row.append(Cell(f"its change, {_ENLARGED} times", change.clip(0, 255).astype(np.uint8)))
        rows.append(row)
    return rows


def packaged_examples() -> list[Image]:
    """Photographs that may be shown, small enough to be seen pixel by pixel: uint8 (196, 250, 3) RGB each."""
    return [resize(read_still(packaged_photo(name)).pixels, _SHOWN_WH) for name in _EXAMPLES]


def _ramp() -> Image:
    """An image as flat as a sky, where bands would show: uint8 (196, 250, 3) RGB."""
    width, height = _SHOWN_WH
    across = np.linspace(110, 190, width)[None, :, None] + np.linspace(0, 12, height)[:, None, None]
    return np.asarray(across.repeat(3, axis=2), np.uint8)


def quality_table(found: list[Quality], photos: int) -> Table:
    """A line for each engine and precision, over all styles and photographs."""
    by_engine: dict[str, list[Quality]] = defaultdict(list)
    for quality in found:
        by_engine[f"{quality.engine} {quality.precision}"].append(quality)
    worst = {
        name: max((_style_ratio([q for q in found if q.style == style]), style) for style in {q.style for q in found})
        for name, found in by_engine.items()
    }
    columns: Columns[str] = {
        "engine": str,
        "PSNR dB": lambda name: f"{mean(min(quality.psnr_db, 100.0) for quality in by_engine[name]):.1f}",
        "SSIM": lambda name: f"{mean(quality.ssim for quality in by_engine[name]):.3f}",
        "style distance": lambda name: f"{_style_ratio(by_engine[name]):.3f}",
        "worst": lambda name: f"{worst[name][0]:.3f}",
        "in": lambda name: worst[name][1],
    }
    caption = "style distance: of the image, divided by that of fp32; worst: of the styles"
    return make_table(f"difference from torch fp32, photographs: {photos}", caption, sorted(by_engine), columns, 1)


def _style_ratio(found: list[Quality]) -> float:
    """Mean style distance divided by that in fp32."""
    return mean(quality.style_distance for quality in found) / mean(quality.exact_style_distance for quality in found)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m speed.quality", description="Judge engines and precisions.")
    add = parser.add_argument
    add("--style-dir", type=Path, metavar="FOLDER", help="the style images, each named as its style")
    add("--photo-dir", type=Path, metavar="FOLDER", help="photographs; the held-out ones are judged")
    add("--photos", type=int, default=4, metavar="N", help="held-out photographs (default %(default)s)")
    add("--json", type=Path, metavar="FILE.json", help="write all measurements")
    add("--sheet", type=Path, metavar="FILE.png", help="show engines and precisions side by side")
    chosen = parser.parse_args(arguments)
    return run_main(lambda: run(chosen))


def run(chosen: argparse.Namespace) -> int:
    """Judges and shows what was asked for, and returns the exit status.

    Raises:
        StylizationError: something that was asked for cannot be had.
        OSError: an output cannot be written.
    """
    if (chosen.style_dir is None) != (chosen.photo_dir is None):
        raise OptionError("measuring needs both folders: give --style-dir and --photo-dir")
    if chosen.style_dir is None and chosen.sheet is None:
        raise OptionError("nothing to do: give --style-dir and --photo-dir to measure, or --sheet for images")
    if chosen.sheet is not None:
        write_still(chosen.sheet, StillImage(draw_sheet(side_by_side(packaged_examples()))))
    if chosen.style_dir is not None:
        paths = held_out_photos(chosen.photo_dir, max(1, chosen.photos))
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            photos = [read_exhibit(path, "photograph").image for path in paths]
            found = judge_variants(chosen.style_dir, photos, progress)
        Console().print(quality_table(found, len(photos)))
        if chosen.json is not None:
            write_json(chosen.json, [asdict(quality) for quality in found])
    return 0


if __name__ == "__main__":
    sys.exit(main())
