"""Owns the hidden folder beside a video that holds its pieces, and what an interrupted run leaves for the next."""

import glob
import json
import shutil
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import psutil

from neural_style.atomic_file import partial_folder, whole_file
from realtime.errors import OptionError, SinkError
from realtime.postprocess import Smoothed
from realtime.videos.segments import SegmentRecord, finished_segments, segment_paths
from realtime.videos.smoothing_state import load_smoothed, save_smoothed

_FINGERPRINT = "job.json"


class WorkFolder:
    """A folder for the pieces of one video.

    A private one is removed with the run. One that is kept has a fixed name and holds the fingerprint
    of its video, so that the same command goes on where an earlier one stopped.

    Args:
        target: the video that is made.
        fingerprint: what decides its frames, in JSON types; None makes a private folder.

    Attributes:
        path: of the folder.

    Raises:
        OptionError: there is work of an earlier run that was made with other settings.
        SinkError: the folder cannot be made.
    """

    def __init__(self, target: Path, fingerprint: dict[str, Any] | None) -> None:
        self.path = partial_folder(target) if fingerprint is None else kept_path(target)
        self._private = fingerprint is None
        _remove_abandoned(target)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if fingerprint is not None:
                self._check_fingerprint(fingerprint)
        except OSError as error:
            raise SinkError(
                f"video {target}: cannot be written there ({error.strerror}); choose another place"
            ) from error

    def finished(self, at_most: int | None = None) -> list[SegmentRecord]:
        """The pieces to go on from; those after `at_most`, and what is unfinished or damaged, are removed."""
        records = finished_segments(self.path)[:at_most]
        while records and not self._has_state(len(records)):
            records.pop()
        wanted = {path.name for number in range(len(records)) for path in segment_paths(self.path, number)}
        wanted |= {_FINGERPRINT, self._state_path(len(records)).name}
        for path in self.path.iterdir():
            if path.name not in wanted:
                path.unlink()
        return records

    def save_state(self, pieces: int, smoothed: Smoothed | None) -> None:
        """Keeps what smoothing remembers after so many pieces; called before the last of them is finished."""
        save_smoothed(self._state_path(pieces), smoothed)
        for earlier in range(pieces - 2, -1, -1):
            if not self._state_path(earlier).is_file():
                break
            self._state_path(earlier).unlink()

    def load_state(self, pieces: int) -> Smoothed | None:
        """What `save_state` kept."""
        return load_smoothed(self._state_path(pieces))

    def _has_state(self, pieces: int) -> bool:
        try:
            self.load_state(pieces)
        except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile, zlib.error):
            return False
        return self._state_path(pieces).is_file()

    def remove(self) -> None:
        """Removes the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def leave(self) -> None:
        """Removes it unless it is there for the next run."""
        if self._private or not any(self.path.glob("*.nut")):
            self.remove()

    def _state_path(self, pieces: int) -> Path:
        return self.path / f"{pieces:05d}.npz"

    def _check_fingerprint(self, fingerprint: dict[str, Any]) -> None:
        path = self.path / _FINGERPRINT
        if not path.is_file():
            with whole_file(path) as partial:
                partial.write_text(json.dumps(fingerprint, indent=1), encoding="utf-8")
            return
        try:
            earlier = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):  # damaged: nothing tells what the pieces were made with
            self.remove()
            self.path.mkdir()
            self._check_fingerprint(fingerprint)
            return
        names = sorted(fingerprint.keys() | earlier.keys())
        other = [name for name in names if fingerprint.get(name) != earlier.get(name)]
        if other:
            raise OptionError(
                f"resume: {self.path} was begun with another {', '.join(other)}; "
                "give the same options and files as then, or remove that folder"
            )


def kept_path(target: Path) -> Path:
    """Where a run with `--resume` keeps its work."""
    return target.with_name(f".{target.name}.unfinished")


def _remove_abandoned(target: Path) -> None:
    """Removes private folders whose process was killed."""
    for folder in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        number = folder.name.split(".")[-2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
