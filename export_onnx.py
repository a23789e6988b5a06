"""Exports a style as a checked ONNX file: `python export_onnx.py --style candy -o candy.onnx`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
from pathlib import Path
from typing import NoReturn, get_args

from export.options import Precision, Runtime, StyleExport
from realtime import cli


def make_parser() -> argparse.ArgumentParser:
    """The command line; defaults are those of `StyleExport`."""
    parser = argparse.ArgumentParser(description="Export the network of a style to ONNX and compare it with PyTorch.")
    add, default = parser.add_argument, " (default %(default)s)"
    add("--style", required=True, help="a name (the file gets all styles of its network), or a .safetensors, .pth file")
    add("--network", choices=("fast", "fine"), default=StyleExport.network, help=f"that a name means{default}")
    add("-o", "--output", type=Path, help="file to write (default: beside the checkpoint)")
    add("--baked", action="store_true", help="only this style or blend, as part of the file; needs --output")
    floats = "float32 (N, 3, H, W), 0..1, instead of uint8 (N, H, W, 3); needs --output"
    add("--float", dest="floats", action="store_true", help=floats)
    precisions, runtimes = get_args(Precision), get_args(Runtime)
    add("--precision", choices=precisions, default=StyleExport.precision, help=f"of convolutions{default}")
    add("--runtime", choices=runtimes, default=StyleExport.runtime, help=f"that int8 is for{default}")
    add("--photo-dir", type=Path, metavar="DIR", help="photographs to calibrate int8 with (default: scikit-image's)")
    add("--torchscript", action="store_true", help="write TorchScript, .pt, instead; needs --output")
    return parser


def run(chosen: argparse.Namespace) -> int:
    """Does what the command line says, and returns the exit status."""
    from export.style_export import export_style

    cli.say(export_style(cli.read_options(StyleExport, chosen)))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    chosen = make_parser().parse_args(arguments)
    return cli.run_main(lambda: run(chosen))


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    cli.run_script(main)


if __name__ == "__main__":
    command()
