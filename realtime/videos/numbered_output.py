"""Owns a stylized video that is written as numbered images."""

from collections.abc import Callable
from pathlib import Path

from neural_style.atomic_file import move_into_place, partial_folder
from realtime.errors import SinkError
from realtime.look import Look
from realtime.media.image_file import StillImage, keeps_alpha, write_still
from realtime.media.still_reader import numbered, numbered_files
from realtime.stats import Stats
from realtime.videos.tracks import Note
from realtime.videos.video_output import VideoOutput, until_closed

FIRST_NUMBER = 1


class NumberedOutput(VideoOutput):
    """Images that are named by a pattern, counted from 1; they appear when all are written.

    Args:
        pattern: such as `frames/%05d.png`.
        look: how they are stylized.
        overwrite: whether images that are there are replaced.

    Raises:
        SinkError: there is no place for them.
    """

    def __init__(self, pattern: Path, look: Look, overwrite: bool = False) -> None:
        super().__init__(pattern, look, keeps_alpha(pattern.suffix.lower()))
        self._pattern, self._folder = pattern, partial_folder(pattern)
        self._count, self._overwrite = 0, overwrite
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(
                f"images {pattern}: cannot be written there ({error.strerror}); choose another place"
            ) from error

    def encode(self, stats: Stats, count: Callable[[], None]) -> None:
        """See `VideoOutput.encode`."""
        for finished in until_closed(self._waiting):
            with stats.stage("encode"):
                path = numbered(self._folder / self._pattern.name, FIRST_NUMBER + self._count)
                write_still(path, StillImage(finished.pixels, finished.alpha))
                self._count += 1
            stats.frame_out(finished.frame.capture_time_s)
            count()

    def finish(self, note: Note) -> None:
        """See `VideoOutput.finish`."""
        last = FIRST_NUMBER + self._count - 1
        there = list(numbered_files(self._pattern))
        if there and not self._overwrite:
            raise SinkError(
                f"images {self._pattern}: another program made {len(there)} such images during the run, and they stay; "
                "use --overwrite, or choose another name"
            )
        older = [number for number in there if not FIRST_NUMBER <= number <= last]
        try:
            for number in range(FIRST_NUMBER, last + 1):
                made, target = numbered(self._folder / self._pattern.name, number), numbered(self._pattern, number)
                move_into_place(made, target, self._overwrite)
        except OSError as error:
            raise SinkError(f"images {self._pattern}: cannot be written ({error.strerror}); make room") from error
        if older:
            note(f"{len(older)} images of an earlier run lie beside the new ones, which end with number {last}")

    def remove(self) -> None:
        """See `VideoOutput.remove`."""
        for path in self._folder.glob("*"):
            path.unlink(missing_ok=True)
        if self._folder.is_dir():
            self._folder.rmdir()
