"""Owns keeping the style of an image: `Action.KEEP_STYLE` writes it to a file that `--style NAME` finds."""

import re
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path

from neural_style.errors import StylizationError
from neural_style.weights.style_file import save_style_vector
from realtime.controls import Action, Command, Controls
from realtime.errors import StyleError
from realtime.style import Style, trunk_hash_of
from realtime.style_catalogue import load_catalogue
from realtime.style_prediction import is_of_image


class StyleKeeper:
    """Writes the current style when somebody asks for it; a `Controller`.

    Args:
        controls: the settings of the run.
        say: takes a line for people for each file.
    """

    def __init__(self, controls: Controls, say: Callable[[str], None]) -> None:
        self._controls, self._say = controls, say

    def commands(self) -> list[Command]:
        """See `Controller.commands`: it asks for nothing."""
        return []

    def hear(self, command: Command) -> str:
        """See `Controller.hear`."""
        if command is not Action.KEEP_STYLE:
            return ""
        try:
            path = keep_style(self._controls.look.style)
            line = f"wrote {path}: --style {path.stem} finds it"
        except StylizationError as error:
            line = str(error)
        except OSError as error:
            line = f"{error.filename}: cannot be written ({error.strerror or error}); see who may write there"
        self._say(line)
        return line


def keep_style(style: Style) -> Path:
    """Writes the style of an image, as it is now, beside its network, under a name that is free.

    Returns:
        The file; its stem is the name.

    Raises:
        StyleError: it is not the style of an image.
        OSError: the file cannot be written.
    """
    if not is_of_image(style) or style.file is None or style.vector is None or style.checkpoint is None:
        raise StyleError(
            f"style {style.name}: is none of an image file, and only those are kept; a visitor's own is kept on the "
            "page, by its star, and others are files"
        )
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", style.file.stem).strip("_") or "style"
    folder = style.checkpoint.parent
    taken = {*load_catalogue(folder).names, *(file.stem for file in folder.iterdir())}
    names = chain((name,), (f"{name}_{number}" for number in count(2)))
    path = folder / f"{next(free for free in names if free not in taken)}.safetensors"
    credit = {"name": path.stem, "source": style.file.name, "licence": "not stated"}
    save_style_vector(path, style.vector, credit, style.checkpoint, trunk_hash_of(style.checkpoint))
    return path
