"""Owns a folder that is watched: which of its files are new and have stopped growing, and what was done before."""

import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from neural_style.atomic_file import whole_file
from realtime.errors import OptionError, SinkError, SourceError
from realtime.videos.outputs import files_below

POLL_S = 0.5
QUIET_S = 2.0
"""How long a file must stay as it is before it counts as complete."""

RECORD = ".watched.json"

_State = tuple[int, int]
"""Size in bytes and time of the last change in ns."""


class WatchedFolder:
    """Gives files that appear, each once, also over restarts; one that changed later counts as new.

    Args:
        folder: that is watched, with those in it.
        output: where results go; a hidden record of what was done lies there.

    Raises:
        OptionError: there is no such folder.
        SourceError: the record is damaged.
        SinkError: the output cannot be made.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        if not folder.is_dir():
            raise OptionError(f"watch {folder}: is no folder; give one that is there")
        self._folder, self._output, self._record = folder, output, output / RECORD
        self._done: dict[str, _State] = {}
        self._seen: dict[Path, tuple[_State, float]] = {}
        try:
            output.mkdir(parents=True, exist_ok=True)
            if self._record.is_file():
                content = json.loads(self._record.read_text(encoding="utf-8"))
                self._done = {name: (int(size), int(changed)) for name, (size, changed) in content.items()}
        except OSError as error:
            raise SinkError(f"folder {output}: cannot be used ({error.strerror}); choose another place") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise SourceError(f"record {self._record}: is damaged; remove it, and all is done again") from error

    def complete(self) -> Iterator[Path]:
        """The files to be done now, relative to the folder; tell each to `done` before the next is asked for."""
        now_s = monotonic()
        there = sorted(files_below(self._folder, self._output))
        self._seen = {path: seen for path, seen in self._seen.items() if path in set(there)}
        for path in there:
            state = _state_of(path)
            name = path.relative_to(self._folder)
            if state is None or state[0] == 0 or self._done.get(name.as_posix()) == state:
                continue
            earlier = self._seen.get(path)
            if earlier is None or earlier[0] != state:
                self._seen[path] = state, now_s
            elif now_s - earlier[1] >= QUIET_S:
                yield name

    def was_done(self, name: Path) -> bool:
        """Whether a file of this name was done before, with other content."""
        return name.as_posix() in self._done

    def has_namesake(self, name: Path) -> bool:
        """Whether another file was done that differs in its ending alone, so that both might become one file."""
        others = (Path(done) for done in self._done)
        return any(other != name and other.with_suffix("") == name.with_suffix("") for other in others)

    def done(self, name: Path) -> None:
        """Remembers that a file was dealt with as it was when it was complete.

        Raises:
            OSError: the record cannot be written.
        """
        state, _ = self._seen.pop(self._folder / name)
        self._done[name.as_posix()] = state
        with whole_file(self._record) as partial:
            partial.write_text(json.dumps(self._done, indent=1) + "\n", encoding="utf-8")


def _state_of(path: Path) -> _State | None:
    """None where the file has gone meanwhile."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
