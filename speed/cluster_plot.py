"""Owns the plot of simulated clusters: how much of its workers each mix of videos uses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from neural_style.atomic_file import whole_file
from speed.cluster_simulation import Simulated


def draw_scaling(results: Mapping[str, Sequence[Simulated]], title: str, path: Path) -> None:
    """Draws the efficiency over the number of workers.

    Args:
        results: for each mix by its name.
        title: what was assumed.
        path: a PNG.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, simulated), marker in zip(results.items(), "os^D*", strict=False):
        workers = [one.workers for one in simulated]
        axes.plot(workers, [100 * one.efficiency for one in simulated], marker=marker, label=name)
    axes.axhline(90, color="#999999", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set_ylim(0, 102)
    axes.set_xlabel("workers")
    axes.set_ylabel("efficiency, %")
    axes.set_title(title, fontsize=9)
    axes.legend(loc="lower left", fontsize=8)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110)
