"""Owns a watched folder of images, each of which becomes a style of the running show."""

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from neural_style.errors import StylizationError
from realtime.controls import AddStyle, Command
from realtime.media.image_file import IMAGE_SUFFIXES
from realtime.style import Style
from realtime.style_catalogue import Catalogue
from realtime.style_prediction import predict_style, predict_style_of_file

MOST_IMAGES = 64
"""So many names still fit a list that a person looks through."""

_POLL_S = 0.2
_JOIN_S = 1.0

_State = tuple[int, int]
"""Size in bytes and time of the last change in ns."""


class StylesFolder:
    """Asks for a style for each image in a folder, and anew for one that changes; a `Controller`.

    Images are read and predicted in a thread of their own. One that cannot be read is told in a line, and left alone
    until it changes. A style stays when its file goes.

    Args:
        folder: that is watched, without those in it.
        catalogue: of the show.
        say: takes a line for people for each new style, and for each image that becomes none.

    Raises:
        StyleError: styles cannot be predicted for the network of this catalogue.
    """

    def __init__(self, folder: Path, catalogue: Catalogue, say: Callable[[str], None]) -> None:
        self._folder, self._catalogue, self._say = folder, catalogue, say
        self._like = catalogue.styles[0]
        predict_style(np.zeros((64, 64, 3), np.uint8), "of images", self._like)
        self._seen: dict[Path, _State] = {}
        self._done: dict[Path, _State] = {}
        self._found: queue.SimpleQueue[Style | str] = queue.SimpleQueue()
        self._readable = True
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="styles folder", daemon=True)
        self._thread.start()

    def commands(self) -> list[Command]:
        """See `Controller.commands`."""
        asked: list[Command] = []
        while not asked and not self._found.empty():  # a name is free only once those before it are in the catalogue
            found = self._found.get()
            if isinstance(found, str):
                self._say(found)
                continue
            asked.append(AddStyle(self._named(found)))
        return asked

    def _named(self, found: Style) -> Style:
        known = [style.name for style in self._catalogue.styles if style.file == found.file]
        name = known[0] if known else self._catalogue.new_name(Path(found.name))
        number = self._catalogue.names.index(name) if known else len(self._catalogue)
        self._say(f"style {name} is predicted anew" if known else f"new style {number + 1}: {name}")
        return replace(found, name=name)

    def hear(self, _: Command) -> str:
        """See `Controller.hear`; commands of others mean nothing to it."""
        return ""

    def close(self) -> None:
        """Watches no more."""
        self._closed.set()
        self._thread.join(_JOIN_S)

    def _watch(self) -> None:
        """Thread: images to styles."""
        while not self._closed.wait(_POLL_S):
            for path in self._to_read():
                self._found.put(self._styled(path))
                if self._closed.is_set():
                    return

    def _to_read(self) -> list[Path]:
        """The images that are new or changed and have stopped growing, by name."""
        before, self._seen = self._seen, self._look()
        settled = [path for path, state in self._seen.items() if before.get(path) == state and state[0] > 0]
        changed = sorted(path for path in settled if self._done.get(path) != self._seen[path])
        chosen = []
        for path in changed:
            self._done[path] = self._seen[path]
            if list(self._done).index(path) < MOST_IMAGES:
                chosen.append(path)
            else:
                self._found.put(f"styles-dir {self._folder}: {path.name} becomes no style; at most {MOST_IMAGES} do")
        return chosen

    def _look(self) -> dict[Path, _State]:
        """The images that are there now; none where the folder cannot be read, which is told once."""
        found: dict[Path, _State] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    path = self._folder / entry.name
                    if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and entry.is_file():
                        status = entry.stat()
                        found[path] = status.st_size, status.st_mtime_ns
        except OSError as error:
            if self._readable:
                self._found.put(f"styles-dir {self._folder}: cannot be read ({error.strerror}); it is tried again")
            self._readable = False
            return self._seen
        self._readable = True
        return found

    def _styled(self, path: Path) -> Style | str:
        """The style of an image, or a line that says why there is none."""
        try:
            return predict_style_of_file(path, path.name, self._like)
        except StylizationError as error:
            return str(error)
