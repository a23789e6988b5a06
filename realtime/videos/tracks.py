"""Owns the other tracks of a video: sound, subtitles, covers, fonts; copied wherever possible."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import BytesIO
from typing import Any, TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from realtime.media.timeline import Timeline
from realtime.media.video_container import is_cover, shown_stream

_FROM_ZERO = (".mkv", ".webm")
"""Containers without negative times: a sound that begins before 0 would move all other tracks."""

_PADDING_STATED = ("matroska", "mov")
"""Containers that state how much of Opus a decoder needs to begin; Matroska's can then begin before 0."""

Note = Callable[[str], None]
AnyPacket: TypeAlias = "Packet[Any]"
Timed: TypeAlias = tuple[float, int, AnyPacket]
"""Time in s, track (-1 is the video), packet; in the order in which a file should hold them."""

_Route = Callable[[AnyPacket], Iterator[AnyPacket]]
_AUDIO_CODECS = {".mp4": "aac", ".mov": "aac", ".mkv": "libopus", ".webm": "libopus"}
_OPUS_RATE = 48000
_CHAPTER_DATA = "bin_data"
_TEXT_CODECS = {".mp4": "mov_text", ".mov": "mov_text", ".mkv": "subrip", ".webm": "webvtt"}


@dataclass(frozen=True)
class Window:
    """The part of a source that is wanted; its beginning becomes time 0.

    Attributes:
        begin_s: on the source's clock; 0 or less is from the first packet on.
        end_s: the moment after; None is to the last packet.
    """

    begin_s: Fraction = Fraction(0)
    end_s: Fraction | None = None

    def holds(self, packet: AnyPacket) -> bool:
        """Whether a packet begins in it."""
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            return self == Window()
        time_s = time * packet.time_base
        return (self.begin_s <= 0 or time_s >= self.begin_s) and (self.end_s is None or time_s < self.end_s)

    def move(self, packet: AnyPacket) -> None:
        """Changes a packet's times so that the part begins at 0."""
        shift = round(self.begin_s / packet.time_base)
        packet.dts = None if packet.dts is None else packet.dts - shift
        packet.pts = None if packet.pts is None else packet.pts - shift

    def shorten(self, packet: AnyPacket) -> None:
        """Ends a packet of the source with the part: a subtitle would make the file longer."""
        if self.end_s is not None and packet.pts is not None and packet.duration:
            packet.duration = min(packet.duration, max(1, round(self.end_s / packet.time_base) - packet.pts))


class Tracks:
    """Adds the other tracks of a source to a container that is written, and gives their packets.

    What the container cannot hold is encoded anew (sound), converted (subtitles of text) or left
    out, and noted.

    Args:
        out: where they are added; its video is there already.
        source: where they are.
        suffix: of the file that is written.
        note: takes lines for people: what could not be copied as it is.
        window: the part that is wanted.
    """

    def __init__(self, out: OutputContainer, source: InputContainer, suffix: str, note: Note, window: Window) -> None:
        self._out, self._source, self._suffix, self._note, self._window = out, source, suffix, note, window
        self._routes: dict[int, _Route] = {}
        self._next_dts: dict[int, int] = {}
        shown = shown_stream(source)
        for stream in source.streams:
            if shown is None or stream.index != shown.index:
                self._add(stream)

    def packets(self) -> Iterator[Timed]:
        """The packets of all tracks that are kept, in the order of the source."""
        packets = self._source.demux() if self._routes else iter(())
        timeline, latest_s = Timeline(), -math.inf
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (FFmpegError, OSError) as error:
                self._note(f"sound and subtitles end where the file is damaged ({error.strerror})")
                return
            timeline.move(packet)
            route = self._routes.get(packet.stream.index)  # the last, empty packets have no index of their own
            if route is None or (packet.size and not self._window.holds(packet)):
                continue
            for ready in route(packet):
                time = ready.dts if ready.dts is not None else ready.pts
                latest_s = latest_s if time is None else max(latest_s, float(time * ready.time_base))
                yield latest_s, packet.stream.index, ready

    def _add(self, stream: Stream) -> None:
        if stream.type == "data" and stream.name == _CHAPTER_DATA and self._source.chapters():
            return  # the names of the chapters, which are kept as such
        what = f"track {stream.index} ({stream.type}"
        codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else "unknown"
        if stream.type in ("audio", "subtitle", "video", "attachment") and self._copy(stream):
            return
        if stream.type == "video":
            self._note(f"{what}, {codec}): only the track that players show is stylized; left out")
        elif isinstance(stream, AudioStream) and codec != "unknown":
            name = _AUDIO_CODECS[self._suffix]
            self._note(f"{what}, {codec}): {self._suffix} cannot hold it; encoded anew as {name}")
            self._routes[stream.index] = _audio_encoder(self._out, stream, name, self._window)
        elif isinstance(stream, SubtitleStream) and _is_text(stream):
            name = _TEXT_CODECS[self._suffix]
            self._note(f"{what}, {codec}): {self._suffix} cannot hold it; its text is kept as {name}")
            self._routes[stream.index] = _text_encoder(self._out, stream, name, self._window)
        else:
            self._note(f"{what}, {codec}): {self._suffix} cannot hold it, nor what it could become; left out")

    def _copy(self, stream: Stream) -> bool:
        """Adds the same track; False when the container cannot hold it."""
        if stream.type == "video" and not is_cover(stream):
            return False
        try:  # some containers refuse only when writing begins
            with av.open(BytesIO(), "w", format=self._out.format.name) as trial:
                trial.add_stream_from_template(stream)
                trial.start_encoding()
            copy = self._out.add_stream_from_template(stream)
        except (ValueError, FFmpegError):
            return False
        _describe(copy, stream)
        self._routes[stream.index] = partial(self._copied, copy)
        return True

    def _copied(self, copy: Stream, packet: AnyPacket) -> Iterator[AnyPacket]:
        if not packet.size:
            return
        if copy.type == "subtitle":
            self._window.shorten(packet)
        self._window.move(packet)
        if copy.type == "audio" and self._suffix in _FROM_ZERO and not self._states_padding(copy):
            if packet.pts is not None and packet.pts + (packet.duration or 0) <= 0:
                return  # what the decoder needs to begin, and nobody hears
            packet.pts = None if packet.pts is None else max(0, packet.pts)
            packet.dts = None if packet.dts is None else max(0, packet.dts)
        if packet.dts is not None:  # where the clock started again, sound may begin a moment before its time
            earliest = self._next_dts.get(copy.index, packet.dts)
            late = max(0, earliest - packet.dts)
            packet.dts += late
            packet.pts = None if packet.pts is None else packet.pts + late
            self._next_dts[copy.index] = packet.dts + 1
        packet.stream = copy
        yield packet

    def _states_padding(self, copy: Stream) -> bool:
        is_opus = copy.codec_context is not None and copy.codec_context.codec.canonical_name == "opus"
        return is_opus and self._source.format.name.startswith(_PADDING_STATED)


