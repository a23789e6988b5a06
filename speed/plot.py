"""Owns the drawing of figures: a bar for every row.

Must not know how they were measured.
"""

from pathlib import Path

from neural_style.atomic_file import whole_file
from realtime.errors import MissingPackageError
from speed.results import Figures

_BAR_INCHES, _WIDTH_INCHES = 0.32, 9.0


def check_plotting() -> None:
    """Raises MissingPackageError where nothing can be drawn: before measuring, and not after."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("plot: matplotlib is not installed; run pip install matplotlib==3.11.2") from error


def draw(figures: Figures, path: Path) -> None:
    """Draws throughput of the engine alone, with its spread, and of the live loop.

    Args:
        figures: at least one row.
        path: a PNG.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure

    rows = figures.rows[::-1]  # the first on top
    places = range(len(rows))
    figure = Figure(figsize=(_WIDTH_INCHES, 1.4 + _BAR_INCHES * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    spread = [
        [row.fps - row.batch_size * 1000 / row.high_ms for row in rows],
        [row.batch_size * 1000 / row.low_ms - row.fps for row in rows],
    ]
    bars = axes.barh(places, [row.fps for row in rows], xerr=spread, color="#7fa8d9", ecolor="#33475b")
    axes.bar_label(bars, [f"{row.fps:.1f}" for row in rows], padding=6, fontsize=8)
    looped = [(place, row.loop_fps) for place, row in zip(places, rows, strict=True) if row.loop_fps is not None]
    if looped:
        axes.plot([fps for _, fps in looped], [place for place, _ in looped], "D", color="#d9822b", label="live loop")
        axes.legend(loc="lower right")
    axes.set_yticks(places, [_label(row.label, row.engine, row.precision, row.size, row.batch_size) for row in rows])
    axes.set_xlabel("frames per second of the engine alone (line: slowest to fastest round)")
    axes.set_title(f"CPU: {figures.machine['cpu']}, cores: {figures.machine['cores']}, GPU: {figures.machine['gpu']}")
    axes.margins(x=0.12)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110)


def _label(style: str, engine: str, precision: str, size: str, batch_size: int) -> str:
    batch = f" x{batch_size}" if batch_size > 1 else ""
    return f"{style}, {engine} {precision}, {size}{batch}"
