"""Owns whether the parts of a video, which were made apart, fit together."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from realtime.postprocess import Smoothed
from realtime.videos.segments import SegmentRecord, finished_segment, segment_paths
from realtime.videos.smoothing_state import load_smoothed
from realtime.videos.video_part import PartEnds, state_paths

TOLERATED_LEVELS = 1.0
"""Of 255: by less than this a value that smoothing remembers may differ at the beginning of a part."""


@dataclass(frozen=True)
class Fit:
    """How the parts of a video fit together.

    Attributes:
        damaged: parts whose piece is missing, or is not as it was written.
        differing: parts that began with another state of smoothing than the one before ended with.
        uncut: whether a frame at their ends is not the same, so that the video cannot be made in parts.
    """

    damaged: tuple[int, ...] = ()
    differing: tuple[int, ...] = ()
    uncut: bool = False

    @property
    def is_good(self) -> bool:
        """Whether the video can be joined."""
        return not (self.damaged or self.differing or self.uncut)


def check_fit(folder: Path, parts: int) -> Fit:
    """Compares the ends of all parts in a folder of one look."""
    records = [finished_segment(folder, number) for number in range(parts)]
    damaged = tuple(number for number, record in enumerate(records) if record is None)
    if damaged:
        return Fit(damaged)
    ends = [_ends(folder, number) for number in range(parts)]
    if any(later.before and later.before != earlier.last for earlier, later in pairwise(ends)):
        return Fit(uncut=True)
    return Fit(differing=tuple(number for number in range(1, parts) if not _states_fit(folder, number)))


def records_of(folder: Path, parts: int) -> tuple[SegmentRecord, ...]:
    """The records of all pieces that `check_fit` found good."""
    records = (finished_segment(folder, number) for number in range(parts))
    return tuple(record for record in records if record is not None)


def _ends(folder: Path, number: int) -> PartEnds:
    content = json.loads(segment_paths(folder, number)[1].read_text(encoding="utf-8"))
    return PartEnds(content["before"], content["last"])


def _states_fit(folder: Path, number: int) -> bool:
    """Whether a part began with what the one before ended with."""
    ended = load_smoothed(state_paths(folder, number - 1)[1])
    begun = load_smoothed(state_paths(folder, number)[0])
    if ended is None or begun is None:
        return ended is None and begun is None
    return _differ_by(ended, begun) < TOLERATED_LEVELS


def _differ_by(one: Smoothed, other: Smoothed) -> float:
    pairs = (one.exact, other.exact), (one.reference, other.reference)
    return max(float(np.abs(a - b).max()) if a.shape == b.shape else np.inf for a, b in pairs)
