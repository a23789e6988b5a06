"""Owns the pieces in which a video is encoded, so that an interrupted one can go on.

A piece is two files in a folder: `00000.nut` with the encoded images, which keeps times
exactly, and `00000.json` with what the file does not hold, and with its hash. A piece counts when both are
there and fit together.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from neural_style.atomic_file import whole_file
from realtime.frame import Image
from realtime.media.codecs import Encoder, VideoFormat
from realtime.media.colour import Alpha
from realtime.media.video_writer import VideoWriter


@dataclass(frozen=True)
class SegmentRecord:
    """What is known of a finished piece.

    Attributes:
        frames: how many images it holds.
        durations: time to duration, both in units of the video's time base.
        sha256: of the file with the encoded images.
    """

    frames: int
    durations: dict[int, int]
    sha256: str = ""


class SegmentWriter(VideoWriter):
    """Encodes one piece.

    Args:
        folder: of the pieces.
        number: of this one, from 0.
        encoder: codec and its settings.
        video_format: of the images.

    Raises:
        SinkError: it cannot be written there.
    """

    def __init__(self, folder: Path, number: int, encoder: Encoder, video_format: VideoFormat) -> None:
        self._path, self._record_path = segment_paths(folder, number)
        self._durations: dict[int, int] = {}
        super().__init__(self._path, encoder, video_format, f"folder {folder.parent}", encoder.piece_format)

    def write(self, pixels: Image, time: int, duration: int = 0, alpha: Alpha | None = None) -> None:
        """See `VideoWriter.write`."""
        super().write(pixels, time, duration, alpha)
        self._durations[time] = duration

    def finish(self) -> SegmentRecord:
        """Completes the piece, so that it counts, and gives what is known of it.

        Raises:
            SinkError: as `write`.
        """
        self.close()
        with self._sink_errors(), whole_file(self._record_path) as partial:
            record = SegmentRecord(self.frames, self._durations, _sha256(self._path))
            partial.write_text(json.dumps(asdict(record)), encoding="utf-8")
        return record


def segment_paths(folder: Path, number: int) -> tuple[Path, Path]:
    """The two files of a piece."""
    return folder / f"{number:05d}.nut", folder / f"{number:05d}.json"


def finished_segments(folder: Path) -> list[SegmentRecord]:
    """The records of the finished pieces, from the first to the last before one that is missing or damaged."""
    records: list[SegmentRecord] = []
    while (record := finished_segment(folder, len(records))) is not None:
        records.append(record)
    return records


def finished_segment(folder: Path, number: int) -> SegmentRecord | None:
    """The record of a piece, if its two files are there as they were written."""
    encoded, record_path = segment_paths(folder, number)
    try:
        content = json.loads(record_path.read_text(encoding="utf-8"))
        durations = {int(time): int(duration) for time, duration in content["durations"].items()}
        record = SegmentRecord(int(content["frames"]), durations, content["sha256"])
        fits = record.frames == len(durations) > 0 and record.sha256 == _sha256(encoded)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return record if fits else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
