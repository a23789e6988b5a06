"""Owns what is known of a video, of each of its images, and of the part that is wanted."""

from dataclasses import dataclass
from fractions import Fraction

from realtime.frame import Image
from realtime.media.codecs import VideoFormat
from realtime.media.colour import Alpha


@dataclass(frozen=True)
class VideoInfo(VideoFormat):
    """What a video is.

    Attributes:
        frames: how many there are by the file's own word, or an estimate from its duration; 0 is unknown.
        start: time of its first image, in units of its time base.
    """

    frames: int = 0
    start: int = 0


@dataclass(frozen=True)
class VideoFrame:
    """One decoded image.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        time: when it is shown, in units of the video's time base; always later than the one before.
        duration: in the same units; how long it is shown.
        capture_time_s: `time.perf_counter()` when it was decoded.
        alpha: how opaque pixels are, uint8 (H, W), 255 is opaque; None in a video that does not say.
    """

    pixels: Image
    time: int
    duration: int
    capture_time_s: float
    alpha: Alpha | None = None


@dataclass(frozen=True)
class Cut:
    """A part of a video, in seconds from its beginning.

    Attributes:
        start_s: its first moment.
        end_s: the moment after it; None is the video's end.
    """

    start_s: float = 0.0
    end_s: float | None = None

    def bounds(self, info: VideoInfo) -> tuple[int, int | None]:
        """The first moment and the one after the last, in units of the video's time base."""
        begin = info.start + round(Fraction(self.start_s) / info.time_base)
        end = None if self.end_s is None else info.start + round(Fraction(self.end_s) / info.time_base)
        return begin, end
