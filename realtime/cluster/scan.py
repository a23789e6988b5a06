"""Owns where a video can be cut: it is read once without being decoded, and cut at key images.

A video that cannot be cut safely is one unit of work. "Safely" means that a part which begins at a key image has
exactly the frames, times and images that the whole video has there.
"""

from bisect import bisect_left, bisect_right
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import FFmpegError

from realtime.cluster.options import SEGMENT_S
from realtime.errors import SourceError
from realtime.media.codecs import Encoder
from realtime.media.readers import VideoSource, open_reader
from realtime.media.timeline import Timeline
from realtime.media.video_container import open_container, shown_stream
from realtime.media.video_frame import Cut
from realtime.media.video_reader import VideoReader, search_time
from realtime.postprocess import frames_remembered
from realtime.videos.video_part import VideoPart, hash_of_times

_LEAST_LAST = 0.5
"""A last segment that is shorter than this share of `SEGMENT_S` belongs to the one before."""

_TOLERATED_FRAMES = 3


@dataclass(frozen=True)
class Scan:
    """What a video is, and how it is cut.

    Attributes:
        frames: how many will come, about.
        pixels: of one frame.
        parts: its segments; none where it is one unit of work.
        uncut: why it is one; empty where it is cut.
    """

    frames: int
    pixels: int
    parts: tuple[VideoPart, ...] = ()
    uncut: str = ""


@dataclass(frozen=True)
class ScanWish:
    """What is asked of a video.

    Attributes:
        source: the video.
        cut: the part that is wanted; None is all.
        encoder: of the result.
        smoothing: 0..1, which decides the run-in.
        segment_s: see `SEGMENT_S`.
    """

    source: VideoSource
    cut: Cut | None
    encoder: Encoder
    smoothing: float
    segment_s: float = SEGMENT_S


@dataclass(frozen=True)
class _Packets:
    """The frames of a video track as its packets tell.

    Attributes:
        times: of all frames, rising, in units of the time base.
        keys: those of key images.
        fault: why they cannot be relied on; empty where they can.
    """

    times: list[int]
    keys: list[int]
    fault: str


def scan_video(wish: ScanWish) -> Scan:
    """Reads a video's packets, and finds where it can be cut.

    Raises:
        SourceError: it cannot be read, or holds no image that can be decoded.
    """
    with closing(open_reader(wish.source)) as reader:
        info = reader.info
        frames, pixels = info.frames, info.size_wh[0] * info.size_wh[1]
        if not isinstance(reader, VideoReader):
            return Scan(frames, pixels, uncut="its images are read one after the other")
        if not info.in_pieces(wish.encoder):
            return Scan(frames, pixels, uncut="its codec is not written in pieces")
        begin, end = (None, None) if wish.cut is None else wish.cut.bounds(info)
        if (frames or 1) / info.rate <= wish.segment_s:
            return Scan(frames, pixels, uncut="it is short")
    found = _read_packets(wish.source)
    if found.fault or found.times[0] != info.start:
        return Scan(frames, pixels, uncut=found.fault or "its first image is not its first packet")
    times = [time for time in found.times if (begin is None or time >= begin) and (end is None or time < end)]
    bounds = _bounds(times, found.keys, wish.segment_s / info.time_base)
    places = [bisect_left(times, bound) for bound in bounds]
    run_in = max(1, frames_remembered(wish.smoothing))
    first = [times[max(0, place - run_in * (number > 0))] for number, place in enumerate(places)]
    entries = [_first_entry(found.keys, first[0]), *_entries(wish.source, found.keys, first[1:])] if bounds else []
    known = [entry for entry in entries if entry is not None]
    if len(bounds) < 2 or len(known) < len(bounds):
        why = "it has too few key images" if len(bounds) < 2 else "it cannot be searched"
        return Scan(len(times), pixels, uncut=why)
    parts = []
    for number, entry in enumerate(known):
        last = number == len(bounds) - 1
        held = times[places[number] : None if last else places[number + 1]]
        following = end if last else bounds[number + 1]
        parts.append(VideoPart(number, entry, first[number], bounds[number], following, len(held), hash_of_times(held)))
    return Scan(len(times), pixels, tuple(parts))


def _read_packets(source: VideoSource) -> _Packets:
    assert not isinstance(source, str)
    times: list[int] = []
    keys: list[int] = []
    timeline, end_s, corrupt = Timeline(), Fraction(0), False
    try:
        with open_container(source) as container:  # type: ignore[arg-type]
            stream = _shown(container)
            for packet in container.demux():
                timeline.move(packet)
                if packet.pts is not None:
                    end_s = max(end_s, (packet.pts + (packet.duration or 0)) * packet.time_base)
                if packet.stream.index != stream.index or not packet.size:
                    continue
                corrupt = corrupt or packet.is_corrupt or packet.is_discard
                if packet.pts is None:
                    return _Packets([], [], "its packets have no times")
                times.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
            promised, rate = stream.frames, stream.average_rate or Fraction(25)
            missing_s = _promised_s(container) - end_s
    except (FFmpegError, OSError):
        return _Packets([], [], "it is damaged")
    fault = "it holds no frames" if not times else ""
    if corrupt or promised > len(times) or missing_s * rate > _TOLERATED_FRAMES:
        fault = "it is damaged, or leaves frames out"
    elif timeline.restarts:
        fault = "its clock starts again"
    elif len(set(times)) < len(times):
        fault = "several of its frames have the same time"
    return _Packets(sorted(times), sorted(keys), fault)


def _promised_s(container: InputContainer) -> Fraction:
    """When the header says that the last frame ends."""
    if not container.duration:
        return Fraction(0)
    from_zero = container.format.name.startswith("matroska")  # its duration counts from time 0
    return Fraction((0 if from_zero else container.start_time or 0) + container.duration, av.time_base)


def _shown(container: InputContainer) -> av.VideoStream:
    shown = shown_stream(container)
    if shown is None:
        raise SourceError(f"video {container.name}: holds no video track; give a video or an image")
    return shown


def _bounds(times: list[int], keys: list[int], least: Fraction | float) -> list[int]:
    """The first moments of segments: the beginning, and key images that are far enough from each other."""
    if not times:
        return []
    bounds = [times[0]]
    held = set(times)
    for key in keys:
        if key in held and key - bounds[-1] >= least:
            bounds.append(key)
    if len(bounds) > 1 and times[-1] - bounds[-1] < _LEAST_LAST * least:
        bounds.pop()
    return bounds


def _first_entry(keys: list[int], begin: int) -> int:
    return keys[max(0, bisect_right(keys, begin) - 1)]


def _entries(source: VideoSource, keys: list[int], run_ins: list[int]) -> list[int | None]:
    """For each run-in the key image at or before it that a search really finds; None where there is none."""
    try:
        with open_container(source) as container:  # type: ignore[arg-type]
            stream = _shown(container)
            return [_entry(container, stream, keys, run_in) for run_in in run_ins]
    except (FFmpegError, OSError):
        return [None for _ in run_ins]


def _entry(container: InputContainer, stream: av.VideoStream, keys: list[int], run_in: int) -> int | None:
    place = bisect_right(keys, run_in) - 1
    for key in keys[max(0, place - 1) : place + 1][::-1]:
        if key == keys[0]:
            return key
        container.seek(max(keys[0], search_time(key, stream.time_base or Fraction(1))), stream=stream)
        for packet in container.demux(stream):
            if packet.is_keyframe and packet.pts is not None and packet.pts > key:
                break
            if packet.is_keyframe and packet.pts == key:
                return key
    return None
