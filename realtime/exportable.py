"""Owns which weights an export takes for a style."""

from pathlib import Path

from neural_style.errors import CheckpointError
from realtime.style import Style


def checkpoint_to_export(style: Style, baked: bool) -> Path:
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
