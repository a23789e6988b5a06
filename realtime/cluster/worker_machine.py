"""Owns what of a worker depends on its machine: its share of the cores, and where the networks lie."""

import os
import sys
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from neural_style.weights import SAVED_MODELS
from realtime.cluster.units import Setup
from realtime.errors import StyleError
from realtime.style import Style, styles_of_file
from realtime.videos.reporting import Event


def use_cores(rank: int, cores: int | None) -> None:
    """Keeps this process to its own share of its machine's cores, where the system can: engine, decoder and encoder.

    Args:
        rank: of this worker among those of its machine.
        cores: for each; None leaves it all.
    """
    if cores is None or sys.platform != "linux":
        return
    usable = sorted(os.sched_getaffinity(0))
    chosen = usable[rank * cores : (rank + 1) * cores]
    if len(chosen) < cores:
        return
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended
            os.sched_setaffinity(int(thread.name), chosen)


def style_here(style: Style, setup: Setup) -> Style:
    """A style with the paths of this machine's networks.

    Raises:
        StyleError: its network is not here, or another one.
    """
    paths = {}
    for name in ("checkpoint", "model_file", "file", "script_file"):
        path = getattr(style, name)
        if path is not None and path.is_relative_to(setup.models_folder):
            path = SAVED_MODELS / path.relative_to(setup.models_folder)
        paths[name] = path
    here = replace(style, **paths)
    holder = here.checkpoint or here.model_file or here.script_file
    if holder is not None and not holder.is_file():
        raise StyleError(f"style {style.name}: there is no {holder}; install the same version everywhere")
    if here.checkpoint is not None and here.checkpoint.suffix == ".safetensors" and style.content_hash:
        found = {other.content_hash for other in _styles_of(here.checkpoint)}
        if style.content_hash not in found:
            raise StyleError(f"style {style.name}: {holder} is another version; install the same one everywhere")
    return here


@cache
def _styles_of(path: Path) -> tuple[Style, ...]:
    return styles_of_file(path)


class Lines:
    """Keeps what an engine says of its choice."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def report(self, event: Event, source: str = "", **facts: Any) -> None:
        """See `Reporter.report`."""
        if event == "note":
            self.lines.append(facts["text"])

    def close(self) -> None:
        """See `Reporter.close`."""
