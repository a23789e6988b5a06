"""Exports a style as a checked ONNX file: `python export_onnx.py --style candy -o candy.onnx`."""

import argparse
import sys
from pathlib import Path

from export.model_file import export_checkpoint
from neural_style.errors import CheckpointError, StylizationError
from realtime.styles import open_styles


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(description="Export the network of a style to ONNX and compare it with PyTorch.")
    parser.add_argument(
        "--style", required=True, help="name of a style in the network (no blend), or a .safetensors or .pth file"
    )
    parser.add_argument("-o", "--output", type=Path, help="file to write (default: beside the checkpoint)")
    chosen = parser.parse_args(arguments)
    try:
        export_style(chosen.style, chosen.output)
    except StylizationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"error: output {chosen.output or error.filename}: {error.strerror}; give another --output", file=sys.stderr
        )
        return 1
    return 0


def export_style(style: str, output: Path | None = None) -> None:
    """Exports the checkpoint that holds a style, with all the styles in it, and says what came out.

    Raises:
        StylizationError: the style is unknown, its checkpoint unreadable, or the file differs from PyTorch.
        OSError: the file cannot be written.
    """
    catalogue, index = open_styles(style)
    checkpoint = catalogue.styles[index].checkpoint
    if catalogue.styles[index].parts:
        raise CheckpointError(f"style {style}: a model file holds all styles of its network, and any blend; name one")
    if catalogue.styles[index].file is not None:
        raise CheckpointError(
            f"style {style}: runs with the model file of its network; to write that, use --style {checkpoint}"
        )
    if checkpoint is None:
        raise CheckpointError(f"style {style}: is a model file already; give a .safetensors or .pth file")
    target, parity = export_checkpoint(checkpoint, output)
    names = [other.name for other in catalogue.styles if other.checkpoint == checkpoint and other.file is None]
    print(
        f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB) with {', '.join(names)}; run by {parity.provider} it "
        f"differs from PyTorch by {parity.mean_difference:.4f} of 255 on average, {parity.max_difference:.0f} at most"
    )


if __name__ == "__main__":
    sys.exit(main())
