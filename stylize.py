"""Files: images, videos and folders to stylized images: `python stylize.py INPUT... -o OUTPUT --style NAME`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from realtime import cli
from realtime.file_commands import check_replay, cluster_options
from realtime.interrupts import ended_by_signals
from realtime.options import CODEC_NAMES, PIPE_FORMAT_NAMES, EngineOptions, FileOptions, LookOptions

if TYPE_CHECKING:
    from realtime.videos.reporting import Reporter

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("SVT_LOG", "1")  # errors only: the AV1 encoder tells all its settings
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # decoder and encoder need the time that PyTorch would wait in

EXIT_DAMAGED = 3
"""Everything was written, but of a damaged video something was lost."""


def make_parser() -> argparse.ArgumentParser:
    """The command line; defaults are those of the options dataclasses."""
    parser = cli.Parser(
        description="Turn images, videos and folders of them into stylized images. No frame is dropped.",
        epilog="Exit status: 0 done, 1 failed, 2 wrong command line, 3 a damaged video lost frames, 130 interrupted.",
    )
    add = parser.add_argument
    inputs = "images, videos, folders, or numbered images as frames/%%05d.png; - is standard input"
    add("inputs", nargs="+", metavar="INPUT", help=inputs)
    output = "file, folder for several, or %%05d.png for numbered images; - is standard output"
    add("-o", "--output", required=True, help=output)
    style = f"names, images, blends as a,b:0.6+my.jpg:0.4, or all (default {LookOptions.style}; of a sheet all)"
    cli.add_look_arguments(parser, style, smoothing=f"0 for images, {LookOptions.smoothing} for videos")
    fps = "frames per second of numbered images (default 25); with it, a folder of images is one video"
    add("--fps", type=cli.parse_rate, help=fps)
    piped = "standard input and output are videos, and output is of this kind"
    add("--format", dest="pipe_format", choices=PIPE_FORMAT_NAMES, help=piped)
    add("--codec", choices=CODEC_NAMES, help="of videos (default: h264, vp9 in .webm, gif in .gif)")
    add("--start", metavar="TIME", help="begin videos here: seconds, MM:SS or HH:MM:SS")
    add("--end", metavar="TIME", help="end videos here")
    add("--max-side", dest="max_side_px", type=int, metavar="PX", help="shrink what is larger")
    stroke = "how large strokes are, 0.5 to 4 (default %(default)s); they grow with images, and not with videos"
    add("--stroke", type=float, default=FileOptions.stroke, metavar="SIZE", help=stroke)
    tile = "stylize images in parts of this side, for those larger than memory"
    add("--tile", dest="tile_px", type=int, metavar="PX", help=tile)
    add("--sheet", action="store_true", help="one contact sheet of all styles for each image")
    add("--replay", action="store_true", help="stylize what run_webcam.py --record-input wrote, with the looks it had")
    add("--resume", action="store_true", help="keep unfinished videos, and go on with those of an earlier run")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--watch", action="store_true", help="stylize what appears in a folder, until interrupted; each file once")
    add("--report", action="store_true", help="write figures of each input beside its result, as NAME.report.json")
    add("--json", action="store_true", help="tell what happens in lines of JSON, on standard output")
    add("--stats", type=Path, metavar="FILE.json", help="write statistics of videos at the end")
    add("--ray", metavar="auto|HOST:PORT", help="stylize on the machines of a Ray cluster; auto finds or starts one")
    add("--workers", type=int, metavar="N", help="of the cluster (default: as many as there is room for)")
    add("--gpus-per-worker", type=float, metavar="X", help="GPUs of each, or a part of one (default: 1 if any)")
    add("--cpus-per-worker", type=int, metavar="N", help="cores of each (default: 2)")
    cli.add_engine_arguments(parser, network="fine", batch="what is fastest")
    return parser


def read_options(chosen: argparse.Namespace) -> FileOptions:
    """Turns the command line into checked options.

    Raises:
        OptionError: a value is not allowed.
    """
    if chosen.replay:
        check_replay(chosen, make_parser().parse_args([*chosen.inputs, "-o", chosen.output]))
    return cli.read_options(
        FileOptions,
        chosen,
        styles=("all" if chosen.sheet else LookOptions.style) if chosen.style is None else chosen.style,
        look=cli.read_options(LookOptions, chosen),
        start_s=0.0 if chosen.start is None else cli.parse_time_s(chosen.start),
        end_s=None if chosen.end is None else cli.parse_time_s(chosen.end),
        engine=cli.read_options(EngineOptions, chosen),
    )


def run(chosen: argparse.Namespace, reporter: "Reporter") -> int:
    """Does what the command line says, and returns the exit status."""
    options = read_options(chosen)
    with cli.wrong_command_line():
        cluster = cluster_options(chosen)
    with ended_by_signals():
        import cv2

        from realtime.videos.job import run_files

    if cluster is not None:
        from realtime.cluster.driver import run_cluster

        result = run_cluster(options, cluster, reporter)
        return 1 if result.failed else EXIT_DAMAGED if result.damaged else 0
    cv2.setNumThreads(1)  # the engine has the cores; OpenCV only resizes and mixes
    if options.replay:
        from realtime.replay import run_replay

        return run_replay(options, reporter)
    result = run_files(options, reporter)
    return 1 if result.failed else EXIT_DAMAGED if result.damaged else 0


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)
    from realtime.videos.reporting import make_reporter

    reporter = make_reporter(chosen.json, to_stderr=chosen.output == "-", one_bar=chosen.ray is not None)
    try:
        return cli.run_main(
            lambda: run(chosen, reporter),
            failed=lambda line: reporter.report("error", text=line),
            interrupted=lambda: reporter.report("interrupted"),
        )
    finally:
        reporter.close()


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    cli.run_script(main)


if __name__ == "__main__":
    command()
