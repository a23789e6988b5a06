"""Owns which codecs videos are written in, how each is set up, and what a video's images have in common."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError

from realtime.errors import OptionError
from realtime.media.colour import PALETTE, ColourTags


@dataclass(frozen=True)
class Encoder:
    """How FFmpeg writes one codec.

    Attributes:
        ffmpeg_name: of the encoder.
        pixel_format: of 8 bits.
        deep_pixel_format: for videos of more bits; the same where the codec is not commonly played in more.
        containers: suffixes of the files that can hold it.
        options: quality and speed; made for images of few tones and hard edges.
        tag: four letters that players of MP4 and MOV want to see.
        even_sides: whether width and height must be even.
        piece_format: FFmpeg's name of a container for unfinished videos, which keeps packets as they come.
        needs: what to see to where it cannot be started.
        alpha_pixel_format: for videos that say how opaque their pixels are; empty where the codec cannot.
        alpha_options: what is set up otherwise for those.
        alpha_in_pieces: whether pieces keep how opaque pixels are.
        full_range: whether the codec can say that values are 0..255.
    """

    ffmpeg_name: str
    pixel_format: str
    deep_pixel_format: str
    containers: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""
    even_sides: bool = True
    piece_format: str = "nut"
    needs: str = ""
    alpha_pixel_format: str = ""
    alpha_options: Mapping[str, str] = field(default_factory=dict)
    alpha_in_pieces: bool = True
    full_range: bool = True


@dataclass(frozen=True)
class VideoFormat:
    """What all images of a video have in common.

    Attributes:
        size_wh: width and height in px at which they are shown.
        time_base: seconds of one unit of time.
        rate: frames per second, nominal.
        tags: of its colours.
        bit_depth: bits of each component.
        alpha: whether pixels say how opaque they are.
    """

    size_wh: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    tags: ColourTags
    bit_depth: int = 8
    alpha: bool = False

    def coded_size_wh(self, encoder: Encoder) -> tuple[int, int]:
        """The size with the row and column that an encoder of even sides needs."""
        width, height = self.size_wh
        return (width + width % 2, height + height % 2) if encoder.even_sides else self.size_wh

    def pixel_format(self, encoder: Encoder) -> str:
        """FFmpeg's name of the format that an encoder is given."""
        if self.keeps_alpha(encoder):
            return encoder.alpha_pixel_format
        return encoder.deep_pixel_format if self.bit_depth > 8 else encoder.pixel_format

    def keeps_alpha(self, encoder: Encoder) -> bool:
        """Whether an encoder is given how opaque pixels are."""
        return self.alpha and bool(encoder.alpha_pixel_format)

    def options(self, encoder: Encoder) -> dict[str, str]:
        """How an encoder is set up."""
        return {**encoder.options, **(encoder.alpha_options if self.keeps_alpha(encoder) else {})}

    def tags_for(self, encoder: Encoder) -> ColourTags:
        """The tags that an encoder can say; values are converted to them."""
        return self.tags if encoder.full_range else replace(self.tags, full_range=False)

    def in_pieces(self, encoder: Encoder) -> bool:
        """Whether a video can be encoded in pieces, which are joined at the end."""
        return bool(encoder.piece_format) and (encoder.alpha_in_pieces or not self.keeps_alpha(encoder))


