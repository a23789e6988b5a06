"""Owns the judging of styles: `python -m neural_style.evaluate --style-dir paintings --photo-dir photos`.

Must not know how styles are trained; the judge's network is another than the training's.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from neural_style.atomic import whole_file
from neural_style.checkpoint import StyleNetwork, load_checkpoint
from neural_style.dataset import PICTURE_SUFFIXES, find_photos, hold_out, read_picture
from neural_style.errors import StylizationError
from neural_style.fast_net import FastNet
from neural_style.flicker import FrameMotion, Picture, measure_motion, noise_gain, warping_error
from neural_style.judge import Judge, PictureFigures
from neural_style.sheet import contact_sheet, write_picture

_MODEL = Path(__file__).resolve().parent.parent / "saved_models" / "fast.safetensors"
_NOISE_FRAMES = 3
_SHEET_PHOTOS = 4
_CELL_WH = (256, 256)


class EvaluationError(StylizationError):
    """What is to be judged, or to judge it with, is not usable."""


@dataclass(frozen=True)
class Clip:
    """Frames of a clip and their motion, measured once for all styles."""

    name: str
    frames: list[Picture]
    motions: list[FrameMotion]
    warping_error: float


@dataclass
class StyleFigures:
    """What the judge found of one style.

    Attributes:
        name: the style.
        pictures: mean over photographs of each figure of `PictureFigures`, and of both distances.
        warping: E_warp(stylized) / E_warp(clip), by clip.
        noise_gain: see `neural_style.flicker.noise_gain`.
    """

    name: str
    pictures: dict[str, float]
    warping: dict[str, float] = field(default_factory=dict)
    noise_gain: float = float("nan")


class Painter:
    """One style of a network as a function of pictures."""

    def __init__(self, network: StyleNetwork, index: int) -> None:
        self._network, self.name = network, network.style_names[index]
        self._vector = network.style_vectors[index : index + 1] if isinstance(network, FastNet) else None

    @torch.inference_mode()
    def unrounded(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Stylizes float32 (H, W, 3) RGB, 0..255."""
        planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        return np.asarray(self._network(planes, self._vector)[0].permute(1, 2, 0).numpy(), np.float32)

    def __call__(self, picture: Picture) -> Picture:
        """Stylizes uint8 (H, W, 3) RGB."""
        return self.unrounded(picture.astype(np.float32)).clip(0, 255).round().astype(np.uint8)


def mean_figures(figures: list[PictureFigures]) -> dict[str, float]:
    """Means over pictures, by name, with `style_distance` and `content_distance`."""
    rows = [{**asdict(f), "style_distance": f.style_distance, "content_distance": f.content_distance} for f in figures]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def read_clip(path: Path, max_frames: int) -> Clip:
    """Decodes the first frames of a clip and measures how they move.

    Raises:
        EvaluationError: it cannot be read, or has fewer than two frames.
    """
    frames: list[Picture] = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
                if len(frames) == max_frames:
                    break
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise EvaluationError(f"clip {path}: cannot be read ({error})") from error
    if len(frames) < 2:
        raise EvaluationError(f"clip {path}: has {len(frames)} frames; flicker needs at least 2")
    motions = measure_motion(frames)
    return Clip(path.stem, frames, motions, warping_error(frames, motions))


def judge_style(
    judge: Judge, painter: Painter, painting: Picture, photographs: list[Picture], clips: list[Clip]
) -> StyleFigures:
    """All figures of one style."""
    pictures = [judge.figures(painter(photograph), photograph, painting) for photograph in photographs]
    warping = {}
    for clip in clips:
        stylized = [painter(frame) for frame in clip.frames]
        warping[clip.name] = warping_error(stylized, clip.motions) / clip.warping_error
    noisy = [clip.frames[0] for clip in clips] or photographs
    gain = noise_gain(painter.unrounded, noisy[:_NOISE_FRAMES])
    return StyleFigures(painter.name, mean_figures(pictures), warping, gain)


def find_painting(folder: Path, style: str) -> Picture:
    """Reads the painting of a style, a picture file of its name.

    Raises:
        EvaluationError: there is none, or it cannot be read.
    """
    for path in sorted(folder.glob(f"{style}.*")):
        picture = read_picture(path) if path.suffix.lower() in PICTURE_SUFFIXES else None
        if picture is not None:
            return picture
    raise EvaluationError(f"style {style!r}: folder {folder} holds no picture {style}.jpg, .png or alike")


def print_table(console: Console, rows: list[StyleFigures]) -> None:
    """The figures for people; flicker stands beside the style distance, because a blurred picture wins it alone."""
    table = Table(caption="distances: 0 is equal; E_warp and noise: 1 is as steady as the clip")
    table.add_column("style", overflow="fold")
    clips = list(rows[0].warping)
    for heading in ("style", "content", "colour", *(f"E_warp {clip[:8]}" for clip in clips), "noise"):
        table.add_column(heading, justify="right")
    for row in rows:
        pictures = [f"{row.pictures['style_distance']:.3f}", f"{row.pictures['content_distance']:.3f}"]
        flicker = [f"{row.warping[clip]:.1f}" for clip in clips]
        table.add_row(row.name, *pictures, f"{row.pictures['colour']:.1f}", *flicker, f"{row.noise_gain:.2f}")
    console.print(table)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m neural_style.evaluate", description="Judge the styles of a network."
    )
    add = parser.add_argument
    add("--model", type=Path, default=_MODEL, help="weights file (default saved_models/fast.safetensors)")
    add("--style-dir", type=Path, required=True, help="folder of the paintings, named as the styles")
    add("--photo-dir", type=Path, help="folder of photographs; those held out of training are judged")
    add("--photo", type=Path, help="one photograph instead")
    add("--photos", type=int, default=8, metavar="N", help="how many of the held-out photographs (default %(default)s)")
    add("--against", action="append", default=[], metavar="STYLE=PICTURE", help="a picture by others of --photo")
    add("--clip", type=Path, action="append", default=[], help="clip to measure flicker on (repeatable)")
    add("--frames", type=int, default=30, metavar="N", help="frames of each clip (default %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures")
    add("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet")
    return parser


