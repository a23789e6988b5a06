"""Live: a camera, a stream or a video goes in, and comes out stylized: `python run_webcam.py`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
from pathlib import Path
from typing import NoReturn

from realtime import cli
from realtime.interrupts import ended_by_signals
from realtime.options import SINK_NAMES, EngineOptions, LookOptions, RunOptions, WebOptions
from realtime.show_options import ShowOptions

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # capture and sinks need the time that PyTorch would wait in


def make_parser() -> argparse.ArgumentParser:
    """The command line; defaults are those of the options dataclasses."""
    parser = cli.Parser(description="Show a camera, stream or video in a style. Keys: press h.")
    add, web = parser.add_argument, WebOptions
    add("--source", help="camera number, path or name, URL, video file, sample, pattern (default: camera 0, or sample)")
    style = f"name, image, blend as in candy:0.6+my.jpg:0.4, or weights file (default {LookOptions.style})"
    cli.add_look_arguments(parser, style, smoothing=str(LookOptions.smoothing))
    add("--size", metavar="WxH", help="stylize at this size; videos are fitted inside it (default: their own)")
    add("--unpaced", action="store_true", help="read a file as fast as possible, dropping nothing")
    cli.add_engine_arguments(
        parser,
        network="fine where it holds the source's rate, else fast",
        batch="1; on a GPU what holds the source's rate, or with --unpaced is fastest",
    )
    add("--sink", action="append", choices=SINK_NAMES, default=[], help="where frames are shown (repeatable)")
    add("--host", default=web.host, help="of the web page: the address to listen on (default %(default)s)")
    add("--port", type=int, default=web.port, help="of the web page; 0 is any free one (default %(default)s)")
    add("--tls-cert", type=Path, metavar="FILE.pem", help="of the web page: HTTPS, for cameras of other machines")
    add("--tls-key", type=Path, metavar="FILE.pem", help="the key of --tls-cert")
    add("--open-stage", action="store_true", help="of the web page: every visitor may change what all see")
    _add_show_arguments(parser)
    add("--record", type=Path, metavar="FILE", help="also write the stylized frames: .mp4, .mkv, .mov, .webm or .gif")
    add("--overwrite", action="store_true", help="replace a recording or statistics that are there")
    add("--max-frames", type=int, metavar="N", help="stop after N stylized frames")
    add("--stats", type=Path, metavar="FILE.json", help="write statistics at the end")
    add("--check", action="store_true", help="say what this machine has and can do, for bug reports, and exit")
    add("--list-cameras", action="store_true", help="show this machine's cameras, their sizes and rates, and exit")
    add("--list-styles", action="store_true", help="show the styles and exit")
    return parser


def _add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what happens by itself while others watch."""
    add = parser.add_argument_group("on stage").add_argument
    crossfade = "length of a switch of style; 0 is off (default %(default)s)"
    add("--crossfade", dest="crossfade_s", type=float, metavar="S", default=ShowOptions.crossfade_s, help=crossfade)
    add("--cycle", type=float, metavar="S", help="go to the next style after so many seconds")
    add("--cycle-styles", metavar="A,B,...", help="the styles and blends of --cycle (default: all)")
    kiosk = "full screen, no cursor, keys cannot end it; back to the start after idle minutes (default 2)"
    add("--kiosk", type=float, nargs="?", const=2.0, metavar="MINUTES", help=kiosk)
    add("--qr", action="store_true", help="show the page's address in the window, as a QR code")
    add("--fps", type=float, metavar="N", help="hold this rate, by a smaller size or network where it must be")
    add("--osc", metavar="[HOST:]PORT", help="take commands by Open Sound Control (UDP)")
    add("--styles-dir", type=Path, metavar="FOLDER", help="images in it become styles, also those that appear later")
    refine = "better the style of an image while it is shown (default: where a VGG loss network is installed)"
    add("--refine", action=argparse.BooleanOptionalAction, help=refine)
    add("--refine-weights", type=Path, metavar="FILE", help="of the loss network (default: the best installed)")
    add("--record-input", type=Path, metavar="FILE", help="write the source's frames, for stylize.py FILE --replay")


def read_options(chosen: argparse.Namespace) -> RunOptions:
    """Turns the command line into checked options.

    Raises:
        OptionError: a value is not allowed.
    """
    return cli.read_options(
        RunOptions,
        chosen,
        size_wh=None if chosen.size is None else cli.parse_size_wh(chosen.size),
        sinks=tuple(chosen.sink),
        look=cli.read_options(LookOptions, chosen),
        engine=cli.read_options(EngineOptions, chosen),
        web=cli.read_options(WebOptions, chosen, look_is_given=cli.look_is_given(chosen)),
        show=cli.read_options(ShowOptions, chosen),
    )


def run(chosen: argparse.Namespace) -> int:
    """Does what the command line says, and returns the exit status."""
    if chosen.check:
        from realtime.machine_check import check_machine

        for line in check_machine():
            cli.say(line)
        return 0
    if chosen.list_styles:
        from realtime.style_catalogue import load_catalogue

        cli.say("\n".join(load_catalogue().lines))
        return 0
    if chosen.list_cameras:
        from realtime.sources.cameras import list_cameras

        cli.say("\n".join(list_cameras()) or "no camera was found")
        return 0
    options = read_options(chosen)
    with ended_by_signals():
        from realtime.live_session import run_live

    return run_live(options, cli.say)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)
    return cli.run_main(lambda: run(chosen))


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    cli.run_script(main)


if __name__ == "__main__":
    command()
