"""Owns what results look like in a terminal."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from rich.table import Table

from speed.results import BASELINE, Comparison, Report, Result

Row = TypeVar("Row")
Columns = Mapping[str, Callable[[Row], str]]

_NAMES: Columns[Result] = {
    "style": lambda result: result.label,
    "engine": lambda result: (
        f"{result.engine} {result.precision}{'' if result.device == 'cpu' else f' {result.device}'}"
    ),
    "size": lambda result: result.size if result.batch_size == 1 else f"{result.size} x{result.batch_size}",
}


def make_table(title: str, caption: str, rows: Iterable[Row], columns: Columns[Row], words: int) -> Table:
    """A table with a line for each row.

    Args:
        title: above it.
        caption: below it.
        rows: what is shown.
        columns: headings, and what they show of a row.
        words: how many of the first columns hold words, and not numbers.
    """
    table = Table(title=title, caption=caption)
    for place, heading in enumerate(columns):
        table.add_column(heading, justify="left" if place < words else "right")
    for row in rows:
        table.add_row(*(show(row) for show in columns.values()))
    return table


def speed_table(report: Report) -> Table:
    """How fast each engine is, alone and in the live loop."""
    baselines = {result.size: result for result in report.results if result.style == BASELINE}

    def times_faster(result: Result) -> str:
        baseline = baselines.get(result.size)
        return f"{result.fps / baseline.fps:.1f}" if baseline else "-"

    caption = (
        "ms: of the engine for one batch, median (fastest-slowest round); live loop: decoding, engine, smoothing,\n"
        "overlay; times: speed in multiples of the public network's, eager PyTorch in fp32, in the same run"
    )
    columns: Columns[Result] = {
        **_NAMES,
        "ms": lambda result: f"{_ms(result.median_ms)} ({_ms(result.low_ms)}-{_ms(result.high_ms)})",
        "p95": lambda result: _ms(result.p95_ms),
        "p99": lambda result: _ms(result.p99_ms),
        "fps": lambda result: f"{result.fps:.1f}",
        "live loop fps": lambda result: _or_dash(result.loop_fps, ".1f"),
        "times": times_faster,
    }
    return make_table("speed", caption, report.results, columns, len(_NAMES))


def cost_table(report: Report) -> Table:
    """What each engine costs, and how exact it is."""
    columns: dict[str, Callable[[Result], str]] = {
        **_NAMES,
        "first ms": lambda result: f"{result.first_frame_ms:.0f}",
        "MB": lambda result: f"{result.memory_mb:.0f}",
        "MAC": lambda result: _or_dash(result.macs_per_pixel, ".0f"),
        "bytes": lambda result: _or_dash(result.bytes_per_pixel, ".0f"),
        "compute": lambda result: _or_dash(result.compute_share, ".0%"),
        "bandwidth": lambda result: _or_dash(result.bandwidth_share, ".0%"),
        "difference": lambda result: _or_dash(result.mean_difference, ".2f"),
        "dB": lambda result: _or_dash(result.psnr_db, ".1f"),
    }
    if any(result.gpu_memory_mb for result in report.results):
        columns["GPU MB"] = lambda result: f"{result.gpu_memory_mb:.0f}"
    caption = (
        "first ms: from nothing to the first batch; MAC, bytes: for one pixel, by the network's definition;\n"
        f"compute, bandwidth: share of this machine's peak ({describe_ceilings(report.ceilings)});\n"
        "difference: mean of 0..255, and PSNR, to the image in fp32"
    )
    return make_table("cost", caption, report.results, columns, len(_NAMES))


def comparison_table(comparisons: list[Comparison]) -> Table:
    """Two runs beside each other."""
    pairs = {pair.new.key: pair for pair in comparisons}
    columns: Columns[Result] = {
        **_NAMES,
        "earlier ms": lambda result: _ms(pairs[result.key].old.median_ms),
        "now ms": lambda result: _ms(result.median_ms),
        "ratio": lambda result: f"{pairs[result.key].ratio:.2f}",
        "": lambda result: pairs[result.key].verdict,
    }
    caption = "same: within the spread of both"
    return make_table("this run and the earlier one", caption, [pair.new for pair in comparisons], columns, len(_NAMES))


def describe_ceilings(ceilings: Mapping[str, float]) -> str:
    """Peak rates in one line."""
    return ", ".join(f"{name} {value:.0f}" for name, value in ceilings.items())


def _ms(value: float) -> str:
    """Milliseconds in three digits or more."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
