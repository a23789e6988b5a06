"""Owns what recordings have left whose process was killed: they are found at the next start, and get a name."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil

from neural_style.atomic_file import free_name, move_into_place
from realtime.errors import SinkError, SourceError
from realtime.media.video_reader import VideoReader
from realtime.options import VIDEO_SUFFIXES
from realtime.output_names import NameLock, is_held, lock_path


def name_leftovers(folder: Path, say: Callable[[str], None]) -> None:
    """Gives the recordings that were cut off in a folder a name, and says so.

    Args:
        folder: where recordings are; subfolders are left alone.
        say: takes a line for people for each.
    """
    for partial in sorted(folder.glob(".*.partial.*")):
        parts = re.fullmatch(r"\.(.+)\.(\d+)\.partial(\.\w+)", partial.name)
        if parts is None or parts[3].lower() not in VIDEO_SUFFIXES:
            continue
        asked = folder / f"{parts[1]}{parts[3]}"
        if is_held(asked) or (not lock_path(asked).exists() and psutil.pid_exists(int(parts[2]))):
            continue
        try:
            lock = NameLock(asked)
        except SinkError:
            continue
        try:
            say(_named(partial, asked))
        except OSError as error:
            say(f"{partial}: is left of a run that was cut off, and cannot be moved ({error.strerror})")
        finally:
            lock.release()


def plays(path: Path) -> bool:
    """Whether a file holds a video of which at least the first frame can be decoded."""
    try:
        with closing(VideoReader(path)):
            return True
    except SourceError:
        return False


def _named(partial: Path, asked: Path) -> str:
    """Moves or removes what was left, and gives the line that says so."""
    if partial.stat().st_size == 0:
        partial.unlink()
        return f"removed {partial}: left of a run that was cut off before its first frame"
    if not plays(partial):
        return f"{partial}: is left of a run that was cut off, and cannot be played; it can be removed"
    kept = free_name(asked.with_name(f"{asked.stem}.recovered{asked.suffix}"))
    move_into_place(partial, kept, replace=False)
    return f"recovered a recording that was cut off: {kept}"
