"""One live run from its options to its exit status: opens source, engine and sinks, says so, runs and closes them."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from realtime.controls import Controls
from realtime.engines import Engine, open_engine, runs_on_gpu
from realtime.engines.batch_size import fastest_batch_size
from realtime.engines.network_choice import LOOP_SHARE, choose_live_network
from realtime.errors import SinkError
from realtime.interrupts import INTERRUPTED
from realtime.leftovers import name_leftovers
from realtime.live import UNWATCHED_FPS, Pipeline, Stages
from realtime.look import Look
from realtime.options import PARALLEL_BATCHES, RunOptions, SinkName
from realtime.output_names import check_output
from realtime.sinks.null import NullSink
from realtime.sinks.protocol import Display, Sink
from realtime.sinks.video_file import VideoFileSink
from realtime.sinks.virtual_camera import VirtualCameraSink
from realtime.sinks.web import WebSink
from realtime.sinks.window import WindowSink, display_is_available
from realtime.sources.protocol import Source, SourceInfo
from realtime.sources.selection import open_default_source, open_source
from realtime.style import Style
from realtime.style_catalogue import has_network, open_styles
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
    _name_leftovers(options, say)
    if "web" in sink_names:
        use_one_arena()
    with ExitStack() as with_engine, ExitStack() as until_it_runs:
        source, source_notice = _open_source(options, loop_sample=bool({"window", "web"} & set(sink_names)))
        until_it_runs.callback(source.close)
        options = _with_network(options, source, say)
        catalogue, place = open_styles(options.look.style, options.network)
        style = catalogue.styles[place]
        engine = open_engine(catalogue, options.engine, place, source.info.size_wh, say)
        with_engine.callback(engine.close)
        catalogue = catalogue.runnable_by(engine.info.engine, style.name)
        for line in (_what_runs(source, style, engine), source_notice, sinks_notice):
            if line:
                say(line)
        sinks, display = _open_sinks(sink_names, options, source.info.rate_fps, until_it_runs)
        controls = Controls(catalogue, catalogue.index_of(style.name), options.look)
        options = _with_batch_size(options, engine, controls.look, source.info, say)
        stages = Stages(source, engine, controls, sinks, display)
        if "web" in sink_names:
            web = WebSink(options.web, engine, catalogue, options.look)
            until_it_runs.callback(web.abandon)
            sinks.append(web)
            if len(sinks) == 1:
                stages = replace(stages, watched=lambda: web.watched)
        pipeline = Pipeline(stages, options, say)
        if "web" in sink_names:
            web.open(source.info.name, controls, pipeline.send)
            for line in web.lines:
                say(line)
            if len(sinks) == 1:
                say(f"nobody watches: {UNWATCHED_FPS} frames a second, until somebody opens the page")
        until_it_runs.pop_all()  # from here on the pipeline closes source and sinks
        report = pipeline.run()
    say(report.summary())
    if options.stats is not None:
        report.write(options.stats, options.overwrite)
    return INTERRUPTED if pipeline.interrupted else 0


def _wanted_sinks(options: RunOptions) -> tuple[tuple[SinkName, ...], str]:
    """The sinks to open, and a line that says why when nobody asked for them."""
    if options.sinks:
        return options.sinks, ""
    if display_is_available():
        return ("window",), ""
    if options.record is not None:
        return (), ""
    return ("web",), "no display: serving a web page instead of a window"


def _check_outputs(options: RunOptions) -> None:
    """Finds out before the run, and not after it, that an output has nowhere to go."""
    if "window" in options.sinks and not display_is_available():
        raise SinkError("window: there is no display here; use --sink web, or --sink null with --record FILE")
    inputs = [Path(text) for text in (options.source, options.look.style) if text]
    outputs = {"record": options.record, "stats": options.stats}
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


def _with_network(options: RunOptions, source: Source, say: Say) -> RunOptions:
    """The same with a network, and where it had to be measured an engine, in place of "auto"."""
    options = replace(options, engine=replace(options.engine, parallel_batches=PARALLEL_BATCHES))
    if options.network != "auto":
        return options
    if options.unpaced or not has_network("fine"):
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
    names: tuple[SinkName, ...], options: RunOptions, rate_fps: float, until_it_runs: ExitStack
) -> tuple[list[Sink], Display | None]:
    """All but the web page, which needs the pipeline; each is abandoned should something later not open."""
    sinks: list[Sink] = []

    def add(sink: Sink) -> None:
        until_it_runs.callback(sink.abandon)
        sinks.append(sink)

    display: Display | None = None
    if "window" in names:
        display = WindowSink()
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
