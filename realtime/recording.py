"""Owns what a person keeps of a running show: recordings begun and ended by key, and snapshots."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from realtime.sinks.protocol import Sink, StylizedFrame
from realtime.sinks.video_file import VideoFileSink


class Keepsakes:
    """Writes recordings and snapshots into the current folder, named after the time.

    Args:
        sinks: where frames leave; a recording is one of them while it runs.
        rate_fps: nominal rate of recordings.
        report: takes a line for people for each file.
    """

    def __init__(self, sinks: list[Sink], rate_fps: float, report: Callable[[str], None]) -> None:
        self._sinks, self._rate_fps, self._report = sinks, rate_fps, report
        self._recording: VideoFileSink | None = None

    def toggle_recording(self) -> str:
        """Begins a recording, or ends the one that runs; says so.

        Raises:
            SinkError: the file cannot be written.
        """
        if self._recording is not None:
            recording, self._recording = self._recording, None
            self._sinks.remove(recording)
            return self._told(recording.close() or "nothing was recorded")
        path = Path(f"recording_{_time_stamp()}.mp4")
        self._recording = VideoFileSink(path, self._rate_fps)
        self._sinks.append(self._recording)
        return self._told(f"recording to {path}")

    def keep_snapshot(self, stylized: StylizedFrame) -> str:
        """Writes a frame's input and output as PNG; says so.

        Raises:
            SinkError: a file cannot be written.
        """
        paths = write_snapshot(stylized, Path(f"snapshot_{_time_stamp()}"))
        return self._told(f"wrote {paths[0]} and {paths[1]}")

    def _told(self, line: str) -> str:
        self._report(line)
        return line


def write_snapshot(stylized: StylizedFrame, stem: Path) -> tuple[Path, Path]:
    """Writes `STEM_input.png` and `STEM_output.png`.

    Returns:
        Both paths.

    Raises:
        SinkError: a file cannot be written.
    """
    from realtime.media.image_file import StillImage, write_still  # Pillow, which would slow every start

    paths = stem.with_name(f"{stem.name}_input.png"), stem.with_name(f"{stem.name}_output.png")
    for path, pixels in zip(paths, (stylized.frame.pixels, stylized.pixels), strict=True):
        write_still(path, StillImage(pixels))
    return paths


def _time_stamp() -> str:
    return datetime.now().strftime("%Y%m%d_%H%M%S_%f")[:-3]
