"""Owns the units of work that are handed to workers, and what comes back: addresses, bounds and figures, no frames."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from realtime.cluster.options import SEGMENT_S
from realtime.cluster.scan import Scan
from realtime.cluster.storage import is_address
from realtime.engines.protocol import EngineInfo
from realtime.media.readers import VideoSource
from realtime.media.remote_file import RemoteFile
from realtime.media.still_reader import ImageSequence
from realtime.media.video_frame import Cut
from realtime.options import FileOptions
from realtime.style_catalogue import Catalogue
from realtime.videos.video_part import VideoPart

Source: TypeAlias = str | ImageSequence
"""The path or the address of a file, or the images of a video that is many files."""


@dataclass(frozen=True)
class Setup:
    """What all workers are told once.

    Attributes:
        options: of the run; once the first worker has chosen an engine, without "auto".
        catalogue: the styles.
        places: those of the styles that are wanted, in the catalogue.
        models_folder: where the networks lie on the machine that hands out the work.
        cores: for each worker; None leaves it all of its machine.
        segment_s: least length of a segment.
    """

    options: FileOptions
    catalogue: Catalogue
    places: tuple[int, ...]
    models_folder: str
    cores: int | None = None
    segment_s: float = SEGMENT_S

    @property
    def cut(self) -> Cut | None:
        """The part of videos that is wanted; None is all."""
        options = self.options
        return Cut(options.start_s, options.end_s) if options.start_s or options.end_s is not None else None


@dataclass(frozen=True)
class ScanUnit:
    """Find out where a video can be cut; `suffix` is that of its results."""

    source: Source
    suffix: str


@dataclass(frozen=True)
class SegmentUnit:
    """Stylize a part of a video in all styles.

    Attributes:
        source: the video.
        suffix: of its results.
        part: which part.
        folder: where pieces go, in a folder for each style.
        goes_on: with what smoothing remembers at the end of the part before, which is there.
        attempts: where unfinished work goes.
    """

    source: Source
    suffix: str
    part: VideoPart
    folder: str
    attempts: str
    goes_on: bool = False


@dataclass(frozen=True)
class JoinUnit:
    """Compare the ends of all parts of a video, and make the video of them."""

    source: Source
    suffix: str
    parts: int
    folder: str
    attempts: str
    results: tuple[str, ...]


@dataclass(frozen=True)
class VideoUnit:
    """Stylize a video that is not cut."""

    source: Source
    suffix: str
    attempts: str
    results: tuple[str, ...]


@dataclass(frozen=True)
class ImagesUnit:
    """Stylize images; for each its source and where its results go."""

    images: tuple[tuple[str, tuple[str, ...]], ...]
    attempts: str


StylizeUnit: TypeAlias = SegmentUnit | JoinUnit | VideoUnit | ImagesUnit
"""What a worker needs its engine for, or its encoder."""

Unit: TypeAlias = ScanUnit | StylizeUnit

Kind = Literal["done", "failed", "uncut", "again", "fault", "unfit"]


@dataclass(frozen=True)
class Outcome:
    """What came of a unit.

    Attributes:
        kind: "done"; "failed" for reasons that lie in the input; "uncut": the video must be made in one; "again":
            parts must be made once more; "fault": the worker failed, and another may do it; "unfit": it can do nothing
            any more.
        text: why, in a line for people.
        notes: further lines for people.
        facts: frames, seconds, sizes.
        scan: of a `ScanUnit`.
        info: what stylized it.
        again: numbers of parts that are damaged, and of those whose beginning differs from the end of the part before.
        errors: of an `ImagesUnit`, a line for each image; empty where it was written.
    """

    kind: Kind
    text: str = ""
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    scan: Scan | None = None
    info: EngineInfo | None = None
    again: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    errors: tuple[str, ...] = ()


def video_source(source: Source) -> VideoSource:
    """What readers take."""
    if isinstance(source, ImageSequence):
        return source
    return RemoteFile(source) if is_address(source) else Path(source)
