"""Exports a style as a checked ONNX file: `python export_onnx.py --style candy -o candy.onnx`."""

import signal

if __name__ == "__main__":  # until the run has begun, Ctrl-C ends without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
from functools import partial
from pathlib import Path
from typing import NoReturn, get_args

from export.exporter import ExportError, ExportOptions, Precision, Runtime, export_checkpoint
from export.torchscript import export_torchscript
from neural_style.errors import CheckpointError
from realtime.cli import run_main, run_script
from realtime.style_catalogue import Catalogue, Style, open_styles


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(description="Export the network of a style to ONNX and compare it with PyTorch.")
    add = parser.add_argument
    add("--style", required=True, help="a name (the file gets all styles of its network), or a .safetensors, .pth file")
    add("--network", choices=("fast", "fine"), default="fast", help="that a name means (default %(default)s)")
    add("-o", "--output", type=Path, help="file to write (default: beside the checkpoint)")
    add("--baked", action="store_true", help="only this style or blend, as part of the file; needs --output")
    add(
        "--float", action="store_true", help="float32 (N, 3, H, W), 0..1, instead of uint8 (N, H, W, 3); needs --output"
    )
    add("--precision", choices=get_args(Precision), default="fp32", help="of convolutions (default %(default)s)")
    add("--runtime", choices=get_args(Runtime), default="openvino", help="that int8 is for (default %(default)s)")
    add("--photo-dir", type=Path, metavar="DIR", help="photographs to calibrate int8 with (default: scikit-image's)")
    add("--torchscript", action="store_true", help="write TorchScript, .pt, instead; needs --output")
    chosen = parser.parse_args(arguments)
    return run_main(partial(_export, chosen))


def _export(chosen: argparse.Namespace) -> int:
    """Exports as the command line says, and tells what came out."""
    catalogue, index = open_styles(chosen.style, chosen.network)
    style = catalogue.styles[index]
    checkpoint = _checkpoint(style, chosen.baked)
    if chosen.output is None and (chosen.baked or chosen.float or chosen.torchscript):
        raise CheckpointError(
            f"style {chosen.style}: engines use the file beside its network as it is; name an --output"
        )
    try:
        print(_written(chosen, catalogue, style, checkpoint))
    except OSError as error:
        name = chosen.output or error.filename
        raise ExportError(f"output {name}: {error.strerror}; give another --output") from error
    return 0


def _written(chosen: argparse.Namespace, catalogue: Catalogue, style: Style, checkpoint: Path) -> str:
    """Writes the file, and says what came out."""
    if chosen.torchscript:
        return export_torchscript(checkpoint, chosen.output)
    options = ExportOptions(
        chosen.precision, chosen.runtime, chosen.float, style.vector if chosen.baked else None, chosen.photo_dir
    )
    target, parity = export_checkpoint(checkpoint, chosen.output, options)
    names = [other.name for other in catalogue.styles if other.checkpoint == checkpoint and other.file is None]
    held = style.name if chosen.baked else ", ".join(name for name in names if "+" not in name)
    return (
        f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB) with {held}; run by {parity.provider} it "
        f"differs from PyTorch by {parity.mean_difference:.4f} of 255 on average, {parity.max_difference:.0f} at most "
        f"(PSNR {parity.psnr_db:.1f} dB)"
    )


def _checkpoint(style: Style, baked: bool) -> Path:
    """The weights of a style's network.

    Raises:
        CheckpointError: it has none, or the style cannot be exported in this way.
    """
    if style.checkpoint is None:
        raise CheckpointError(f"style {style.name}: is a model file already; give a .safetensors or .pth file")
    if baked:
        if style.vector is None:
            raise CheckpointError(f"style {style.name}: is in the weights of its network; leave --baked out")
        return style.checkpoint
    if style.parts:
        raise CheckpointError(
            f"style {style.name}: a model file holds all styles of its network, and any blend; name one, or use --baked"
        )
    if style.file is not None:
        raise CheckpointError(
            f"style {style.name}: runs with the model file of its network; to write that, use --style "
            f"{style.checkpoint}; to write this style alone, use --baked"
        )
    return style.checkpoint


def command() -> NoReturn:
    """Runs the command as a process of its own."""
    run_script(main)


if __name__ == "__main__":
    command()
