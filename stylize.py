"""Files: images, videos and folders to stylized images: `python stylize.py INPUT... -o OUTPUT --style NAME`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
from pathlib import Path
from typing import NoReturn

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("SVT_LOG", "1")  # errors only: the AV1 encoder tells all its settings
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # decoder and encoder need the time that PyTorch would wait in

import cv2

from realtime.cli import run_main, run_script
from realtime.media.codecs import ENCODERS
from realtime.options import (
    ENGINE_NAMES,
    NETWORKS,
    PRECISIONS,
    PROVIDERS,
    EngineOptions,
    FileOptions,
    LookOptions,
    batch_size,
    parse_time_s,
)
from realtime.videos.job import run_files
from realtime.videos.reporting import Reporter, make_reporter

EXIT_DAMAGED = 3
"""Everything was written, but of a damaged video something was lost."""

_STROKE_HELP = "how large strokes are, 0.5 to 4 (default 1); they grow with images, and not with videos"


def make_parser() -> argparse.ArgumentParser:
    """The command line; defaults are those of the options dataclasses."""
    parser = argparse.ArgumentParser(
        description="Turn images, videos and folders of them into stylized images. No frame is dropped.",
        epilog="Exit status: 0 done, 1 failed, 2 wrong command line, 3 a damaged video lost frames, 130 interrupted.",
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="images, videos or folders; - is standard input")
    add("-o", "--output", required=True, help="file, or folder for several; - is standard output")
    add("--style", help=f"names and blends as a,b:0.6+c:0.4, or all (default {LookOptions.style}; of a sheet all)")
    add("--strength", type=float, default=LookOptions.strength, help="0 to 1 (default %(default)s)")
    add("--keep-colors", action="store_true", help="keep the colours of the original")
    add("--smoothing", type=float, help="0 to 1, against flicker (default: 0 for images, 0.5 for videos)")
    add("--codec", choices=tuple(ENCODERS), help="of videos (default: h264, or vp9 in .webm)")
    add("--start", metavar="TIME", help="begin videos here: seconds, MM:SS or HH:MM:SS")
    add("--end", metavar="TIME", help="end videos here")
    add("--max-side", type=int, metavar="PX", help="shrink what is larger")
    add("--stroke", type=float, default=FileOptions.stroke, metavar="SIZE", help=_STROKE_HELP)
    add("--tile", type=int, metavar="PX", help="stylize images in parts of this side, for those larger than memory")
    add("--sheet", action="store_true", help="one contact sheet of all styles for each image")
    add("--resume", action="store_true", help="keep unfinished videos, and go on with those of an earlier run")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--json", action="store_true", help="tell what happens in lines of JSON, on standard output")
    add("--stats", type=Path, metavar="FILE.json", help="write statistics of videos at the end")
    add("--network", choices=NETWORKS, default=FileOptions.network, help="size of the network (default: fine)")
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
        help="frames stylized together (default: what is fastest)",
    )
    return parser


def read_options(chosen: argparse.Namespace) -> FileOptions:
    """Turns the command line into checked options.

    Raises:
        OptionError: a value is not allowed.
    """
    return FileOptions(
        inputs=tuple(chosen.inputs),
        output=chosen.output,
        styles=chosen.style or ("all" if chosen.sheet else LookOptions.style),
        look=LookOptions(strength=chosen.strength, keep_colors=chosen.keep_colors),
        smoothing=chosen.smoothing,
        codec=chosen.codec,
        start_s=0.0 if chosen.start is None else parse_time_s(chosen.start),
        end_s=None if chosen.end is None else parse_time_s(chosen.end),
        max_side_px=chosen.max_side,
        stroke=chosen.stroke,
        tile_px=chosen.tile,
        batch_size=chosen.batch_size,
        sheet=chosen.sheet,
        resume=chosen.resume,
        overwrite=chosen.overwrite,
        json=chosen.json,
        stats=chosen.stats,
        network=chosen.network,
        engine=EngineOptions(
            chosen.engine,
            chosen.device,
            chosen.precision,
            refresh=chosen.refresh,
            provider=chosen.provider,
            shrinks=chosen.batch_size is None,
        ),
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)
    cv2.setNumThreads(1)  # the engine has the cores; OpenCV only resizes and mixes
    reporter: Reporter = make_reporter(chosen.json, to_stderr=chosen.output == "-")

    def work() -> int:
        result = run_files(read_options(chosen), reporter)
        return 1 if result.failed else EXIT_DAMAGED if result.damaged else 0

    try:
        return run_main(work, lambda line: reporter.report("error", text=line), lambda: reporter.report("interrupted"))
    finally:
        reporter.close()


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    run_script(main)


if __name__ == "__main__":
    command()
