"""Owns what a training command can know before PyTorch is imported: bad inputs, its output, what it leaves."""

from argparse import Namespace
from pathlib import Path

from neural_style.errors import TrainingError
from neural_style.training.options import STATE_SUFFIX
from neural_style.weights import SAVED_MODELS

_NETWORK_FILES = ("fast", "fine")


def check_inputs(chosen: Namespace) -> None:
    """Reads what is read in any case, before packages are imported for seconds.

    Args:
        chosen: the command line of `train_style.py`.

    Raises:
        TrainingError: a file or folder is not there, or the output is that of a network.
        SourceError: a style image cannot be read.
    """
    from realtime.media.opaque_image import read_on_white  # not above: --help comes at once

    for image in chosen.style_images:
        read_on_white(image, "style image")
    files = {"trunk": chosen.trunk, "loss-weights": chosen.loss_weights_file, "start-from": chosen.start_from}
    for option, path in files.items():
        if path is not None and not path.is_file():
            raise TrainingError(f"{option} {path}: no such file; give a file of weights, or leave --{option} out")
    if chosen.content_dir is not None and not chosen.content_dir.is_dir():
        raise TrainingError(f"content folder {chosen.content_dir}: is not a folder; give one that holds images")
    output = output_of(chosen)
    if chosen.network == "style" and output.stem in _NETWORK_FILES and output.is_file():
        raise TrainingError(f"style name {output.stem!r}: {output} is a network, not a style; choose another --name")


def output_of(chosen: Namespace) -> Path:
    """The file that the training writes."""
    folder = SAVED_MODELS if chosen.trunk is None else chosen.trunk.parent
    return Path(chosen.output or folder / f"{chosen.name[0]}.safetensors")


def left_by_interruption(chosen: Namespace) -> str:
    """A line that says what an interrupted training has left."""
    if output_of(chosen).with_suffix(STATE_SUFFIX).is_file():
        return f"interrupted; --resume goes on from the last checkpoint, and needs the {STATE_SUFFIX} beside it"
    return "interrupted before the first checkpoint; there is nothing that --resume could go on from"
