"""Owns what figures look like in a terminal.

Must not know how they were measured.
"""

from collections.abc import Callable

from rich.table import Table

from speed.comparison import Compared
from speed.results import PUBLIC_NETWORK, Figures, Row


def speed_table(figures: Figures) -> Table:
    """How fast each row is, alone and in the live loop."""
    yardsticks = {row.size: row for row in figures.rows if row.style == PUBLIC_NETWORK}

    def times_faster(row: Row) -> str:
        yardstick = yardsticks.get(row.size)
        return f"{row.fps / yardstick.fps:.1f}" if yardstick else "-"

    caption = (
        "ms: of the engine for one batch, median (fastest-slowest round); live loop: decoding, engine, smoothing,\n"
        "overlay; times: speed in multiples of the public network's, eager PyTorch in fp32, in the same run"
    )
    columns: dict[str, Callable[[Row], str]] = {
        "ms": lambda row: f"{_short(row.median_ms)} ({_short(row.low_ms)}-{_short(row.high_ms)})",
        "p95": lambda row: _short(row.p95_ms),
        "p99": lambda row: _short(row.p99_ms),
        "fps": lambda row: f"{row.fps:.1f}",
        "live loop fps": lambda row: _shown(row.loop_fps, ".1f"),
        "times": times_faster,
    }
    return _table("speed", caption, figures, columns)


def cost_table(figures: Figures) -> Table:
    """What each row costs, and how exact it is."""
    ceilings = ", ".join(f"{name} {value:.0f}" for name, value in figures.ceilings.items())
    caption = (
        "first ms: from nothing to the first batch; MAC, bytes: for one pixel, by the network's definition;\n"
        f"products, copy: share of what the machine can do at best ({ceilings});\n"
        "difference: mean of 0..255, and PSNR, to the image in fp32"
    )
    columns: dict[str, Callable[[Row], str]] = {
        "first ms": lambda row: f"{row.first_frame_ms:.0f}",
        "MB": lambda row: f"{row.memory_mb:.0f}",
        "MAC": lambda row: _shown(row.macs_per_pixel, ".0f"),
        "bytes": lambda row: _shown(row.bytes_per_pixel, ".0f"),
        "products": lambda row: _shown(row.products_share, ".0%"),
        "copy": lambda row: _shown(row.copy_share, ".0%"),
        "difference": lambda row: _shown(row.mean_difference, ".2f"),
        "dB": lambda row: _shown(row.psnr_db, ".1f"),
    }
    if any(row.gpu_memory_mb for row in figures.rows):
        columns["GPU MB"] = lambda row: f"{row.gpu_memory_mb:.0f}"
    return _table("cost", caption, figures, columns)


def comparison_table(compared: list[Compared]) -> Table:
    """Two runs beside each other."""
    table = Table(title="this run and the earlier one", caption="same: within the spread of both")
    for name in ("style", "engine", "size"):
        table.add_column(name)
    for name in ("earlier ms", "now ms", "ratio", ""):
        table.add_column(name, justify="right")
    for pair in compared:
        old_ms, new_ms = _short(pair.old.median_ms), _short(pair.new.median_ms)
        table.add_row(*_names(pair.new), old_ms, new_ms, f"{pair.ratio:.2f}", pair.verdict)
    return table


def _table(title: str, caption: str, figures: Figures, columns: dict[str, Callable[[Row], str]]) -> Table:
    table = Table(title=title, caption=caption)
    for name in ("style", "engine", "size"):
        table.add_column(name)
    for name in columns:
        table.add_column(name, justify="right")
    for row in figures.rows:
        table.add_row(*_names(row), *(show(row) for show in columns.values()))
    return table


def _names(row: Row) -> tuple[str, str, str]:
    device = "" if row.device == "cpu" else f" {row.device}"
    batch = "" if row.batch_size == 1 else f" x{row.batch_size}"
    return row.label, f"{row.engine} {row.precision}{device}", f"{row.size}{batch}"


def _short(value: float) -> str:
    """Three digits or more."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
