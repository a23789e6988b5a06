"""Owns the result of a judging: the figures of each style, as a table for people and as JSON.

Must not know how figures come about.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from neural_style.atomic import whole_file
from neural_style.judge import PictureFigures

_JUDGE = "EfficientNet-Lite2"


@dataclass(frozen=True)
class Others:
    """A picture by others: its file's name and its figures."""

    file: str
    figures: PictureFigures


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
        others: of a picture by others of the first photograph.
        warping: E_warp(stylized) / E_warp(clip) of each clip.
        noise_gain: see `neural_style.flicker.noise_gain`.
    """

    name: str
    ours: list[PictureFigures] = field(default_factory=list)
    unchanged: list[PictureFigures] = field(default_factory=list)
    others: Others | None = None
    warping: list[float] = field(default_factory=list)
    noise_gain: float = math.nan

    @property
    def flicker(self) -> float:
        """Geometric mean of the warping ratios over clips, so that none outweighs the others; nan without clips."""
        return float(np.exp(_mean([math.log(ratio) if ratio > 0 else math.nan for ratio in self.warping])))


@dataclass(frozen=True)
class Scorecard:
    """A whole judging.

    Attributes:
        model: the weights file's name.
        photographs: their files' names.
        clips: what flicker was measured on.
        styles: their figures.
    """

    model: str
    photographs: list[str]
    clips: list[ClipScore]
    styles: list[StyleScore]


def as_numbers(figures: PictureFigures) -> dict[str, float]:
    """All figures by name, the two combined ones first."""
    combined = {"style_distance": figures.style_distance, "content_distance": figures.content_distance}
    return {**combined, **asdict(figures)}


def mean_numbers(figures: Sequence[PictureFigures]) -> dict[str, float]:
    """The mean of each figure over pictures."""
    rows = [as_numbers(each) for each in figures]
    return {name: _mean([row[name] for row in rows]) for name in rows[0]}


def write_json(path: Path, card: Scorecard) -> None:
    """Writes a judging as JSON; what could not be measured is null. The file appears only when whole.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        "model": card.model,
        "judge": _JUDGE,
        "photographs": card.photographs,
        "clips": [asdict(clip) for clip in card.clips],
        "styles": [_style_as_json(score) for score in card.styles],
        "mean": {who: _mean_over_styles(card.styles, who) for who in ("ours", "unchanged")},
    }
    text = json.dumps(_without_nan(content), indent=2, allow_nan=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def make_tables(card: Scorecard) -> list[Table]:
    """Two tables that fit 80 columns: what to compare styles by, and the parts of the distances."""
    first = _table(
        f"{card.model}, photographs: {len(card.photographs)}, clips: {len(card.clips)}",
        ("style", "flicker", "noise", "content", "colour"),
        "style, content, colour: distances, 0 is equal; noise: gain\n"
        "flicker: E_warp(out)/E_warp(in), which alone a blur would win",
    )
    second = _table(
        "parts of the distances",
        ("features", "patches", "features", "1-SSIM"),
        "features, patches: to the painting; features, 1-SSIM: to the photograph",
    )
    for score in card.styles:
        ours, unchanged = (mean_numbers(each) for each in (score.ours, score.unchanged))
        rows = [("ours", ours, (score.flicker, score.noise_gain)), ("photo", unchanged, _unmoved(score))]
        if score.others is not None:
            theirs = as_numbers(score.others.figures)
            rows.append(("others", theirs, (math.nan, math.nan)))
            rows.append(("ratio", _ratios(ours, theirs), (math.nan, math.nan)))
        for number, (who, numbers, video) in enumerate(rows):
            _add_rows(first, second, (score.name if number == 0 else "", who), numbers, video)
        first.add_section()
        second.add_section()
    if len(card.styles) > 1:
        for who, label in (("ours", "ours"), ("unchanged", "photo")):
            numbers = _mean_over_styles(card.styles, who)
            video = (numbers.pop("flicker"), numbers.pop("noise_gain"))
            _add_rows(first, second, ("mean" if who == "ours" else "", label), numbers, video)
    return [first, second]


def _table(title: str, headings: tuple[str, ...], caption: str) -> Table:
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    table.add_column("", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _add_rows(
    first: Table, second: Table, labels: tuple[str, str], numbers: dict[str, float], video: tuple[float, float]
) -> None:
    flicker, gain = (_shown(value, 2) for value in video)
    distances = (_shown(numbers[name], 3) for name in ("style_distance", "content_distance"))
    style, content = distances
    first.add_row(*labels, style, flicker, gain, content, _shown(numbers["colour"], 2))
    parts = ("style_features", "style_patches", "content_features", "content_structure")
    second.add_row(*labels, *(_shown(numbers[name], 4 if name == "style_patches" else 3) for name in parts))


def _style_as_json(score: StyleScore) -> dict[str, Any]:
    ours = mean_numbers(score.ours)
    content: dict[str, Any] = {
        "name": score.name,
        "ours": ours,
        "unchanged": mean_numbers(score.unchanged),
        "flicker": score.flicker,
        "flicker_by_clip": score.warping,
        "noise_gain": score.noise_gain,
        "ours_by_photograph": [as_numbers(figures) for figures in score.ours],
    }
    if score.others is not None:
        theirs = as_numbers(score.others.figures)
        content["others"] = {"file": score.others.file, "figures": theirs, "ours_to_others": _ratios(ours, theirs)}
    return content


def _mean_over_styles(scores: list[StyleScore], who: str) -> dict[str, float]:
    rows = [mean_numbers(score.ours if who == "ours" else score.unchanged) for score in scores]
    video = [(score.flicker, score.noise_gain) if who == "ours" else _unmoved(score) for score in scores]
    for row, (flicker, gain) in zip(rows, video, strict=True):
        row |= {"flicker": flicker, "noise_gain": gain}
    return {name: _mean([row[name] for row in rows]) for name in rows[0]}


def _unmoved(score: StyleScore) -> tuple[float, float]:
    """Flicker and noise gain of the picture unchanged: 1 by definition, where there was a clip."""
    return (math.nan if math.isnan(score.flicker) else 1.0, 1.0)


def _ratios(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    return {name: value / theirs[name] if theirs[name] else math.nan for name, value in ours.items()}


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _shown(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
