"""Owns the result of a judging: the figures of each style, and all as JSON.

Must not know how figures come about.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neural_style.atomic_file import whole_file
from neural_style.judging.flicker import mean_of_known
from neural_style.judging.grid import GridFigures
from neural_style.judging.judge import ImageFigures

_JUDGE = "EfficientNet-Lite2"


@dataclass(frozen=True)
class Others:
    """An image by others: its file's name, its figures and its fit (`neural_style.judging.strokes.stroke_fit`)."""

    file: str
    figures: ImageFigures
    fit: float


@dataclass(frozen=True)
class ClipScore:
    """What a clip is judged on.

    Attributes:
        name: the file's.
        frames: how many were used.
        warping_error: E_warp of the clip itself.
    """

    name: str
    frames: int
    warping_error: float


@dataclass
class StyleScore:
    """All figures of one style.

    Attributes:
        name: the style.
        ours: of the stylized photographs, in their order.
        unchanged: of the photographs themselves, a yardstick: who changes nothing has these.
        fits: of the stylized photographs, see `neural_style.judging.strokes.stroke_fit`.
        grids: of the stylized photographs.
        others: of an image by others of the first photograph.
        warping: E_warp(stylized) / E_warp(clip) of each clip.
        noise_gain: see `neural_style.judging.flicker.noise_gain`.
    """

    name: str
    ours: list[ImageFigures] = field(default_factory=list)
    unchanged: list[ImageFigures] = field(default_factory=list)
    fits: list[float] = field(default_factory=list)
    grids: list[GridFigures] = field(default_factory=list)
    others: Others | None = None
    warping: list[float] = field(default_factory=list)
    noise_gain: float = math.nan

    @property
    def flicker(self) -> float:
        """Geometric mean of the warping ratios over clips, so that none outweighs the others; nan without clips."""
        return float(np.exp(mean_of_known([math.log(ratio) if ratio > 0 else math.nan for ratio in self.warping])))


@dataclass(frozen=True)
class Diversity:
    """How much the strokes of styles differ, over how much those of their paintings do.

    Attributes:
        by_photograph: see `neural_style.judging.strokes.stroke_diversity`.
        beside: the styles of which there are images by others.
        ours_beside: of these styles, on the first photograph.
        others: of the images by others.
    """

    by_photograph: list[float]
    beside: list[str]
    ours_beside: float
    others: float

    @property
    def mean(self) -> float:
        """Over photographs."""
        return mean_of_known(self.by_photograph)


@dataclass(frozen=True)
class Scorecard:
    """A whole judging.

    Attributes:
        model: the weights file's name.
        quick: whether the judge left out the enlarged view.
        photographs: their files' names.
        grids: of the photographs themselves, a yardstick.
        clips: what flicker was measured on.
        styles: their figures.
        diversity: of their strokes.
    """

    model: str
    quick: bool
    photographs: list[str]
    grids: list[GridFigures]
    clips: list[ClipScore]
    styles: list[StyleScore]
    diversity: Diversity


def as_numbers(figures: ImageFigures) -> dict[str, float]:
    """All figures by name, the two combined ones first."""
    combined = {"style_distance": figures.style_distance, "content_distance": figures.content_distance}
    return {**combined, **asdict(figures)}


def mean_numbers(figures: Sequence[ImageFigures]) -> dict[str, float]:
    """The mean of each figure over images."""
    rows = [as_numbers(each) for each in figures]
    return {name: mean_of_known([row[name] for row in rows]) for name in rows[0]}


def write_json(path: Path, card: Scorecard) -> None:
    """Writes a judging as JSON; what could not be measured is null. The file appears only when whole.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        "model": card.model,
        "judge": _JUDGE,
        "quick": card.quick,
        "photographs": card.photographs,
        "clips": [asdict(clip) for clip in card.clips],
        "styles": [_style_as_json(score) for score in card.styles],
        "mean": {
            "ours": mean_over_styles(card.styles, "ours"),
            "unchanged": mean_over_styles(card.styles, "unchanged") | mean_grid(card.grids),
        },
        "diversity": {"mean": card.diversity.mean, **asdict(card.diversity)},
    }
    text = json.dumps(_without_nan(content), indent=2, allow_nan=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def mean_over_styles(scores: list[StyleScore], who: str) -> dict[str, float]:
    """The mean of each figure; `who` is "ours", or "unchanged" for the photographs themselves."""
    numbers = style_numbers if who == "ours" else unchanged_numbers
    rows = [numbers(score) for score in scores]
    return {name: mean_of_known([row[name] for row in rows]) for name in rows[0]}


def style_numbers(score: StyleScore) -> dict[str, float]:
    """All figures of a style by name, means over photographs."""
    strokes = {"fit": mean_of_known(score.fits), **mean_grid(score.grids)}
    return {**mean_numbers(score.ours), **strokes, "flicker": score.flicker, "noise_gain": score.noise_gain}


def unchanged_numbers(score: StyleScore) -> dict[str, float]:
    """The same of who changes nothing, whose flicker and noise gain are 1 by definition where ours are known."""
    moving = {"flicker": score.flicker, "noise_gain": score.noise_gain}
    ones = {name: math.nan if math.isnan(value) else 1.0 for name, value in moving.items()}
    return {**mean_numbers(score.unchanged), **ones}


def mean_grid(grids: Sequence[GridFigures]) -> dict[str, float]:
    """The mean of the grid figures over images."""
    return {
        "grid_4_px": mean_of_known([grid.period_4 for grid in grids]),
        "grid_8_px": mean_of_known([grid.period_8 for grid in grids]),
    }


def others_numbers(score: StyleScore) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of the image by others, and ours of the same photograph over them; both empty without."""
    if score.others is None:
        return {}, {}
    theirs = as_numbers(score.others.figures) | {"fit": score.others.fit}
    ours = as_numbers(score.ours[0]) | {"fit": score.fits[0]}
    return theirs, {name: ours[name] / value if value else math.nan for name, value in theirs.items()}


def _style_as_json(score: StyleScore) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": score.name,
        "ours": mean_numbers(score.ours),
        "unchanged": mean_numbers(score.unchanged),
        "fit": mean_of_known(score.fits),
        **mean_grid(score.grids),
        "flicker": score.flicker,
        "flicker_by_clip": score.warping,
        "noise_gain": score.noise_gain,
        "ours_by_photograph": [as_numbers(figures) for figures in score.ours],
    }
    if score.others is not None:
        theirs, ratios = others_numbers(score)
        content["others"] = {"file": score.others.file, "figures": theirs, "ours_to_others": ratios}
    return content


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
