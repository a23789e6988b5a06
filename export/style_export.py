"""Exports the style that a command line names: finds its weights, writes the file, and says what came out."""

from pathlib import Path

from export.exporter import ExportError, ExportOptions, export_checkpoint
from export.options import StyleExport
from export.torchscript import export_torchscript
from neural_style.errors import CheckpointError
from realtime.style_catalogue import Style, open_styles


def export_style(asked: StyleExport) -> str:
    """Writes the file, and gives a line that says what is in it.

    Raises:
        StyleError: there is no such style.
        CheckpointError: the style cannot be exported in this way.
        ExportError: the file's images differ from PyTorch's, or it cannot be written.
        MissingPackageError: int8 has no photographs to calibrate with.
    """
    catalogue, place = open_styles(asked.style, asked.network)
    style = catalogue.styles[place]
    checkpoint = _checkpoint(style, asked.baked)
    names = [other.name for other in catalogue.styles if other.checkpoint == checkpoint and other.file is None]
    held = style.name if asked.baked else ", ".join(name for name in names if "+" not in name)
    if asked.output is None and (asked.baked or asked.floats or asked.torchscript):
        raise CheckpointError(
            f"style {asked.style}: engines use the file beside its network as it is; name an --output"
        )
    try:
        if asked.torchscript and asked.output is not None:
            return export_torchscript(checkpoint, asked.output)
        vector = style.vector if asked.baked else None
        options = ExportOptions(asked.precision, asked.runtime, asked.floats, vector, asked.photo_dir)
        target, parity = export_checkpoint(checkpoint, asked.output, options)
    except OSError as error:
        name = asked.output or error.filename
        raise ExportError(f"output {name}: {error.strerror}; give another --output") from error
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
