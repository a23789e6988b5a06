"""Exports a style as a checked ONNX file: `python export_onnx.py --style candy -o candy.onnx`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
from pathlib import Path
from typing import NoReturn, get_args

from export.options import SCRIPT_PRECISIONS, Precision, Runtime
from neural_style.errors import CheckpointError
from realtime import cli
from realtime.interrupts import ended_by_signals


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = cli.Parser(description="Export the network of a style to ONNX and compare it with PyTorch.")
    add, default = parser.add_argument, " (default %(default)s)"
    add("--style", help="a name (the file gets all styles of its network), or a .safetensors, .pth file")
    add("--network", choices=("fast", "fine"), default="fast", help=f"that a name means{default}")
    add("-o", "--output", type=Path, help="file to write (default: beside the checkpoint)")
    add("--baked", action="store_true", help="only this style or blend, as part of the file; needs --output")
    floats = "float32 (N, 3, H, W), 0..1, instead of uint8 (N, H, W, 3); needs --output"
    add("--float", dest="floats", action="store_true", help=floats)
    precisions, runtimes = get_args(Precision), get_args(Runtime)
    only = f"of convolutions; bf16 only with --torchscript{default}"
    add("--precision", choices=(*precisions, "bf16"), default="fp32", help=only)
    add("--runtime", choices=runtimes, default="openvino", help=f"that int8 is for{default}")
    add("--photo-dir", type=Path, metavar="DIR", help="photographs to calibrate int8 with (default: scikit-image's)")
    add("--torchscript", action="store_true", help="write TorchScript, .pt, instead, for PyTorch; needs --output")
    add("--web", type=Path, metavar="FOLDER", help="write a site that needs no server instead; --style is shown first")
    add("--runtime-dir", type=Path, metavar="DIR", help="onnxruntime-web, for --web (default: node_modules, or above)")
    add("--overwrite", action="store_true", help="replace an --output or a --web that is there")
    cli.add_verbose(parser)
    return parser


def run(chosen: argparse.Namespace) -> int:
    """Does what the command line says, and returns the exit status."""
    cli.say(export_style(chosen) if chosen.web is None else export_site(chosen))
    return 0


def export_site(asked: argparse.Namespace) -> str:
    """Writes the site that the command line asks for, and gives a line that says what is in it.

    Raises:
        StyleError: there is no such style.
        ExportError: it cannot be written, or its images differ from the engine's.
    """
    with ended_by_signals():
        from export.web_site import write_site
        from realtime.style_catalogue import load_catalogue, open_styles

    if asked.style is None:
        catalogue, place = load_catalogue(network=asked.network), 0
    else:
        catalogue, place = open_styles(asked.style, asked.network)
    return write_site(asked.web, catalogue, place, asked.runtime_dir, asked.overwrite)


def export_style(asked: argparse.Namespace) -> str:
    """Writes the file that the command line asks for, and gives a line that says what is in it.

    Raises:
        StyleError: there is no such style.
        CheckpointError: the style cannot be exported in this way.
        ExportError: the file's images differ from PyTorch's, or it cannot be written.
        MissingPackageError: int8 has no photographs to calibrate with.
    """
    with ended_by_signals():
        from export.exporter import ExportError, ExportOptions, export_checkpoint
        from export.style_choice import checkpoint_of
        from export.torchscript import export_torchscript
        from realtime.output_names import check_output
        from realtime.style_catalogue import open_styles

    catalogue, place = open_styles(asked.style, asked.network)
    style = catalogue.styles[place]
    checkpoint = checkpoint_of(style, asked.baked)
    names = [other.name for other in catalogue.styles if other.checkpoint == checkpoint and other.file is None]
    held = style.name if asked.baked else ", ".join(name for name in names if "+" not in name)
    if asked.output is None and (asked.baked or asked.floats or asked.torchscript):
        raise CheckpointError(
            f"style {asked.style}: engines use the file beside its network as it is; name an --output"
        )
    allowed = SCRIPT_PRECISIONS if asked.torchscript else get_args(Precision)
    if asked.precision not in allowed:
        kind = "TorchScript has" if asked.torchscript else "ONNX has"
        raise ExportError(f"precision {asked.precision}: {kind} {', '.join(allowed)}; use one of them")
    if asked.torchscript and (asked.baked or asked.floats):
        raise ExportError("torchscript: a file holds all styles of its network, and floats; leave out --baked, --float")
    if asked.output is not None and asked.output.exists():
        check_output("output", asked.output, [checkpoint], [], asked.overwrite)
    try:
        if asked.torchscript:
            return export_torchscript(checkpoint, asked.output, asked.precision)
        vector = style.vector if asked.baked else None
        options = ExportOptions(asked.floats, vector, asked.precision, asked.runtime, asked.photo_dir)
        if asked.precision == "int8":
            cli.say("int8: is calibrated on photographs, which takes a minute or two")
        target, parity = export_checkpoint(checkpoint, asked.output, options)
    except OSError as error:
        name = asked.output or error.filename
        raise ExportError(f"output {name}: {error.strerror}; give another --output") from error
    return (
        f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB) with {held}; run by {parity.provider} it "
        f"differs from PyTorch by {parity.mean_difference:.4f} of 255 on average, {parity.max_difference:.0f} at most "
        f"(PSNR {parity.psnr_db:.1f} dB)"
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = make_parser()
    chosen = parser.parse_args(arguments)
    _check_together(parser, chosen)
    return cli.run_main(lambda: run(chosen))


def _check_together(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    """Ends with status 2 where options do not go together."""
    if chosen.web is None:
        if chosen.style is None:
            parser.error("the following arguments are required: --style")
        if chosen.runtime_dir is not None:
            parser.error("--runtime-dir: only with --web")
        for name in ("runtime", "photo_dir"):
            if chosen.precision != "int8" and getattr(chosen, name) != parser.get_default(name):
                parser.error(f"--{name.replace('_', '-')}: only with --precision int8")
        return
    others = ("output", "baked", "floats", "torchscript", "photo_dir", "precision", "runtime")
    given = [name for name in others if getattr(chosen, name) != parser.get_default(name)]
    if given:
        parser.error(
            f"--web writes one kind of model; leave out --{given[0].replace('floats', 'float').replace('_', '-')}"
        )


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    cli.run_script(main)


if __name__ == "__main__":
    command()
