"""Owns what a command line over files says of a recorded show and of a cluster."""

import argparse
from typing import TYPE_CHECKING

from realtime.cli import read_options
from realtime.errors import OptionError

if TYPE_CHECKING:
    from realtime.cluster.options import ClusterOptions

_DECIDED_BY_REPLAY: tuple[str, ...] = ("style", "strength", "keep_colors", "smoothing", "codec", "start", "end")
_DECIDED_BY_REPLAY += ("max_side_px", "stroke", "tile_px", "sheet", "resume", "stats")


def check_replay(chosen: argparse.Namespace, other: argparse.Namespace) -> None:
    """Refuses what a recorded show decides itself.

    Args:
        chosen: the command line.
        other: the same without options.

    Raises:
        OptionError: an option has another value than its default.
    """
    for name in _DECIDED_BY_REPLAY:
        if getattr(chosen, name) != getattr(other, name):
            option = name.removesuffix("_px").replace("_", "-")
            raise OptionError(f"replay: the recording decides --{option} (got {getattr(chosen, name)}); leave it out")


def cluster_options(chosen: argparse.Namespace) -> "ClusterOptions | None":
    """What the command line says of a cluster; None without `--ray`.

    Raises:
        OptionError: a value is not allowed.
    """
    if chosen.ray is None:
        for name in ("workers", "gpus_per_worker", "cpus_per_worker"):
            if getattr(chosen, name) is not None:
                raise OptionError(f"{name.replace('_', '-')} {getattr(chosen, name):g}: is of --ray; leave it out")
        return None
    from realtime.cluster.options import ClusterOptions

    return read_options(ClusterOptions, chosen, address=chosen.ray)
