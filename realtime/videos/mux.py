"""Owns the finished video: its encoded pieces, with the other tracks, chapters and metadata of the source."""

import errno
import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from realtime.media.codecs import Encoder, VideoFormat
from realtime.media.readers import VideoSource, has_tracks
from realtime.media.video_container import is_cover, open_container
from realtime.media.video_writer import add_video_stream, sink_errors, written_container
from realtime.media.whole_output import whole_output
from realtime.videos.segments import SegmentRecord, segment_paths
from realtime.videos.tracks import AnyPacket, Note, Timed, Tracks, Window

_FAST_START = (".mp4", ".mov")


@dataclass(frozen=True)
class Assembly:
    """What a finished video is made of.

    Attributes:
        folder: of the pieces.
        records: of all of them.
        source: the video whose other tracks are copied.
        bounds: first and end time in units of the video's time base where only a part is wanted.
        overwrite: whether a file that is there is replaced.
    """

    folder: Path
    records: tuple[SegmentRecord, ...]
    source: VideoSource
    bounds: tuple[int, int | None] | None
    overwrite: bool = False


def assemble(assembly: Assembly, target: Path, encoder: Encoder, video_format: VideoFormat, note: Note) -> None:
    """Writes a video; it appears under its name only when it is whole.

    Args:
        assembly: what to join.
        target: the file; its suffix chooses the container.
        encoder: what the pieces were encoded with.
        video_format: of the pieces.
        note: takes lines for people: what could not be copied as it is.

    Raises:
        SinkError: it cannot be written, or another program made a file of that name meanwhile.
    """
    suffix, failing = target.suffix.lower(), sink_errors(f"video {target}", "choose another place, or make room")
    with failing, whole_output(target, assembly.overwrite) as partial, ExitStack() as opened:
        source = open_tracks(assembly.source, opened)
        options = _container_options(suffix, source)
        out = opened.enter_context(written_container(partial, options))
        stream = add_video_stream(out, encoder, video_format)
        begin, end = _begin(assembly), None if assembly.bounds is None else assembly.bounds[1]
        if assembly.bounds is None and begin:
            late_s = float(-begin * video_format.time_base)
            note(f"it begins {late_s:.3f} s before time 0, which files cannot state: everything is that much later")
        others = add_other_tracks(out, source, suffix, note, window_of(begin, end, video_format))
        images = _images(stream, assembly, video_format)
        for _, _, packet in heapq.merge(images, others, key=lambda timed: timed[:2]):
            out.mux_one(packet)


def open_tracks(source: VideoSource, opened: ExitStack) -> InputContainer | None:
    """A source once more, for its other tracks; None where it can have none. `opened` closes it."""
    return opened.enter_context(open_container(source)) if has_tracks(source) else None


def window_of(begin: int, end: int | None, video_format: VideoFormat) -> Window:
    """The part between times in units of a video's time base; None is to its end."""
    unit_s = video_format.time_base
    return Window(begin * unit_s, None if end is None else end * unit_s)


def add_other_tracks(
    out: OutputContainer, source: InputContainer | None, suffix: str, note: Note, window: Window
) -> Iterator[Timed]:
    """Adds a source's other tracks, its metadata and, where all of it is wanted, its chapters; gives the packets.

    Args:
        out: its video track is there, and nothing is written yet.
        source: as `open_tracks` gave it.
        suffix: of the file that is written.
        note: takes lines for people: what could not be copied as it is.
        window: the part that is wanted.
    """
    if source is None:
        return iter(())
    if suffix == ".gif":
        if len(source.streams) > 1:
            note("a GIF holds no sound and no subtitles; they are left out")
        return iter(())
    out.metadata.update(source.metadata)
    tracks = Tracks(out, source, suffix, note, window)
    if window.begin_s <= 0 and window.end_s is None and source.chapters():
        out.set_chapters(source.chapters())
    return tracks.packets()


def _container_options(suffix: str, source: InputContainer | None) -> dict[str, str]:
    """MP4 and MOV hold either metadata of any name, or a cover."""
    if suffix not in _FAST_START:
        return {}
    has_cover = source is not None and any(is_cover(stream) for stream in source.streams)
    return {"movflags": "+faststart" if has_cover else "+faststart+use_metadata_tags"}


def _begin(assembly: Assembly) -> int:
    """What becomes time 0, in units of the video's time base: the wanted part's beginning, or a first negative time."""
    if assembly.bounds is not None:
        return assembly.bounds[0]
    return min(0, min((time for record in assembly.records for time in record.durations), default=0))


def _images(stream: VideoStream, assembly: Assembly, video_format: VideoFormat) -> Iterator[Timed]:
    """The frames of all pieces in the order of decoding, with decoding times that fit together.

    Each encoder counts its decoding times from its own beginning, so they are computed anew: the sorted
    presentation times, delayed by as many frames as a frame is at most decoded ahead of its presentation.
    """
    time_base = video_format.time_base
    times = [time for time, _ in _encoded(assembly, time_base)]
    wanted = sum(record.frames for record in assembly.records)
    if len(times) != wanted:
        raise OSError(errno.EIO, f"its pieces hold {len(times)} frames instead of {wanted}")
    ordered = sorted(times)
    places = {time: place for place, time in enumerate(ordered)}
    delay = max(number - places[time] for number, time in enumerate(times))
    step = min((later - earlier for earlier, later in pairwise(ordered)), default=1)
    durations = {time: duration for record in assembly.records for time, duration in record.durations.items()}
    shift = _begin(assembly)
    for number, (time, packet) in enumerate(_encoded(assembly, time_base)):
        decoded = ordered[number - delay] if number >= delay else ordered[0] - (delay - number) * step
        packet.time_base = time_base
        packet.pts, packet.dts, packet.duration = time - shift, decoded - shift, durations[time]
        if number == len(times) - 1:  # where MP4 takes the end from; other durations come from decoding times
            shown = ordered[-1] + durations[ordered[-1]] - ordered[0]
            packet.duration = shown - (decoded - (ordered[0] - delay * step))
        packet.stream = stream
        yield float((decoded - shift) * time_base), -1, packet


def _encoded(assembly: Assembly, time_base: Fraction) -> Iterator[tuple[int, AnyPacket]]:
    """The packets of all pieces with the presentation times of their frames.

    The file of a piece has a finer time base, and begins at 0 even when decoding begins before the
    first frame; that one is always the first that is decoded.
    """
    for number, record in enumerate(assembly.records):
        shift: int | None = None
        with av.open(str(segment_paths(assembly.folder, number)[0])) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size and packet.pts is not None:
                    time = round(packet.pts * packet.time_base / time_base)
                    shift = min(record.durations) - time if shift is None else shift
                    yield time + shift, packet
