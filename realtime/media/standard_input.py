"""Owns a video on standard input: what has come lies in a hidden file, where it can be read more than once."""

import tempfile
import threading
from io import BufferedReader
from pathlib import Path

from neural_style.atomic_file import partial_path
from realtime.errors import SourceError
from realtime.media.standard_streams import standard_input

_CHUNK_BYTES = 1 << 16
_HEAD_BYTES = 8
_NEEDS_ITS_END = b"ftyp"
"""At byte 4 of MP4 and MOV, whose index may come last."""


class SpooledInput:
    """Takes all that comes into a file, and lets readers begin before the end.

    Args:
        stream: what comes; None is standard input.
    """

    def __init__(self, stream: BufferedReader | None = None) -> None:
        self._stream: BufferedReader = standard_input() if stream is None else stream  # type: ignore[assignment]
        self._path = partial_path(Path(tempfile.gettempdir()) / f"standard-input-{id(self)}")
        self._file = self._path.open("wb")
        self._changed = threading.Condition()
        self._length, self._ended = 0, False
        self._failure: Exception | None = None
        threading.Thread(target=self._take, name="standard input", daemon=True).start()

    def __str__(self) -> str:
        return "standard input"

    def open(self) -> "Path | _View":
        """What can be read from the beginning: the file when it has come whole, where it must be searched."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._length >= _HEAD_BYTES)
        if self.read(0, _HEAD_BYTES)[4:] != _NEEDS_ITS_END:
            return _View(self)
        with self._changed:
            self._changed.wait_for(lambda: self._ended)
        return self._path

    def read(self, start: int, count: int) -> bytes:
        """At most so many bytes from a place; waits until there are any, and gives none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._length > start)
            count = min(count, self._length - start)
            if self._failure is not None and count == 0:
                raise SourceError(f"standard input: cannot be kept in {self._path.parent} ({self._failure}); make room")
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(count)

    def close(self) -> None:
        """Removes what was taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._path.unlink(missing_ok=True)

    def _take(self) -> None:
        """Thread: what comes to the file."""
        try:
            with self._file:
                while not self._ended and (chunk := self._stream.read1(_CHUNK_BYTES)):
                    self._file.write(chunk)
                    self._file.flush()
                    with self._changed:
                        self._length += len(chunk)
                        self._changed.notify_all()
        except (OSError, ValueError) as error:  # closed, or no room for it
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


class _View:
    """One reader's place; without `seek`, so that nobody waits for an index at the end."""

    def __init__(self, spooled: SpooledInput) -> None:
        self._spooled, self._place = spooled, 0

    def read(self, count: int) -> bytes:
        content = self._spooled.read(self._place, count)
        self._place += len(content)
        return content