def _text_encoder(out: OutputContainer, stream: SubtitleStream, codec: str, window: Window) -> _Route:
    """Adds subtitles of another kind; the route turns packets into theirs, with their times."""
    encoded = out.add_stream(codec)
    assert isinstance(encoded, SubtitleStream)
    _describe(encoded, stream)
    encoded.codec_context.subtitle_header = stream.codec_context.subtitle_header
    encoded.codec_context.open()

    def encode(packet: AnyPacket) -> Iterator[AnyPacket]:
        if not packet.size:
            return
        try:
            subtitles = stream.codec_context.decode2(packet)
        except (FFmpegError, OSError):
            return
        if subtitles is None:  # a pause
            return
        ready: AnyPacket = encoded.codec_context.encode_subtitle(subtitles)
        ready.pts, ready.dts, ready.duration = packet.pts, packet.pts, packet.duration
        ready.time_base, ready.stream = packet.time_base, encoded
        window.shorten(ready)
        window.move(ready)
        yield ready

    return encode


def _audio_encoder(out: OutputContainer, stream: AudioStream, codec: str, window: Window) -> _Route:
    """Adds sound of another codec; the route decodes packets and encodes them anew, with their times."""
    rate = _OPUS_RATE if codec == "libopus" else stream.codec_context.sample_rate
    encoded = out.add_stream(codec, rate=rate, layout=stream.codec_context.layout)
    assert isinstance(encoded, AudioStream)
    _describe(encoded, stream)
    resampler = av.AudioResampler(encoded.codec_context.format, encoded.layout, rate)

    def encode(packet: AnyPacket) -> Iterator[AnyPacket]:
        try:
            sounds = stream.decode(packet)
        except (FFmpegError, OSError):
            return
        if not packet.size:
            yield from encoded.encode(None)
            return
        for sound in sounds:
            for resampled in resampler.resample(sound):
                if resampled.pts is not None and resampled.time_base is not None:
                    resampled.pts -= round(window.begin_s / resampled.time_base)
                yield from encoded.encode(resampled)

    return encode


def _is_text(stream: SubtitleStream) -> bool:
    """Whether subtitles are text, and not images of it; text decodes with a header of its looks."""
    try:
        stream.codec_context.open()
    except (FFmpegError, ValueError):
        return False
    return bool(stream.codec_context.subtitle_header)


def _describe(copy: Stream, stream: Stream) -> None:
    """Takes over language, title and what the track is for."""
    copy.metadata.update(stream.metadata)
    copy.disposition = stream.disposition
