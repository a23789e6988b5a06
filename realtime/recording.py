"""Recordings that keys begin and end, and snapshots, in the current folder and named after the time."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from neural_style.atomic_file import free_name
from realtime.controls import Action, Command, Panel
from realtime.errors import SinkError
from realtime.media.image_file import StillImage, write_still
from realtime.sinks.protocol import Sink, StylizedFrame
from realtime.sinks.video_file import VideoFileSink


class Recorder:
    """Writes what a person asks for while frames are shown.

    Args:
        sinks: where frames leave; a recording is one of them while it runs.
        rate_fps: nominal rate of recordings.
        report: takes a line for people for each file.
    """

    def __init__(self, sinks: list[Sink], rate_fps: float, report: Callable[[str], None]) -> None:
        self._sinks, self._rate_fps, self._report = sinks, rate_fps, report
        self._recording: VideoFileSink | None = None

    def carry_out(self, command: Command, last: StylizedFrame | None) -> str:
        """Begins or ends a recording, or writes the input and output of a frame as PNG.

        Args:
            command: others than RECORD and SNAPSHOT do nothing.
            last: the frame that was shown last.

        Returns:
            What came of it, which was reported, or "" for nothing. A file that cannot be written ends no run.
        """
        line = ""
        try:
            if command is Action.RECORD:
                line = self._toggle_recording()
            elif command is Action.SNAPSHOT and last is not None:
                paths = write_snapshot(last, Path(f"snapshot_{_time_stamp()}"))
                line = f"wrote {paths[0]} and {paths[1]}"
        except SinkError as error:
            line = str(error)
        if line:
            self._report(line)
        return line

    def _toggle_recording(self) -> str:
        if self._recording is not None:
            recording, self._recording = self._recording, None
            self._sinks.remove(recording)
            return recording.close() or "nothing was recorded"
        path = free_name(Path(f"recording_{_time_stamp()}.mp4"))
        self._recording = VideoFileSink(path, self._rate_fps)
        self._sinks.append(self._recording)
        return f"recording to {path}"


def marks_of(sinks: Sequence[Sink], panel: Panel) -> list[str]:
    """What a display always shows: that a recording is made, that the image stands still."""
    recording = any(isinstance(sink, VideoFileSink) for sink in sinks)
    return [mark for mark, shown in (("recording", recording), ("frozen", panel.frozen)) if shown]


def write_snapshot(stylized: StylizedFrame, stem: Path) -> tuple[Path, Path]:
    """Writes `STEM_input.png` and `STEM_output.png`.

    Returns:
        Both paths.

    Raises:
        SinkError: a file cannot be written.
    """
    paths = stem.with_name(f"{stem.name}_input.png"), stem.with_name(f"{stem.name}_output.png")
    for path, pixels in zip(paths, (stylized.frame.pixels, stylized.pixels), strict=True):
        write_still(path, StillImage(pixels))
    return paths


def _time_stamp() -> str:
    return datetime.now().strftime("%Y%m%d_%H%M%S_%f")[:-3]
