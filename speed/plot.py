"""Owns the plot of a report: a bar for every result."""

from pathlib import Path

from neural_style.atomic_file import whole_file
from neural_style.errors import MissingPackageError
from speed.results import Report, Result

_BAR_INCHES, _WIDTH_INCHES = 0.32, 9.0


def check_plotting() -> None:
    """Raises MissingPackageError where nothing can be drawn: before measuring, and not after."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("plot: matplotlib is not installed; run pip install matplotlib==3.11.2") from error


def draw(report: Report, path: Path) -> None:
    """Draws throughput of the engine alone, with its spread, and of the live loop.

    Args:
        report: with at least one result.
        path: a PNG.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure

    results = report.results[::-1]  # the first on top
    places = range(len(results))
    figure = Figure(figsize=(_WIDTH_INCHES, 1.4 + _BAR_INCHES * len(results)), layout="constrained")
    axes = figure.add_subplot()
    spread = [
        [result.fps - result.batch_size * 1000 / result.high_ms for result in results],
        [result.batch_size * 1000 / result.low_ms - result.fps for result in results],
    ]
    bars = axes.barh(places, [result.fps for result in results], xerr=spread, color="#7fa8d9", ecolor="#33475b")
    axes.bar_label(bars, [f"{result.fps:.1f}" for result in results], padding=6, fontsize=8)
    looped = [
        (place, result.loop_fps) for place, result in zip(places, results, strict=True) if result.loop_fps is not None
    ]
    if looped:
        axes.plot([fps for _, fps in looped], [place for place, _ in looped], "D", color="#d9822b", label="live loop")
        axes.legend(loc="lower right")
    axes.set_yticks(places, [_label(result) for result in results])
    axes.set_xlabel("frames per second of the engine alone (line: slowest to fastest round)")
    axes.set_title(f"CPU: {report.machine['cpu']}, cores: {report.machine['cores']}, GPU: {report.machine['gpu']}")
    axes.margins(x=0.12)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110)


def _label(result: Result) -> str:
    batch = f" x{result.batch_size}" if result.batch_size > 1 else ""
    return f"{result.label}, {result.engine} {result.precision}, {result.size}{batch}"
