"""Owns putting together what `ShowOptions` asks for: displays, an exhibition, a rate, cameras, styles of images."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from realtime.controls import Controls
from realtime.engines import Engine
from realtime.errors import OptionError
from realtime.exhibition import Exhibition
from realtime.frame_rate import FrameRateEngine
from realtime.options import RunOptions, SinkName
from realtime.refining_process import RefiningProcess, can_better_much, check_packages
from realtime.show_options import ShowOptions
from realtime.sinks.kiosk import KioskSink
from realtime.sinks.protocol import Display
from realtime.sinks.qr import QrSink
from realtime.sinks.window import WindowSink
from realtime.sources.protocol import Source
from realtime.sources.selection import device_of
from realtime.sources.switching import SwitchingSource
from realtime.stages import Stages
from realtime.style_catalogue import Catalogue, bound_style, find_style, has_network, open_styles
from realtime.style_refiner import StyleRefiner
from realtime.styles_folder import StylesFolder

Say = Callable[[str], None]
_SECONDS = 60.0


def check_show(options: RunOptions, sinks: Sequence[SinkName]) -> None:
    """Refuses what the sinks of a run cannot show.

    Raises:
        OptionError: a window or a page is missing, a rate is to be held of what is read as fast as possible, or a
            style is to be refined while there is no time to spare, or for two networks.
        MissingPackageError: refining needs it.
    """
    show = options.show
    if asks_to_refine(show):
        if options.unpaced:
            raise OptionError("refine: not with --unpaced, which leaves it no time; leave one of them out")
        if fine_catalogue(options) is not None:
            raise OptionError(f"refine: betters one network; with --fps {show.fps:g} add --network fast or fine")
        check_packages(show.refine_weights)
    if show.kiosk is not None and "window" not in sinks:
        raise OptionError(f"kiosk {show.kiosk:g}: needs a window, got --sink {' '.join(sinks)}; add --sink window")
    if show.qr and not {"window", "web"} <= set(sinks):
        raise OptionError("qr: shows the page's address in the window; add --sink window --sink web")
    if options.web.open_stage and "web" not in sinks:
        raise OptionError("open-stage: is of the web page; add --sink web, or leave --open-stage out")
    if show.record_input is not None and show.record_input == options.record:
        raise OptionError(f"record-input {show.record_input}: is what --record writes, too; choose two names")
    for name, value in (("fps", show.fps), ("record-input", show.record_input)):
        if value is not None and options.unpaced:
            raise OptionError(f"{name} {value}: not with --unpaced, which has no rate; leave one of them out")


def asks_to_refine(show: ShowOptions) -> bool:
    """Whether styles of images are to be bettered wherever that is possible at all."""
    return bool(show.refine) or show.refine_weights is not None


def open_refiner(options: RunOptions, controls: Controls, say: Say) -> StyleRefiner | None:
    """What betters styles of images while they are shown; None where nobody asked and it is not known to better much.

    Args:
        options: of the run, checked.
        controls: its settings.
        say: takes a line for people.
    """
    show = options.show
    by_itself = show.refine is None and not options.unpaced
    if asks_to_refine(show) or (by_itself and can_better_much(None)):
        return StyleRefiner(controls, partial(RefiningProcess, weights=show.refine_weights), say)
    return None


def watch_styles(show: ShowOptions, stages: Stages, catalogue: Catalogue, say: Say, until_it_ends: ExitStack) -> Stages:
    """The same stages with what makes styles of the images in a folder, if one is to be watched.

    Args:
        show: what was asked for.
        stages: of the run.
        catalogue: that styles are added to.
        say: takes a line for people.
        until_it_ends: closed at the end of the run.

    Raises:
        StyleError: styles cannot be predicted for the network of the catalogue.
    """
    if show.styles_dir is None:
        return stages
    folder = StylesFolder(show.styles_dir, catalogue, say)
    until_it_ends.callback(folder.close)
    return replace(stages, controllers=[*stages.controllers, folder])


def open_display(show: ShowOptions, say: Say) -> Display:
    """The window, with what a show adds.

    Raises:
        SinkError: there is no display.
        MissingPackageError: what draws the QR code is not installed.
    """
    display: Display = WindowSink() if show.kiosk is None else KioskSink(say)
    return QrSink(display) if show.qr else display


def make_exhibition(show: ShowOptions, controls: Controls, catalogue: Catalogue) -> Exhibition:
    """What goes through styles, and back to the start.

    Raises:
        StyleError: one of the styles to go through is not there.
    """
    texts = [] if show.cycle_styles is None else show.cycle_styles.split(",")
    chosen = [find_style(text.strip(), catalogue).name for text in texts]
    return Exhibition(controls, lambda: chosen or catalogue.names, show.cycle or 0.0, _SECONDS * (show.kiosk or 0.0))


def fine_catalogue(options: RunOptions) -> Catalogue | None:
    """The styles of `fine` where a rate is held by either network; None where there is no choice."""
    if options.show.fps is None or options.network != "auto" or not has_network("fine"):
        return None
    if bound_style(options.look.style) is not None:
        return None
    catalogue, place = open_styles(options.look.style, "fine")
    return catalogue if catalogue.styles[place].network == "fine" else None


def hold_rate(
    engine: Engine, catalogues: dict[str, Catalogue], options: RunOptions, source: Source, say: Say
) -> FrameRateEngine | None:
    """What holds the rate that was asked for, or the source's where that is lower; None where none was."""
    wanted_fps = options.show.fps
    if wanted_fps is None:
        return None
    if wanted_fps > source.info.rate_fps:
        say(f"fps {wanted_fps:g}: the source gives {source.info.rate_fps:.4g} frames a second, and no more are shown")
    return FrameRateEngine(engine, catalogues, min(wanted_fps, source.info.rate_fps), say)


def with_switching(
    source: Source, options: RunOptions, is_default_camera: bool, open_device: Callable[[str], Source], say: Say
) -> SwitchingSource:
    """A source in whose place other cameras may be put.

    Args:
        source: the first.
        options: of the run.
        is_default_camera: whether it is camera 0, which nobody named.
        open_device: opens a camera by its device.
        say: takes a few words for people.
    """
    device = device_of(options.source or "") if not is_default_camera else "0"
    if device.isdecimal() and sys.platform == "linux":
        device = f"/dev/video{device}"
    return SwitchingSource(source, device, open_device, say)
