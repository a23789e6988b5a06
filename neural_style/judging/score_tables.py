"""Owns the tables of a judging that people read, each within 80 columns."""

import math

from rich import box
from rich.table import Table

from neural_style.judging.scorecard import Diversity, Figures, Scorecard, StyleScore

Row = tuple[str, str, Figures]
"""The style, who stylized, and figures by name."""

Columns = dict[str, tuple[str, int]]
"""A figure's name for each heading, and how many decimals are shown."""

_MAIN: Columns = {
    "style": ("style_distance", 3),
    "flicker": ("flicker", 2),
    "noise": ("noise_gain", 2),
    "content": ("content_distance", 3),
    "colour": ("colour", 2),
}
_PARTS: Columns = {
    "features": ("style_features", 3),
    "patches": ("style_patches", 4),
    "parts": ("content_parts", 3),
    "things": ("content_things", 3),
    "1-SSIM": ("content_structure", 3),
}
_STROKES: Columns = {"fit": ("fit", 3), "grid 4 px": ("grid_4_px", 2), "grid 8 px": ("grid_8_px", 2)}


def make_tables(card: Scorecard) -> list[Table]:
    """Three tables: what to compare styles by, the parts of the distances, and strokes."""
    rows = [_rows(score) for score in card.styles]
    if len(card.styles) > 1:
        rows.append([("mean", "ours", card.mean["ours"]), ("", "photo", card.mean["unchanged"])])
    quick = ", quick" if card.quick else ""
    return [
        _table(
            f"{card.model}, photographs: {len(card.photographs)}, clips: {len(card.clips)}{quick}",
            "style, content, colour: distances, 0 is equal; noise: gain\n"
            "flicker: E_warp(out)/E_warp(in), which alone a blur would win",
            _MAIN,
            rows,
        ),
        _table(
            "parts of the distances",
            "features, patches: to the style image; parts, things, 1-SSIM: to the photograph",
            _PARTS,
            rows,
        ),
        _table(
            f"strokes without colour: diversity {_diversity(card.diversity)}",
            "diversity: between styles, over that between style images\n"
            "fit: to the own style image, over to others; grid: 1 is none",
            _STROKES,
            rows,
        ),
    ]


def _rows(score: StyleScore) -> list[Row]:
    rows = [(score.name, "ours", score.all_ours), ("", "photo", score.all_unchanged)]
    if score.others is not None:
        rows += [("", "others", score.others.figures), ("", "ratio", score.others.ours_to_others)]
    return rows


def _diversity(diversity: Diversity) -> str:
    text = _shown(diversity.mean, 3)
    if len(diversity.beside) < 2:
        return text
    beside = f"{_shown(diversity.ours_beside, 3)}, others {_shown(diversity.others, 3)}"
    return f"{text}\n{', '.join(diversity.beside)} on the first photograph: ours {beside}"


def _table(title: str, caption: str, columns: Columns, blocks: list[list[Row]]) -> Table:
    """Leaves out rows that know nothing of its columns."""
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    table.add_column("", overflow="fold")
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for block in blocks:
        for style, who, numbers in block:
            shown = [_shown(numbers.get(name, math.nan), decimals) for name, decimals in columns.values()]
            if set(shown) != {"-"}:
                table.add_row(style, who, *shown)
        table.add_section()
    return table


def _shown(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"
