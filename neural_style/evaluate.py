"""Owns the judging of a network's styles: `python -m neural_style.evaluate --style-dir PAINTINGS --photo-dir PHOTOS`.

Must not know how styles are trained, or how figures are computed or drawn.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from neural_style.atomic import check_replaceable
from neural_style.checkpoint import StyleNetwork, load_checkpoint
from neural_style.errors import EvaluationError, StylizationError
from neural_style.exhibits import Exhibit, find_paintings, held_out_photos, read_exhibit, read_frames
from neural_style.fast_net import FastNet
from neural_style.flicker import Picture, Unrounded, mean_of_known, measure_motion, noise_gain, pair_error
from neural_style.judge import Impression, Judge, compare, resized_to, with_short_side
from neural_style.scorecard import ClipScore, Others, Scorecard, StyleScore, make_tables, write_json
from neural_style.sheet import Cell, make_cell, write_sheet

_OWN_MODEL = Path(__file__).resolve().parents[1] / "saved_models" / "fast.safetensors"
_NOISY_PICTURES = 4


@dataclass(frozen=True)
class EvaluateOptions:
    """What is judged, by what, and where the result goes.

    Attributes:
        style_dir: the paintings, each named as its style.
        model: weights file.
        photo_dir: photographs; those that training keeps out are used.
        photo: one photograph instead.
        photos: how many of `photo_dir` at most.
        against: pictures by others of `photo`, by style.
        clips: what flicker is measured on.
        max_frames: of each clip, from its beginning.
        json: file for the figures.
        sheet: file for a contact sheet.
    """

    style_dir: Path
    model: Path = _OWN_MODEL
    photo_dir: Path | None = None
    photo: Path | None = None
    photos: int = 12
    against: tuple[tuple[str, Path], ...] = ()
    clips: tuple[Path, ...] = ()
    max_frames: int = 60
    json: Path | None = None
    sheet: Path | None = None

    def __post_init__(self) -> None:
        if (self.photo_dir is None) == (self.photo is None):
            raise EvaluationError("photographs: got both or neither of a folder and a file; give one of them")
        if self.against and self.photo is None:
            raise EvaluationError("--against: compares pictures of one photograph; give it with --photo FILE")
        if self.photos < 1:
            raise EvaluationError(f"photos {self.photos}: must be at least 1")
        if self.max_frames < 2:
            raise EvaluationError(f"max-frames {self.max_frames}: must be at least 2")
        if self.sheet is not None and self.sheet.suffix.lower() != ".png":
            raise EvaluationError(f"sheet {self.sheet}: must end in .png")


class Painter:
    """One style of a network, as a function of a picture."""

    def __init__(self, network: StyleNetwork, style: int) -> None:
        self._network = network
        self._vector = network.style_vectors[style : style + 1] if isinstance(network, FastNet) else None

    @torch.inference_mode()
    def unrounded(self, picture: Unrounded) -> Unrounded:
        """Stylizes float32 (H, W, 3) RGB, 0..255; what comes out may lie outside of 0..255."""
        pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]  # (1, 3, H, W)
        stylized = self._network(pixels) if self._vector is None else self._network(pixels, self._vector)
        return np.asarray(stylized[0].permute(1, 2, 0).numpy(), np.float32)

    def __call__(self, picture: Picture) -> Picture:
        """Stylizes uint8 (H, W, 3) RGB."""
        return self.unrounded(picture.astype(np.float32)).round().clip(0, 255).astype(np.uint8)


class Evaluation:
    """Judges all styles of a network.

    Raises:
        CheckpointError: the weights cannot be read.
        EvaluationError: a painting, photograph or clip is missing or unusable.
        MissingPackageError: the judge's weights are not installed.
        TrainingError: the judge's weights or the folder of photographs cannot be read.
    """

    def __init__(self, options: EvaluateOptions) -> None:
        self.options = options
        network = load_checkpoint(options.model)
        self.styles = network.style_names
        self._painters = [Painter(network, style) for style in range(len(self.styles))]
        self._paintings = [read_exhibit(path, "painting") for path in find_paintings(options.style_dir, self.styles)]
        self._photos = [read_exhibit(path, "photograph") for path in self._photo_paths()]
        self._others = self._read_others()
        self._judge = Judge()
        self._photo_looks = [self._judge.look(photo.picture) for photo in self._photos]
        self._scores = [StyleScore(style) for style in self.styles]
        self._noisy: list[Picture] = []

    def run(self, progress: Progress) -> Scorecard:
        """Measures everything, once; writes the contact sheet and the JSON file that were asked for."""
        clips = [self._judge_clip(path, progress) for path in self.options.clips]
        noisy = self._noisy or [photo.picture for photo in self._photos[:_NOISY_PICTURES]]
        columns = [[Cell("", None), *(make_cell(photo.name, photo.picture) for photo in self._photos)]]
        for style in progress.track(range(len(self.styles)), description="pictures"):
            columns.append(self._judge_pictures(style))
            self._scores[style].noise_gain = noise_gain(self._painters[style].unrounded, noisy)
        card = Scorecard(self.options.model.name, [photo.name for photo in self._photos], clips, self._scores)
        if self.options.sheet is not None:
            write_sheet(self.options.sheet, list(zip_longest(*columns, fillvalue=Cell("", None))))
        if self.options.json is not None:
            write_json(self.options.json, card)
        return card

    def _photo_paths(self) -> list[Path]:
        options = self.options
        if options.photo is not None:
            return [options.photo]
        assert options.photo_dir is not None
        return held_out_photos(options.photo_dir, options.photos)

    def _read_others(self) -> dict[str, Exhibit]:
        unknown = [style for style, _ in self.options.against if style not in self.styles]
        if unknown:
            raise EvaluationError(
                f"--against: {self.options.model} has no style {unknown[0]!r}; allowed: {', '.join(self.styles)}"
            )
        return {style: read_exhibit(path, "picture by others") for style, path in self.options.against}

    def _judge_pictures(self, style: int) -> list[Cell]:
        """Judges one style on all photographs; returns its column of the contact sheet."""
        painting, score = self._paintings[style].picture, self._scores[style]
        column = [make_cell(score.name, painting)]
        aims: dict[int, Impression] = {}
        for photo, photo_look in zip(self._photos, self._photo_looks, strict=True):
            short_side_px = min(photo.picture.shape[:2])
            if short_side_px not in aims:
                aims[short_side_px] = self._judge.look(with_short_side(painting, short_side_px))
            aim = aims[short_side_px]
            stylized = self._painters[style](photo.picture)
            score.ours.append(compare(self._judge.look(stylized), photo_look, aim))
            score.unchanged.append(compare(photo_look, photo_look, aim))
            column.append(make_cell(score.name, stylized))
            if score.name in self._others:
                others = self._others[score.name]
                fitted = resized_to(others.picture, (photo.picture.shape[1], photo.picture.shape[0]))
                score.others = Others(others.name, compare(self._judge.look(fitted), photo_look, aim))
                column.append(make_cell(f"by others: {others.name}", fitted))
        return column

    def _judge_clip(self, path: Path, progress: Progress) -> ClipScore:
        """Measures flicker in all styles, frame by frame, so that only two frames of each are held.

        Raises:
            EvaluationError: the clip cannot be read, or has no error that flicker could be compared with.
        """
        errors: list[list[float]] = [[] for _ in range(1 + len(self._painters))]
        previous: list[Picture] = []
        count, noisy_every = 0, math.ceil(self.options.max_frames / _NOISY_PICTURES)
        task = progress.add_task(path.name, total=self.options.max_frames)
        for frame in read_frames(path, self.options.max_frames):
            if count % noisy_every == 0:
                self._noisy.append(frame)
            current = [frame, *(painter(frame) for painter in self._painters)]
            if previous:
                motion = measure_motion(previous[0], frame)
                for own, before, now in zip(errors, previous, current, strict=True):
                    own.append(pair_error(before, now, motion))
            previous, count = current, count + 1
            progress.update(task, completed=count)
        own_error, *stylized_errors = (mean_of_known(each) for each in errors)
        if not own_error > 0:
            raise EvaluationError(
                f"clip {path}: its own warping error is {own_error}, which none can be compared with; "
                "give one of a camera, whose picture neither stands still nor jumps"
            )
        for score, error in zip(self._scores, stylized_errors, strict=True):
            score.warping.append(error / own_error)
        return ClipScore(path.name, count, own_error)


def parse_arguments(arguments: list[str] | None) -> EvaluateOptions:
    """Reads the command line.

    Raises:
        SystemExit: with status 2, it is wrong.
        EvaluationError: a value is not allowed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m neural_style.evaluate",
        description="Judge the styles of a network with EfficientNet-Lite2, which none is trained with.",
    )
    default, add = EvaluateOptions, parser.add_argument
    add("--model", type=Path, default=default.model, metavar="FILE", help="weights (default: those of saved_models/)")
    add("--style-dir", type=Path, required=True, metavar="FOLDER", help="the paintings, each named as its style")
    shown = parser.add_mutually_exclusive_group(required=True)
    shown.add_argument("--photo-dir", type=Path, metavar="FOLDER", help="photographs; the held-out ones are judged")
    shown.add_argument("--photo", type=Path, metavar="FILE", help="one photograph instead")
    add("--photos", type=int, default=default.photos, metavar="N", help="held-out photographs (default %(default)s)")
    add("--against", type=_style_and_picture, action="append", default=[], metavar="STYLE=PICTURE",
        help="a picture by others of --photo in that style, judged beside ours (repeatable)")  # fmt: skip
    add("--clip", type=Path, action="append", default=[], metavar="FILE", help="measure flicker on it (repeatable)")
    add("--max-frames", type=int, default=default.max_frames, metavar="N", help="of a clip (default %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    add("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet: a row for each photograph")
    chosen = vars(parser.parse_args(arguments))
    if chosen["against"] and chosen["photo"] is None:
        parser.error("--against compares pictures of one photograph: give it with --photo FILE")
    clips, against = tuple(chosen.pop("clip")), tuple(chosen.pop("against"))
    return EvaluateOptions(**chosen, clips=clips, against=against)


def _style_and_picture(text: str) -> tuple[str, Path]:
    style, separator, picture = text.partition("=")
    if not (style and separator and picture):
        raise argparse.ArgumentTypeError(f"{text!r}: write STYLE=PICTURE, as candy=theirs.jpg")
    return style, Path(picture)


def check_outputs(options: EvaluateOptions) -> None:
    """Finds out before minutes of work that their result could not be written.

    Raises:
        OSError: a folder is missing, or something else than a file has the name.
    """
    for path in (options.json, options.sheet):
        if path is not None:
            check_replaceable(path)
            if not path.parent.is_dir():
                raise FileNotFoundError(2, "its folder does not exist; make it, or choose another place", str(path))


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    cv2.setNumThreads(1)  # optical flow comes out a little different with each number of threads
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        options = parse_arguments(arguments)
        check_outputs(options)
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
            card = Evaluation(options).run(progress)
        for table in make_tables(card):
            console.print(table)
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
