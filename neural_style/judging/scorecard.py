"""Owns the result of a judging: the figures of each style, and all of it as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from neural_style.atomic_file import whole_file
from neural_style.judging.flicker import mean_of_known

Figures = dict[str, float]
"""Figures by name; nan where one could not be measured."""

_STROKES_AND_MOTION = ("fit", "grid_4_px", "grid_8_px", "flicker", "noise_gain")


@dataclass(frozen=True)
class Others:
    """An image by others of the first photograph.

    Attributes:
        file: its name.
        figures: of that image.
        ours_to_others: ours of the same photograph, divided by these.
    """

    file: str
    figures: Figures
    ours_to_others: Figures


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


@dataclass(frozen=True)
class StyleScore:
    """All figures of one style, those of images as means over photographs.

    Attributes:
        name: the style.
        ours: of the stylized photographs (`neural_style.judging.judge.ImageFigures`).
        unchanged: of the photographs themselves, for comparison: who changes nothing has these.
        fit: see `neural_style.judging.strokes.stroke_fit`.
        grid_4_px: see `neural_style.judging.grid.grid_figures`.
        grid_8_px: alike.
        flicker: geometric mean of `flicker_by_clip`, so that no clip outweighs the others; nan without clips.
        flicker_by_clip: E_warp(stylized) / E_warp(clip).
        noise_gain: see `neural_style.judging.flicker.noise_gain`.
        ours_by_photograph: what `ours` is the mean of.
        others: None where there is no image by others in this style.
    """

    name: str
    ours: Figures
    unchanged: Figures
    fit: float
    grid_4_px: float
    grid_8_px: float
    flicker: float
    flicker_by_clip: list[float]
    noise_gain: float
    ours_by_photograph: list[Figures]
    others: Others | None

    @property
    def all_ours(self) -> Figures:
        """Every figure of the stylized images and clips."""
        return self.ours | {name: getattr(self, name) for name in _STROKES_AND_MOTION}

    @property
    def all_unchanged(self) -> Figures:
        """The same of who changes nothing, whose flicker and noise gain are 1 by definition where ours are known."""
        moving = {"flicker": self.flicker, "noise_gain": self.noise_gain}
        return self.unchanged | {name: math.nan if math.isnan(value) else 1.0 for name, value in moving.items()}


@dataclass(frozen=True)
class Diversity:
    """How much the strokes of styles differ, over how much those of their style images do.

    Attributes:
        mean: over photographs.
        by_photograph: see `neural_style.judging.strokes.stroke_diversity`.
        beside: the styles of which there are images by others.
        ours_beside: of these styles, on the first photograph.
        others: of the images by others.
    """

    mean: float
    by_photograph: list[float]
    beside: list[str]
    ours_beside: float
    others: float


@dataclass(frozen=True)
class Scorecard:
    """A whole judging.

    Attributes:
        model: the weights file's name.
        judge: the network that judged.
        quick: whether the judge left out the enlarged view.
        photographs: their files' names.
        clips: what flicker was measured on.
        styles: their figures.
        mean: over styles, "ours" and "unchanged".
        diversity: of their strokes.
    """

    model: str
    judge: str
    quick: bool
    photographs: list[str]
    clips: list[ClipScore]
    styles: list[StyleScore]
    mean: dict[str, Figures]
    diversity: Diversity


def mean_figures(rows: Sequence[Figures]) -> Figures:
    """The mean of each figure over the rows in which it is known."""
    return {name: mean_of_known([row[name] for row in rows]) for name in rows[0]}


def write_json(path: Path, card: Scorecard) -> None:
    """Writes a judging as JSON; what could not be measured is null. The file appears only when whole.

    Raises:
        OSError: it cannot be written.
    """
    content = asdict(card, dict_factory=lambda pairs: {name: value for name, value in pairs if value is not None})
    text = json.dumps(_without_nan(content), indent=2, allow_nan=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
