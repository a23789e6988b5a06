"""Live: a camera, a stream or a clip goes in, a stylized image comes out: `python run_webcam.py`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

import cv2
import numpy as np

from realtime.cli import run_main, run_script
from realtime.controls import Controls
from realtime.engines import Engine, open_engine, runs_on_gpu
from realtime.engines.batch_size import fastest_batch_size
from realtime.engines.network_choice import LiveRate, choose_live_network
from realtime.errors import OptionError, SinkError
from realtime.live import UNWATCHED_FPS, Pipeline, Stages
from realtime.look import Look
from realtime.options import (
    ENGINE_NAMES,
    NETWORKS,
    PARALLEL_BATCHES,
    PRECISIONS,
    PROVIDERS,
    SINK_NAMES,
    EngineOptions,
    LookOptions,
    RunOptions,
    SinkName,
    WebOptions,
    batch_size,
    parse_size_wh,
)
from realtime.sinks import Display, Sink
from realtime.sinks.null import NullSink
from realtime.sinks.video_file import VideoFileSink
from realtime.sinks.virtual_camera import VirtualCameraSink
from realtime.sinks.web import WebSink
from realtime.sinks.window import WindowSink, display_is_available
from realtime.sources import Source, open_default_source, open_source
from realtime.style_catalogue import Style, has_network, load_catalogue, open_styles

CPU_CAMERA_SIZE_WH = (640, 480)
GPU_CAMERA_SIZE_WH = (1280, 720)


def make_parser() -> argparse.ArgumentParser:
    """The command line; defaults are those of the options dataclasses."""
    parser = argparse.ArgumentParser(description="Show a camera, stream or clip as a stylized image. Keys: press h.")
    add = parser.add_argument
    add("--source", help="camera number or path, URL, video file, sample or pattern (default: camera 0, or the sample)")
    add(
        "--style",
        default=LookOptions.style,
        help="name, blend as in candy:0.6+udnie:0.4, or weights file (default %(default)s)",
    )
    add("--strength", type=float, default=LookOptions.strength, help="0 to 1 (default %(default)s)")
    add("--keep-colors", action="store_true", help="keep the colours of the camera's image")
    add("--smoothing", type=float, default=LookOptions.smoothing, help="0 to 1, against flicker (default %(default)s)")
    add("--size", metavar="WxH", help="stylize at this size; clips are fitted inside it (default: their own)")
    add("--unpaced", action="store_true", help="read a file as fast as possible, dropping nothing")
    add(
        "--network",
        choices=NETWORKS,
        default=RunOptions.network,
        help="size of the network (default auto: fine where it holds the source's rate, else fast)",
    )
    add("--engine", choices=ENGINE_NAMES, default=EngineOptions.engine)
    add("--refresh", action="store_true", help="with --engine auto, measure again what is fastest here")
    add("--device", default=EngineOptions.device, help="auto, cpu, cuda, cuda:N or mps")
    add("--provider", choices=PROVIDERS, default=EngineOptions.provider, help="of ONNX Runtime on a GPU")
    add("--precision", default=EngineOptions.precision, help=", ".join(PRECISIONS))
    add(
        "--batch-size",
        type=batch_size,
        default="auto",
        metavar="N",
        help="frames stylized together (default auto: 1 live; with --unpaced on a GPU what is fastest)",
    )
    add("--sink", action="append", choices=SINK_NAMES, default=[], help="where frames are shown (repeatable)")
    add("--host", default=WebOptions.host, help="of the web page: the address to listen on (default %(default)s)")
    add("--port", type=int, default=WebOptions.port, help="of the web page; 0 is any free one (default %(default)s)")
    add("--tls-cert", type=Path, metavar="FILE.pem", help="of the web page: HTTPS, for cameras of other machines")
    add("--tls-key", type=Path, metavar="FILE.pem", help="the key of --tls-cert")
    add("--record", type=Path, metavar="FILE", help="also write the stylized frames to this video file")
    add("--max-frames", type=int, metavar="N", help="stop after N stylized frames")
    add("--stats", type=Path, metavar="FILE.json", help="write statistics at the end")
    add("--list-cameras", action="store_true", help="show the cameras of this machine and exit")
    add("--list-styles", action="store_true", help="show the styles and exit")
    return parser


def read_options(chosen: argparse.Namespace) -> RunOptions:
    """Turns the command line into checked options.

    Raises:
        OptionError: a value is not allowed.
    """
    return RunOptions(
        source=chosen.source,
        size_wh=None if chosen.size is None else parse_size_wh(chosen.size),
        unpaced=chosen.unpaced,
        sinks=tuple(chosen.sink),
        record=chosen.record,
        max_frames=chosen.max_frames,
        stats=chosen.stats,
        look=LookOptions(chosen.style, chosen.strength, chosen.keep_colors, chosen.smoothing),
        network=chosen.network,
        engine=EngineOptions(
            chosen.engine,
            chosen.device,
            chosen.precision,
            EngineOptions.batch_size if chosen.batch_size is None else chosen.batch_size,
            refresh=chosen.refresh,
            provider=chosen.provider,
            shrinks=chosen.batch_size is None,
            parallel_batches=PARALLEL_BATCHES,
        ),
        web=WebOptions(chosen.host, chosen.port, chosen.tls_cert, chosen.tls_key),
    )


def run(options: RunOptions) -> int:
    """Opens the stages, says what was opened, runs them, and returns the exit status.

    Raises:
        StylizationError: something cannot be opened, or a stage failed.
    """
    cv2.setNumThreads(1)  # the engine has the cores; OpenCV only converts and resizes
    open_styles(options.look.style, options.network)  # before a camera is opened for nothing
    sinks_wanted, sinks_notice = _wanted_sinks(options)
    _check_outputs(options)
    with ExitStack() as ours, ExitStack() as until_it_runs:
        source, notice = _open_source(options, loop_sample="window" in sinks_wanted or "web" in sinks_wanted)
        until_it_runs.callback(source.close)
        options = _with_network(options, source)
        catalogue, first_style = open_styles(options.look.style, options.network)
        style = catalogue.names[first_style]
        engine = open_engine(catalogue, options.engine, first_style, source.info.size_wh, _say)
        ours.callback(engine.close)
        catalogue, first = catalogue.runnable_by(engine.info.engine, style), catalogue.styles[first_style]
        print(
            "\n".join(line for line in (_first_line(source, first, engine), notice, sinks_notice) if line), flush=True
        )
        sinks, display = _open_sinks(sinks_wanted, options.record, source.info.rate_fps, until_it_runs)
        controls = Controls(catalogue, catalogue.index_of(style), options.look)
        options = _with_batch_size(options, engine, controls.look, source.info.size_wh)
        web = None
        if "web" in sinks_wanted:
            web = WebSink(options.web, engine, catalogue, options.look)
            until_it_runs.callback(web.abandon)
            sinks.append(web)
        stages = Stages(source, engine, controls, sinks, display)
        if web is not None and len(sinks) == 1:
            stages = replace(stages, watched=lambda: web.watched)
        pipeline = Pipeline(stages, options, _say)
        if web is not None:
            _say(f"page {web.open(source.info.name, controls, pipeline.send)}  (Ctrl-C ends it)")
            if len(sinks) == 1:
                _say(f"nobody watches: {UNWATCHED_FPS} frames a second, until somebody opens the page")
        until_it_runs.pop_all()  # from here on the pipeline closes source and sinks
        report = pipeline.run()
    _say(report.summary())
    if options.stats is not None:
        report.write(options.stats)
    return 130 if pipeline.interrupted else 0


def _with_network(options: RunOptions, source: Source) -> RunOptions:
    """The same with a network, and where it had to be measured an engine, in place of "auto"."""
    if options.network != "auto":
        return options
    if options.unpaced or not has_network("fine"):
        return replace(options, network="fast")
    rate = LiveRate(source.info.size_wh, source.info.rate_fps)
    network, engine = choose_live_network(options.look.style, options.engine, rate, _say)
    return replace(options, network=network, engine=engine)


def _open_sinks(
    names: tuple[SinkName, ...], record: Path | None, rate_fps: float, until_it_runs: ExitStack
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
    if record is not None:
        add(VideoFileSink(record, rate_fps))
    return sinks, display


def _with_batch_size(options: RunOptions, engine: Engine, look: Look, size_wh: tuple[int, int]) -> RunOptions:
    """The same with the fastest batch size, where nobody named one and no frame is late for being in company."""
    if not (options.engine.shrinks and options.unpaced) or engine.info.device == "cpu":
        return options
    fastest = fastest_batch_size(engine, look, np.zeros((size_wh[1], size_wh[0], 3), np.uint8), _say)
    _say(f"batch size {fastest}")
    return replace(options, engine=replace(options.engine, batch_size=fastest))


def _wanted_sinks(options: RunOptions) -> tuple[tuple[SinkName, ...], str]:
    """The sinks to open, and a line that says why when nobody asked for them."""
    if options.sinks:
        return options.sinks, ""
    if display_is_available():
        return ("window",), ""
    if options.record is not None:
        return (), ""
    return ("web",), "no display: serving a web page instead of a window"


def _open_source(options: RunOptions, loop_sample: bool) -> tuple[Source, str]:
    camera_size_wh = GPU_CAMERA_SIZE_WH if runs_on_gpu(options.engine) else CPU_CAMERA_SIZE_WH
    if options.source is None:
        return open_default_source(options, camera_size_wh, loop_sample)
    return open_source(options.source, options, camera_size_wh, loop_sample), ""


def _check_outputs(options: RunOptions) -> None:
    """Finds out before the run, and not after it, that an output has nowhere to go."""
    if "window" in options.sinks and not display_is_available():
        raise SinkError("window: there is no display here; use --sink web, or --sink null with --record FILE")
    for name, path in (("record", options.record), ("stats", options.stats)):
        if path is None:
            continue
        if not path.parent.is_dir():
            raise OptionError(f"{name} {path}: there is no folder {path.parent}; make it, or choose another place")
        if (
            options.source is not None
            and path.exists()
            and Path(options.source).exists()
            and path.samefile(options.source)
        ):
            raise OptionError(f"{name} {path}: is the source itself; choose another name")
        if (path.exists() and not path.is_file()) or not os.access(path.parent, os.W_OK):
            raise OptionError(f"{name} {path}: cannot be written there; choose another place")


def _first_line(source: Source, style: Style, engine: Engine) -> str:
    info, (width, height) = engine.info, source.info.size_wh
    provider = f" ({info.provider})" if info.provider else ""
    return (
        f"source {source.info.name}, style {style.name}, network {style.network}, engine {info.engine}{provider}, "
        f"device {info.device}, precision {info.precision}, size {width}x{height}"
    )


def _say(line: str) -> None:
    print(line, flush=True)


def _list_styles() -> None:
    for number, style in enumerate(load_catalogue().styles, start=1):
        file = style.file or style.checkpoint
        said = f"{style.name}  ({style.family}, {file.name if file else ''})"
        print(f"-  {said}  cannot be used: {style.fault}" if style.fault else f"{number}  {said}")


def _list_cameras() -> None:
    from realtime.sources.camera import list_cameras

    print("\n".join(list_cameras()) or "no camera was found")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)

    def work() -> int:
        if chosen.list_styles or chosen.list_cameras:
            _list_styles() if chosen.list_styles else _list_cameras()
            return 0
        return run(read_options(chosen))

    return run_main(work)


if __name__ == "__main__":
    run_script(main)
