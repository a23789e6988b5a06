"""Owns which of the two networks a live run takes: `fine` where this machine holds the source's rate, else `fast`."""

import math
from collections.abc import Callable
from dataclasses import replace

from realtime.engines.autotune import Autotune, Candidate
from realtime.engines.protocol import Engine
from realtime.engines.selection import choose_engine, open_named_engine
from realtime.options import EngineOptions, NetworkName
from realtime.sources.protocol import SourceInfo
from realtime.style_catalogue import Catalogue, has_network, open_styles

LOOP_SHARE = 0.8
"""What a live loop, which also decodes, smooths and shows, reaches of an engine's own rate; measured: 0.82 and more."""


def choose_live_network(
    style: str, options: EngineOptions, source: SourceInfo, say: Callable[[str], None]
) -> tuple[NetworkName, EngineOptions]:
    """Chooses a network for a live source; what was measured is remembered.

    Args:
        style: as `open_styles` takes it.
        options: of the engine that will run it; with engine "auto" the one that is fastest with `fast`.
        source: what comes.
        say: takes lines for people: what is measured, and why it is not `fine`.

    Returns:
        "fast" or "fine", and the options with an engine and a precision in place of "auto".

    Raises:
        StylizationError: there is no such style, or the engine cannot be had.
    """
    catalogue, place = open_styles(style, "fast")
    options = choose_engine(catalogue, place, options, source.size_wh, say)
    if catalogue.styles[place].network != "fast" or not has_network("fine"):
        return "fast", options
    fine_catalogue, fine_place = open_styles(style, "fine")
    fine = fine_catalogue.styles[fine_place]
    candidate = Candidate(options.engine, options.precision)

    def open_fine(_: Candidate) -> Engine:
        return open_named_engine(Catalogue((fine,)), replace(options, parallel_batches=1))

    time_ms = Autotune(open_fine, fine, source.size_wh, options.refresh).frame_time_ms(candidate)
    if math.isinf(time_ms):  # the engine will say itself why it cannot be had
        return "fast", options
    reached_fps = LOOP_SHARE * 1000 / time_ms
    if reached_fps >= source.rate_fps:
        return "fine", options
    say(
        f"network fast: fine would give about {reached_fps:.0f} of the source's {source.rate_fps:.0f} frames a second "
        "here; --network fine takes it all the same"
    )
    return "fast", options
