"""Owns the judging of all styles of a network: stylizes photographs and clips and collects their figures."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from rich.progress import Progress

from neural_style.contact_sheet import Cell, draw_sheet, make_cell
from neural_style.errors import EvaluationError
from neural_style.judging.flicker import Image, mean_of_known, measure_motion, noise_gain, pair_error
from neural_style.judging.grid import grid_figures
from neural_style.judging.inputs import find_style_images, held_out_photos, read_exhibit, read_frames
from neural_style.judging.judge import Impression, Judge, compare
from neural_style.judging.judge_network import JUDGE_NAME
from neural_style.judging.options import EvaluateOptions
from neural_style.judging.scorecard import (
    ClipScore,
    Diversity,
    Figures,
    Others,
    Scorecard,
    StyleScore,
    mean_figures,
    write_json,
)
from neural_style.judging.strokes import Strokes, stroke_diversity, stroke_fit
from neural_style.networks.image_stylizer import ImageStylizer
from neural_style.weights.checkpoint import load_checkpoint
from realtime.media.image_file import StillImage, write_still
from realtime.media.resize import resize, with_short_side

_NOISY_IMAGES = 4


class Evaluation:
    """Judges all styles of a network.

    Raises:
        CheckpointError: the weights cannot be read.
        EvaluationError: a style image is missing, or a photograph or video cannot be judged.
        SourceError: a style image, photograph or video cannot be read.
        MissingPackageError: the judge's weights are not installed.
        TrainingError: the judge's weights or the folder of photographs cannot be read.
    """

    def __init__(self, options: EvaluateOptions) -> None:
        self.options = options
        network = load_checkpoint(options.model)
        self.styles = options.styles or network.style_names
        _check_known("--styles", self.styles, network.style_names, options.model)
        _check_known("--against", [style for style, _ in options.against], self.styles, options.model)
        self._stylizers = [ImageStylizer(network, network.style_names.index(style)) for style in self.styles]
        self._style_images = [
            read_exhibit(path, "style image") for path in find_style_images(options.style_dir, self.styles)
        ]
        photos = [] if options.photo is None else [options.photo]
        photos += [] if options.photo_dir is None else held_out_photos(options.photo_dir, options.photos)
        self._photos = [read_exhibit(path, "photograph") for path in photos]
        self._others = {style: read_exhibit(path, "image by others") for style, path in options.against}
        self._judge = Judge(options.quick)
        self._photo_looks = [self._judge.look(photo.image) for photo in self._photos]
        self._aims: dict[int, list[Impression]] = {}
        self._warping: list[list[float]] = [[] for _ in self.styles]
        self._strokes: list[list[Strokes]] = [[] for _ in self._photos]
        self._others_strokes: dict[int, Strokes] = {}
        self._noisy: list[Image] = []

    def run(self, progress: Progress) -> Scorecard:
        """Measures everything, once; writes the contact sheet and the JSON file that were asked for."""
        clips = [self._judge_clip(path, progress) for path in self.options.clips]
        columns = [[Cell("", None), *(make_cell(photo.name, photo.image) for photo in self._photos)]]
        scores = []
        for style in progress.track(range(len(self.styles)), description="images"):
            score, column = self._judge_style(style)
            scores.append(score)
            columns.append(column)
        photos = [photo.name for photo in self._photos]
        means, diversity = self._means(scores), self._diversity()
        card = Scorecard(
            self.options.model.name, JUDGE_NAME, self.options.quick, photos, clips, scores, means, diversity
        )
        if self.options.sheet is not None:
            sheet = draw_sheet(list(zip_longest(*columns, fillvalue=Cell("", None))))
            write_still(self.options.sheet, StillImage(sheet))
        if self.options.json is not None:
            write_json(self.options.json, card)
        return card

    def _judge_style(self, style: int) -> tuple[StyleScore, list[Cell]]:
        """Judges one style on all photographs; returns its figures and its column of the contact sheet."""
        name, stylizer = self.styles[style], self._stylizers[style]
        stylized = [stylizer(photo.image) for photo in self._photos]
        column = [make_cell(name, image) for image in (self._style_images[style].image, *stylized)]
        rows = [self._judge_image(style, place, image) for place, image in enumerate(stylized)]
        ours, unchanged, strokes = ([row[part] for row in rows] for part in range(3))
        others = None
        if name in self._others:
            others, cell = self._judge_others(style, ours[0] | {"fit": strokes[0]["fit"]})
            column.append(cell)
        warping = self._warping[style]
        noisy = self._noisy or [photo.image for photo in self._photos[:_NOISY_IMAGES]]
        score = StyleScore(
            name,
            mean_figures(ours),
            mean_figures(unchanged),
            **mean_figures(strokes),
            flicker=math.exp(mean_of_known([math.log(ratio) if ratio > 0 else math.nan for ratio in warping])),
            flicker_by_clip=warping,
            noise_gain=math.nan if self.options.quick else noise_gain(stylizer.unrounded, noisy),
            ours_by_photograph=ours,
            others=others,
        )
        return score, column

    def _judge_image(self, style: int, place: int, stylized: Image) -> tuple[Figures, Figures, Figures]:
        """Figures of a stylized photograph, the same of the photograph itself, and those of strokes and grid."""
        photo, photo_look = self._photos[place].image, self._photo_looks[place]
        aims, look = self._aims_at(min(photo.shape[:2])), self._judge.look(stylized)
        self._strokes[place].append(look.strokes)
        fit = stroke_fit(look.strokes, [aim.strokes for aim in aims], style)
        return (
            compare(look, photo_look, aims[style]).numbers(),
            compare(photo_look, photo_look, aims[style]).numbers(),
            {"fit": fit, **grid_figures(stylized, photo)},
        )

    def _judge_others(self, style: int, ours: Figures) -> tuple[Others, Cell]:
        """Judges an image by others of the first photograph, of which ours has the figures that are given."""
        photo, others = self._photos[0].image, self._others[self.styles[style]]
        aims = self._aims_at(min(photo.shape[:2]))
        fitted = resize(others.image, (photo.shape[1], photo.shape[0]))
        look = self._judge.look(fitted)
        self._others_strokes[style] = look.strokes
        fit = stroke_fit(look.strokes, [aim.strokes for aim in aims], style)
        theirs = compare(look, self._photo_looks[0], aims[style]).numbers() | {"fit": fit}
        ratios = {name: ours[name] / value if value else math.nan for name, value in theirs.items()}
        return Others(others.name, theirs, ratios), make_cell(f"by others: {others.name}", fitted)

    def _aims_at(self, short_side_px: int) -> list[Impression]:
        """What the judge sees in the style images at the size of a photograph, looked at once."""
        if short_side_px not in self._aims:
            sized = [with_short_side(style_image.image, short_side_px) for style_image in self._style_images]
            self._aims[short_side_px] = [self._judge.look(image) for image in sized]
        return self._aims[short_side_px]

    def _means(self, scores: list[StyleScore]) -> dict[str, Figures]:
        grids = [grid_figures(photo.image, photo.image) for photo in self._photos]
        unchanged = mean_figures([score.all_unchanged for score in scores])
        return {
            "ours": mean_figures([score.all_ours for score in scores]),
            "unchanged": unchanged | mean_figures(grids),
        }

    def _diversity(self) -> Diversity:
        """How much strokes differ between styles, on each photograph, and beside those by others on the first."""
        aims = [[aim.strokes for aim in self._aims_at(min(photo.image.shape[:2]))] for photo in self._photos]
        ours = [stroke_diversity(*pair) for pair in zip(self._strokes, aims, strict=True)]
        beside = sorted(self._others_strokes)
        style_images = [aims[0][style] for style in beside]
        return Diversity(
            mean_of_known(ours),
            ours,
            [self.styles[style] for style in beside],
            stroke_diversity([self._strokes[0][style] for style in beside], style_images),
            stroke_diversity([self._others_strokes[style] for style in beside], style_images),
        )

    def _judge_clip(self, path: Path, progress: Progress) -> ClipScore:
        """Measures flicker in all styles, frame by frame, so that only two frames of each are held.

        Raises:
            EvaluationError: the clip cannot be read, or has no error that flicker could be compared with.
        """
        errors: list[list[float]] = [[] for _ in range(1 + len(self._stylizers))]
        previous: list[Image] = []
        count, noisy_every = 0, math.ceil(self.options.max_frames / _NOISY_IMAGES)
        task = progress.add_task(path.name, total=self.options.max_frames)
        for frame in read_frames(path, self.options.max_frames):
            if count % noisy_every == 0:
                self._noisy.append(frame)
            current = [frame, *(stylizer(frame) for stylizer in self._stylizers)]
            if previous:
                motion = measure_motion(previous[0], frame)
                for own, before, now in zip(errors, previous, current, strict=True):
                    own.append(pair_error(before, now, motion))
            previous, count = current, count + 1
            progress.update(task, completed=count)
        own_error, *stylized_errors = (mean_of_known(each) for each in errors)
        if not own_error > 0:
            raise EvaluationError(
                f"clip {path}: its own warping error is {own_error}, so nothing can be compared with it; "
                "give one of a camera, whose image neither stands still nor jumps"
            )
        for ratios, error in zip(self._warping, stylized_errors, strict=True):
            ratios.append(error / own_error)
        return ClipScore(path.name, count, own_error)


def _check_known(option: str, asked: Sequence[str], known: tuple[str, ...], model: Path) -> None:
    unknown = [style for style in asked if style not in known]
    if unknown:
        raise EvaluationError(f"{option}: {model} has no style {unknown[0]!r}; allowed: {', '.join(known)}")
