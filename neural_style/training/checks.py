"""What is checked before a training: names and credits of the styles, and that the output can be written."""

import re
from collections.abc import Mapping
from pathlib import Path

from neural_style.atomic_file import partial_path
from neural_style.errors import TrainingError
from neural_style.training.options import TrainOptions
from neural_style.weights.checkpoint import StyleCredit


def read_credits(names: list[str], images: list[Path], texts: list[str]) -> tuple[StyleCredit, ...]:
    """Makes a credit for each style.

    Args:
        names: of the styles.
        images: of the styles.
        texts: "source; licence" of each, or nothing at all.

    Raises:
        TrainingError: there are not as many, or a name is used twice or is no file name.
    """
    if len(names) != len(images):
        raise TrainingError(f"{len(images)} images but {len(names)} names; give each --style-image one --name")
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise TrainingError(f"style name {name!r}: use letters, digits, - and _ only")
    if len(set(names)) != len(names):
        raise TrainingError(f"style names {names}: each must be different")
    if texts and len(texts) != len(names):
        raise TrainingError(f"{len(names)} styles but {len(texts)} credits; give each style one --credit, or none")
    parts = [text.partition(";") for text in texts] or [(p.name, "", "not stated") for p in images]
    return tuple(
        StyleCredit(name, source.strip(), licence.strip() or "not stated")
        for name, (source, _, licence) in zip(names, parts, strict=True)
    )


def check_output(options: TrainOptions, resume: bool, taken: Mapping[str, Path]) -> None:
    """Finds out before training that its result would replace a style or clash with one.

    Args:
        options: what will be trained.
        resume: whether it goes on with what is there.
        taken: names of styles beside which the output will lie, and the file of each.

    Raises:
        TrainingError: the file is there already or cannot be written, a style would not lie beside
            its network, or the catalogue has a style of one of the names.
    """
    if options.output.suffix != ".safetensors":
        raise TrainingError(f"output {options.output}: must end in .safetensors")
    if options.output.exists() and not resume:
        raise TrainingError(f"output {options.output}: exists; go on with --resume, or choose another --output")
    folder = options.output.parent.resolve()
    if options.trunk is not None and folder != options.trunk.parent.resolve():
        raise TrainingError(
            f"output {options.output}: a style must lie beside its network {options.trunk}; choose another --output"
        )
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with partial_path(options.output).open("wb"):
            partial_path(options.output).unlink()
    except OSError as error:
        raise TrainingError(
            f"output {options.output}: cannot be written ({error.strerror}); choose another --output"
        ) from error
    for credit in options.credits:
        holder = taken.get(credit.name)
        if holder is not None and holder.name != options.output.name:
            raise TrainingError(f"style name {credit.name!r}: {holder} has it; choose another --name")