_COMMON = (".mp4", ".mov", ".mkv")
_NVIDIA = "it needs an NVIDIA GPU with its driver; choose another --codec"
_NVENC = {"preset": "p5", "rc": "vbr", "cq": "21", "b:v": "0"}
ENCODERS: dict[str, Encoder] = {
    "h264": Encoder("libx264", "yuv420p", "yuv420p", _COMMON, {"preset": "superfast", "crf": "17"}),
    "hevc": Encoder(
        "libx265",
        "yuv420p",
        "yuv420p10le",
        _COMMON,
        {"preset": "fast", "crf": "20", "x265-params": "log-level=error"},
        tag="hvc1",
    ),
    "av1": Encoder("libsvtav1", "yuv420p", "yuv420p10le", (*_COMMON, ".webm"), {"preset": "9", "crf": "26"}),
    "vp9": Encoder(
        "libvpx-vp9",
        "yuv420p",
        "yuv420p",
        (".webm", ".mkv", ".mp4"),
        {"crf": "22", "b:v": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
        even_sides=False,
        alpha_pixel_format="yuva420p",
        alpha_options={"auto-alt-ref": "0"},
        alpha_in_pieces=False,
    ),
    "prores": Encoder(
        "prores_ks",
        "yuv422p10le",
        "yuv422p10le",
        (".mov", ".mkv"),
        {"profile": "3"},
        piece_format="mov",
        alpha_pixel_format="yuva444p10le",
        alpha_options={"profile": "4"},
        full_range=False,
    ),
    "ffv1": Encoder(
        "ffv1",
        "yuv444p",
        "yuv444p10le",
        (".mkv",),
        {"level": "3", "slices": "4"},
        even_sides=False,
        alpha_pixel_format="yuva444p",
    ),
    "gif": Encoder("gif", PALETTE, PALETTE, (".gif",), even_sides=False, piece_format="", alpha_pixel_format=PALETTE),
    "h264_nvenc": Encoder("h264_nvenc", "yuv420p", "yuv420p", _COMMON, _NVENC, needs=_NVIDIA),
    "hevc_nvenc": Encoder("hevc_nvenc", "yuv420p", "p010le", _COMMON, _NVENC, tag="hvc1", needs=_NVIDIA),
    "av1_nvenc": Encoder("av1_nvenc", "yuv420p", "p010le", (*_COMMON, ".webm"), _NVENC, needs=_NVIDIA),
}
_USUAL = {".webm": "vp9", ".gif": "gif"}

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".gif")
"""The containers that videos are written in."""


@dataclass(frozen=True)
class PipeFormat:
    """A container that can be written to what cannot be searched.

    Attributes:
        ffmpeg_name: of it.
        options: that make it so.
    """

    ffmpeg_name: str
    options: Mapping[str, str] = field(default_factory=dict)


_IN_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
PIPE_FORMATS = {
    "mp4": PipeFormat("mp4", _IN_FRAGMENTS),
    "mov": PipeFormat("mov", _IN_FRAGMENTS),
    "mkv": PipeFormat("matroska"),
    "webm": PipeFormat("webm"),
    "gif": PipeFormat("gif"),
}
"""What a video on standard output can be, by the suffix of its files."""

GIF_INTERVAL_S = Fraction(1, 50)
"""The shortest that browsers show an image of a GIF for; those that state less are shown for a tenth of a second."""

READABLE_SUFFIXES = (*VIDEO_SUFFIXES, ".m4v", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".wmv", ".flv", ".3gp", ".apng")
"""What is taken for a video in a folder."""


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Takes back the real-time priority that an encoder gives this process while it starts.

    SVT-AV1 does so when root runs it, for all its threads and the caller's: every other program on
    those cores then waits, and whatever this process starts inherits it.
    """
    yield
    if sys.platform != "linux" or os.geteuid() != 0:
        return
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended
            if os.sched_getscheduler(int(thread.name)) != os.SCHED_OTHER:
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


def find_encoder(codec: str | None, suffix: str) -> Encoder:
    """The encoder that was asked for, or the usual one of a container.

    Args:
        codec: a key of `ENCODERS`, or None.
        suffix: of the video that will be written, one of `VIDEO_SUFFIXES`.

    Raises:
        OptionError: the container cannot hold the codec, or this FFmpeg lacks it.
    """
    name = codec or _USUAL.get(suffix, "h264")
    encoder = ENCODERS[name]
    if suffix not in encoder.containers:
        raise OptionError(f"codec {name}: {suffix} cannot hold it; use {', '.join(encoder.containers)}")
    try:
        av.codec.Codec(encoder.ffmpeg_name, "w")
    except (ValueError, FFmpegError) as error:
        allowed = ", ".join(ENCODERS)
        raise OptionError(f"codec {name}: this FFmpeg has no {encoder.ffmpeg_name}; choose of {allowed}") from error
    return encoder
