"""Owns the pieces in which a video is encoded, so that an interrupted one can go on.

A piece is two files in a folder: `00000.nut` with the encoded images, which keeps times
exactly, and `00000.json` with what the file does not hold. A piece counts when both are there.
"""

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
    """

    frames: int
    durations: dict[int, int]


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
        path, self._record_path = segment_paths(folder, number)
        self._durations: dict[int, int] = {}
        super().__init__(path, encoder, video_format, f"folder {folder.parent}", encoder.piece_format)

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
        record = SegmentRecord(self.frames, self._durations)
        with self._sink_errors(), whole_file(self._record_path) as partial:
            partial.write_text(json.dumps(asdict(record)), encoding="utf-8")
        return record


def segment_paths(folder: Path, number: int) -> tuple[Path, Path]:
    """The two files of a piece."""
    return folder / f"{number:05d}.nut", folder / f"{number:05d}.json"


def finished_segments(folder: Path) -> list[SegmentRecord]:
    """The records of the finished pieces, from the first to the last before a gap."""
    records: list[SegmentRecord] = []
    while True:
        encoded, record = segment_paths(folder, len(records))
        if not (encoded.is_file() and record.is_file()):
            return records
        content = json.loads(record.read_text(encoding="utf-8"))
        records.append(SegmentRecord(content["frames"], {int(k): v for k, v in content["durations"].items()}))
