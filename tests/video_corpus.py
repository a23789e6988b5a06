"""Makes small videos of many kinds, and takes videos apart.

Must not know any test.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from fakes import noise

from realtime.frame import Image
from realtime.media.colour import ColourTags, FromRgb, ToRgb, displayed_size_wh

RATE = 25
_SOUND_RATE = 48000


@dataclass(frozen=True)
class VideoKind:
    """How a video is made.

    Attributes:
        suffix: of its container.
        encoder: FFmpeg's name.
        pixel_format: as encoded.
        options: of the encoder.
        count: images.
        size_wh: as encoded.
        times: in units of the time base; None is one after the other.
        time_base: seconds of a unit.
        rotation: degrees by which players turn it.
        shape: of a stored pixel, width over height.
        sound_s: seconds of sound; 0 is none.
        sound_offset_s: by which the sound begins later.
        tags: of its colours.
    """

    suffix: str = ".mp4"
    encoder: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"preset": "ultrafast", "crf": "6"})
    count: int = 8
    size_wh: tuple[int, int] = (64, 48)
    times: tuple[int, ...] | None = None
    time_base: Fraction = Fraction(1, 12800)
    rotation: int = 0
    shape: Fraction | None = None
    sound_s: float = 0.0
    sound_offset_s: float = 0.0
    tags: ColourTags = field(default_factory=ColourTags)


def images_of(kind: VideoKind) -> list[Image]:
    """What a video of a kind shows, before it is encoded."""
    return [noise(kind.size_wh, seed) for seed in range(kind.count)]


def make_video(path: Path, kind: VideoKind, images: Sequence[Image] | None = None) -> Path:
    """Writes a video; the path's suffix is the kind's."""
    path = path.with_suffix(kind.suffix)
    step = round(1 / (RATE * kind.time_base))
    times = kind.times or tuple(place * step for place in range(kind.count))
    from_rgb = FromRgb(kind.tags, kind.pixel_format, even=False)
    with av.open(str(path), "w") as out:
        out.metadata["title"] = "a video"
        stream = out.add_stream(kind.encoder, rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = kind.size_wh
        stream.pix_fmt, stream.options = kind.pixel_format, dict(kind.options)
        if kind.encoder == "libx265":
            stream.options = {"x265-params": "log-level=none", **kind.options}
        context = stream.codec_context
        context.time_base = kind.time_base
        context.colorspace, context.color_range = kind.tags.matrix, 2 if kind.tags.full_range else 1
        context.color_primaries, context.color_trc = kind.tags.primaries, kind.tags.transfer
        if kind.shape is not None:
            context.sample_aspect_ratio = kind.shape
        if kind.rotation:
            stream.set_display_rotation(kind.rotation)
        sound = (
            out.add_stream("aac" if kind.suffix in (".mp4", ".mov") else "libopus", rate=_SOUND_RATE, layout="mono")
            if kind.sound_s
            else None
        )
        for pixels, time, following in zip(
            images or images_of(kind), times, (*times[1:], times[-1] + step), strict=True
        ):
            image = from_rgb(pixels)
            image.pts, image.time_base, image.duration = time, kind.time_base, following - time
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))
        if sound is not None:
            samples = round(kind.sound_s * _SOUND_RATE)
            wave = np.sin(np.arange(samples) * 0.05).astype(np.float32)[None] * 0.3
            for first in range(0, samples - 960, 960):
                chunk = av.AudioFrame.from_ndarray(wave[:, first : first + 960], format="fltp", layout="mono")
                chunk.rate, chunk.time_base = _SOUND_RATE, Fraction(1, _SOUND_RATE)
                chunk.pts = first + round(kind.sound_offset_s * _SOUND_RATE)
                out.mux(sound.encode(chunk))
            out.mux(sound.encode(None))
    return path


@dataclass(frozen=True)
class TakenApart:
    """What is in a video.

    Attributes:
        times: of its images, in seconds, exact.
        end: when its last image has been shown, in seconds; of MP4 and MOV, which know it, else 0.
        images: uint8 (H, W, 3) RGB, as shown.
        tags: of its colours.
        codec: of its images.
        sounds: (time in s, hash of the content) of the sound's packets.
        bits: of a component.
        metadata: of the file.
    """

    times: list[Fraction]
    end: Fraction
    images: list[Image]
    tags: ColourTags
    codec: str
    sounds: list[tuple[Fraction, str]]
    bits: int
    metadata: dict[str, str]


def take_apart(path: Path) -> TakenApart:
    """Reads a whole video with PyAV alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        tags = ColourTags(
            int(frames[0].colorspace),
            frames[0].color_range == ColorRange.JPEG,
            int(frames[0].color_primaries),
            int(frames[0].color_trc),
        )
        size_wh = frames[0].width, frames[0].height
        shape = float(stream.sample_aspect_ratio or 1)
        to_rgb = ToRgb(tags, displayed_size_wh(size_wh, shape, frames[0].rotation))
        base = stream.time_base or Fraction(1)
        end = (stream.start_time or 0) * base + stream.duration * base if stream.duration else Fraction(0)
        metadata = dict(container.metadata)
        codec = stream.codec_context.name
    sounds = []
    with av.open(str(path)) as container:
        if container.streams.audio:
            for packet in container.demux(container.streams.audio[0]):
                if packet.size and packet.pts is not None:
                    sounds.append((packet.pts * packet.time_base, hashlib.sha256(bytes(packet)).hexdigest()))
    return TakenApart(
        [(frame.pts or 0) * base for frame in frames],
        end,
        [to_rgb(frame) for frame in frames],
        tags,
        codec,
        sounds,
        max(component.bits for component in frames[0].format.components),
        metadata,
    )
