"""What every source promises."""

from dataclasses import dataclass
from typing import Protocol

from realtime.frame import Frame


@dataclass(frozen=True)
class SourceInfo:
    """What a source is.

    Attributes:
        name: for people: "camera 0", "clip.mp4", "sample clip".
        size_wh: width and height in px of its frames.
        rate_fps: frames per second that it gives when it is paced.
        can_pause: it stands still when nobody reads (a file), instead of going on (a camera).
    """

    name: str
    size_wh: tuple[int, int]
    rate_fps: float
    can_pause: bool


class Source(Protocol):
    """Gives frames, one after the other."""

    @property
    def info(self) -> SourceInfo:
        """What it is."""

    def read(self) -> Frame | None:
        """Waits for the next frame; None when the source has ended.

        Raises:
            SourceError: the source failed.
        """

    def close(self) -> None:
        """Lets go of the device or file; a `read` that waits in another thread returns None."""
