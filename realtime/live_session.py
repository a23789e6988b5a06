"""One live run from its options to its exit status: opens source, engine and sinks, says so, runs and closes them."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from realtime.controls import Controller, Controls
from realtime.engines import Engine, open_engine, runs_on_gpu
from realtime.engines.batch_size import fastest_batch_size
from realtime.engines.network_choice import LOOP_SHARE, choose_live_network
from realtime.errors import SinkError
from realtime.input_recording import InputRecorder, looks_path
from realtime.interrupts import INTERRUPTED
from realtime.leftovers import name_leftovers
from realtime.live import UNWATCHED_FPS, Pipeline
from realtime.live_show import (
    check_show,
    fine_catalogue,
    hold_rate,
    make_exhibition,
    open_display,
    open_refiner,
    watch_styles,
    with_switching,
)
from realtime.look import Look
from realtime.options import PARALLEL_BATCHES, NetworkName, RunOptions, SinkName, WebOptions
from realtime.osc import OscSink
from realtime.output_names import check_output
from realtime.show_options import osc_address
from realtime.sinks.null import NullSink
from realtime.sinks.protocol import Display, Sink
from realtime.sinks.qr import QrSink
from realtime.sinks.video_file import VideoFileSink
from realtime.sinks.virtual_camera import VirtualCameraSink
from realtime.sinks.web import WebSink
from realtime.sinks.window import display_is_available
from realtime.sources.protocol import Source, SourceInfo
from realtime.sources.selection import open_default_source, open_source
from realtime.stages import Stages
from realtime.style import Style
from realtime.style_catalogue import Catalogue, bound_note, bound_style, has_network, open_styles
from realtime.style_keeper import StyleKeeper
from realtime.web.memory import use_one_arena

CPU_CAMERA_SIZE_WH = (640, 480)
GPU_CAMERA_SIZE_WH = (1280, 720)

Say = Callable[[str], None]


def run_live(options: RunOptions, say: Say) -> int:
    """Opens the stages, says what was opened, runs them, and returns the exit status.

    Args:
        options: the run.
        say: takes lines for people.

    Raises:
        StylizationError: something cannot be opened, or a stage failed.
        OSError: the statistics cannot be written.
    """
    cv2.setNumThreads(1)  # the engine has the cores; OpenCV only converts and resizes
    open_styles(options.look.style, options.network)  # before a camera is opened for nothing
    sink_names, sinks_notice = _wanted_sinks(options)
    _check_outputs(options)
    check_show(options, sink_names)
    _name_leftovers(options, say)
    if "web" in sink_names:
        use_one_arena()
    with ExitStack() as with_engine, ExitStack() as until_it_runs:
        source, source_notice = _open_source(options, loop_sample=bool({"window", "web"} & set(sink_names)))
        until_it_runs.callback(source.close)
        fine = fine_catalogue(options)
        options = _with_network(options, source, say)
        catalogue, place = open_styles(options.look.style, options.network)
        style = catalogue.styles[place]
        all_styles = Catalogue(catalogue.styles + (fine.styles if fine else ()))
        engine = open_engine(all_styles, options.engine, place, source.info.size_wh, say)
        with_engine.callback(engine.close)
        catalogue = catalogue.runnable_by(engine.info.engine, style.name)
        for line in (_what_runs(source, style, engine), source_notice, sinks_notice):
            if line:
                say(line)
        controls = Controls(catalogue, catalogue.index_of(style.name), options.look, options.show.kiosk is None)
        options = _with_batch_size(options, engine, controls.look, source.info, say)
        networks = {"fine": fine} if fine is not None else {}
        opened = _Opened(source, engine, controls, {**networks, style.network: catalogue}, sink_names)
        stages = _open_stages(options, opened, say, until_it_runs)
        stages = watch_styles(options.show, stages, catalogue, partial(_tell, controls, say), with_engine)
        pipeline = _open_remotes(options, stages, opened, say, until_it_runs)
        until_it_runs.pop_all()  # from here on the pipeline closes source and sinks
        report = pipeline.run()
    if pipeline.source_ended:
        say(f"source {source.info.name} has ended")
    say(report.summary())
    if options.stats is not None:
        report.write(options.stats, options.overwrite)
    return INTERRUPTED if pipeline.interrupted else 0


@dataclass(frozen=True)
class _Opened:
    """What a run begins with: the styles of each network that may be used, the one it starts with last."""

    source: Source
    engine: Engine
    controls: Controls
    networks: dict[str, Catalogue]
    sink_names: tuple[SinkName, ...]

    @property
    def catalogue(self) -> Catalogue:
        return list(self.networks.values())[-1]


def _open_stages(options: RunOptions, opened: _Opened, say: Say, until_it_runs: ExitStack) -> Stages:
    """Joins all that needs no pipeline yet; what is opened is abandoned should something later not open."""
    show, source, controls = options.show, opened.source, opened.controls
    controllers: list[Controller] = [make_exhibition(show, controls, opened.catalogue), StyleKeeper(controls, say)]
    sinks, display = _open_sinks(options, opened.sink_names, source.info.rate_fps, say, until_it_runs)
    if not options.unpaced:
        is_default = options.source is None and source.info.name.startswith("camera")
        source = with_switching(source, options, is_default, partial(_open_camera, options), controls.say)
        controllers.append(source)
    if show.record_input is not None:
        recorder = InputRecorder(show.record_input, source, show.crossfade_s, options.overwrite)
        until_it_runs.callback(recorder.abandon)
        sinks.append(recorder)
        source = recorder.source
    tell, more = partial(_tell, controls, say), list[Callable[[], list[str]]]()
    refiner = open_refiner(options, controls, tell) if len(opened.networks) == 1 else None
    if refiner is not None:
        until_it_runs.callback(refiner.close)
        controllers.append(refiner)
        sinks.append(refiner)
        more.append(refiner.fields)
    stages = Stages(source, opened.engine, controls, sinks, display, controllers=controllers)
    if (held := hold_rate(opened.engine, opened.networks, options, source, tell)) is not None:
        more.append(held.fields)
        stages = replace(stages, engine=held, look_of=lambda _: held.looking(controls.look))
    return replace(stages, fields=lambda: [field for fields in more for field in fields()])


def _tell(controls: Controls, say: Say, line: str) -> None:
    """Says a line where people see it: over the image, and in the terminal."""
    controls.say(line)
    say(line)


def _open_remotes(options: RunOptions, stages: Stages, opened: _Opened, say: Say, until_it_runs: ExitStack) -> Pipeline:
    """Makes the pipeline, and opens what sends it commands: the page, and OSC."""
    web = osc = None
    is_alone = opened.sink_names == ("web",) and options.record is None and options.show.record_input is None
    if "web" in opened.sink_names:
        web = WebSink(options.web, opened.engine, opened.catalogue, options.look)
        until_it_runs.callback(web.abandon)
        stages.sinks.append(web)
        stages = replace(stages, watched=partial(getattr, web, "watched")) if is_alone else stages
    if options.show.osc is not None:
        osc = OscSink(osc_address(options.show.osc), opened.catalogue)
        until_it_runs.callback(osc.abandon)
        stages.sinks.append(osc)
    pipeline = Pipeline(stages, options, say)
    if osc is not None:
        osc.open(stages.controls, pipeline.send)
        say(f"osc at UDP port {osc.port}")
    if web is not None:
        address = web.open(stages.source.info.name, stages.controls, pipeline.send)
        for line in web.lines:
            say(line)
        if options.show.qr and options.web.host == WebOptions.host:
            say(f"qr: {options.web.host} is this machine only; for phones add --host 0.0.0.0")
        if isinstance(stages.display, QrSink):
            stages.display.point_to(next(iter(web.visitor_addresses), address))
        if is_alone:
            say(f"nobody watches: {UNWATCHED_FPS} frames a second, until somebody opens the page")
    return pipeline


def _wanted_sinks(options: RunOptions) -> tuple[tuple[SinkName, ...], str]:
    """The sinks to open, and a line that says why when nobody asked for them."""
    if options.sinks:
        return options.sinks, ""
    if display_is_available():
        return ("window", "web") if options.show.qr else ("window",), ""
    if options.record is not None:
        return (), ""
    return ("web",), "no display: serving a web page instead of a window"


def _check_outputs(options: RunOptions) -> None:
    """Finds out before the run, and not after it, that an output has nowhere to go."""
    if "window" in options.sinks and not display_is_available():
        raise SinkError("window: there is no display here; use --sink web, or --sink null with --record FILE")
    inputs = [Path(text) for text in (options.source, options.look.style) if text]
    recorded = options.show.record_input
    outputs = {
        "record": options.record,
        "record-input": recorded,
        "looks of record-input": None if recorded is None else looks_path(recorded),
        "stats": options.stats,
    }
    checked: list[Path] = []
    for name, path in outputs.items():
        if path is not None:
            check_output(name, path, inputs, checked, options.overwrite)
            checked.append(path)


def _name_leftovers(options: RunOptions, say: Say) -> None:
    """Recordings are left where `--record` writes, and in the current folder, where a key begins them."""
    folders = [Path()] if options.record is None else [Path(), options.record.parent]
    for folder in {folder.resolve(): folder for folder in folders}.values():
        name_leftovers(folder, say)


def _open_source(options: RunOptions, loop_sample: bool) -> tuple[Source, str]:
    """The source, and a line that says why when nobody asked for it."""
    camera_size_wh = GPU_CAMERA_SIZE_WH if runs_on_gpu(options.engine) else CPU_CAMERA_SIZE_WH
    if options.source is None:
        return open_default_source(options, camera_size_wh, loop_sample)
    return open_source(options.source, options, camera_size_wh, loop_sample), ""


def _open_camera(options: RunOptions, device: str) -> Source:
    """A camera in the place of the first source, in whatever size that was asked for."""
    return _open_source(replace(options, source=device), loop_sample=False)[0]


def _with_network(options: RunOptions, source: Source, say: Say) -> RunOptions:
    """The same with a network, and where it had to be measured an engine, in place of "auto"."""
    options = replace(options, engine=replace(options.engine, parallel_batches=PARALLEL_BATCHES))
    if options.network != "auto":
        return options
    bound = bound_style(options.look.style)
    if bound is not None:
        say(bound_note(options.look.style))
        return replace(options, network=cast(NetworkName, bound.network))
    if options.unpaced or options.show.fps is not None or not has_network("fine"):
        return replace(options, network="fast")
    network, engine = choose_live_network(options.look.style, options.engine, source.info, say)
    return replace(options, network=network, engine=engine)


def _what_runs(source: Source, style: Style, engine: Engine) -> str:
    info, (width, height) = engine.info, source.info.size_wh
    provider = f" ({info.provider})" if info.provider else ""
    return (
        f"source {source.info.name}, style {style.name}, network {style.network}, engine {info.engine}{provider}, "
        f"device {info.device}, precision {info.precision}, size {width}x{height}"
    )


def _open_sinks(
    options: RunOptions, names: tuple[SinkName, ...], rate_fps: float, say: Say, until_it_runs: ExitStack
) -> tuple[list[Sink], Display | None]:
    """All but those that need the pipeline; each is abandoned should something later not open."""
    sinks: list[Sink] = []

    def add(sink: Sink) -> None:
        until_it_runs.callback(sink.abandon)
        sinks.append(sink)

    display: Display | None = None
    if "window" in names:
        display = open_display(options.show, say)
        add(display)
    if "null" in names:
        add(NullSink())
    if "virtual" in names:
        add(VirtualCameraSink(rate_fps))
    if options.record is not None:
        add(VideoFileSink(options.record, rate_fps, options.overwrite))
    return sinks, display


def _with_batch_size(options: RunOptions, engine: Engine, look: Look, source: SourceInfo, say: Say) -> RunOptions:
    """The same with a batch size that was measured on a GPU, if the user chose none.

    Unpaced it is the fastest. Live, frames have to wait until their batch is full: it is the smallest that holds
    the source's rate. On a CPU larger batches are not faster.
    """
    if options.engine.batch_size is not None or engine.info.device == "cpu":
        return options
    width, height = source.size_wh
    enough_s = 0.0 if options.unpaced else LOOP_SHARE / source.rate_fps
    size = fastest_batch_size(engine, look, np.zeros((height, width, 3), np.uint8), say, enough_s)
    if size > 1 or options.unpaced:
        say(f"batch size {size}")
    return replace(options, engine=replace(options.engine, batch_size=size))