def _read_photographs(chosen: argparse.Namespace) -> list[Picture]:
    if (chosen.photo is None) == (chosen.photo_dir is None):
        raise EvaluationError("photographs: give either --photo-dir FOLDER or --photo FILE")
    if chosen.photos < 1:
        raise EvaluationError(f"photos {chosen.photos}: must be at least 1")
    paths = [chosen.photo] if chosen.photo is not None else hold_out(find_photos(chosen.photo_dir))[1]
    # Spread over the names, because neighbours show the same kind of thing.
    places = np.linspace(0, len(paths) - 1, min(chosen.photos, len(paths))).round().astype(int)
    pictures = [(paths[i], read_picture(paths[i])) for i in places]
    for path, picture in pictures:
        if picture is None:
            raise EvaluationError(f"photograph {path}: cannot be read as a picture")
    return [picture for _, picture in pictures if picture is not None]


def _compare(
    judge: Judge, rows: list[StyleFigures], chosen: argparse.Namespace, photograph: Picture, console: Console
) -> dict[str, dict[str, float]]:
    """Prints pictures by others beside ours; returns their figures by style."""
    others = {}
    for text in chosen.against:
        style, separator, file = text.partition("=")
        ours = next((row for row in rows if row.name == style), None)
        if not separator or ours is None:
            raise EvaluationError(f"against {text!r}: write STYLE=PICTURE with a style of {chosen.model}")
        picture = read_picture(Path(file))
        if picture is None:
            raise EvaluationError(f"against {text!r}: {file} cannot be read as a picture")
        theirs = mean_figures([judge.figures(picture, photograph, find_painting(chosen.style_dir, style))])
        others[style] = theirs
        ratios = ", ".join(
            f"{name.replace('_', ' ')} {ours.pictures[name]:.3f} to {theirs[name]:.3f}, "
            f"{ours.pictures[name] / theirs[name]:.2f} times"
            for name in ("style_distance", "content_distance", "colour")
        )
        console.print(f"{style}, ours to {Path(file).name}: {ratios}")
    return others


def _write_sheet(path: Path, painters: list[Painter], paintings: list[Picture], photographs: list[Picture]) -> None:
    shown = photographs[:_SHEET_PHOTOS]
    rows = [[("", np.full((8, 8, 3), 255, np.uint8)), *(("photograph", photograph) for photograph in shown)]]
    for painter, painting in zip(painters, paintings, strict=True):
        rows.append([(painter.name, painting), *(("", painter(photograph)) for photograph in shown)])
    write_picture(path, contact_sheet(rows, _CELL_WH))


def evaluate(chosen: argparse.Namespace, console: Console) -> None:
    """Judges every style of a network, prints the table and writes what was asked for.

    Raises:
        StylizationError: something to judge, or to judge with, cannot be read.
        OSError: an output cannot be written.
    """
    if chosen.against and chosen.photo is None:
        raise EvaluationError("--against compares pictures of one photograph; give it with --photo FILE")
    network = load_checkpoint(chosen.model)
    painters = [Painter(network, i) for i in range(len(network.style_names))]
    paintings = [find_painting(chosen.style_dir, painter.name) for painter in painters]
    photographs = _read_photographs(chosen)
    clips = [read_clip(path, chosen.frames) for path in chosen.clip]
    judge = Judge()
    rows = []
    for painter, painting in zip(painters, paintings, strict=True):
        with console.status(f"judging {painter.name}"):
            rows.append(judge_style(judge, painter, painting, photographs, clips))
    untouched = [judge.figures(p, p, painting) for painting in paintings for p in photographs]
    yardstick = StyleFigures("(photograph)", mean_figures(untouched), {clip.name: 1.0 for clip in clips}, 1.0)
    print_table(console, [*rows, yardstick])
    others = _compare(judge, rows, chosen, photographs[0], console)
    if chosen.json is not None:
        content = {
            "model": chosen.model.name,
            "photographs": len(photographs),
            "frames": {clip.name: len(clip.frames) for clip in clips},
            "styles": [asdict(row) for row in rows],
            "photograph": asdict(yardstick),
            "against": others,
        }
        with whole_file(chosen.json) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if chosen.sheet is not None:
        _write_sheet(chosen.sheet, painters, paintings, photographs)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    cv2.setNumThreads(1)
    console = Console(highlight=False)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        evaluate(_make_parser().parse_args(arguments), console)
    except StylizationError as error:
        errors.print(f"error: {error}")
        return 1
    except OSError as error:
        errors.print(f"error: {error.filename or 'output'}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        errors.print("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
