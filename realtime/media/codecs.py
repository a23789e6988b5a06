"""Owns which codecs videos are written in, and how each is set up.

Must not know images, threads or where videos come from.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.error import FFmpegError

from realtime.errors import OptionError
from realtime.options import CodecName


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


_COMMON = (".mp4", ".mov", ".mkv")
_NVIDIA = "it needs an NVIDIA GPU with its driver; choose another --codec"
_NVENC = {"preset": "p5", "rc": "vbr", "cq": "21", "b:v": "0"}
ENCODERS: dict[CodecName, Encoder] = {
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
    ),
    "prores": Encoder(
        "prores_ks", "yuv422p10le", "yuv422p10le", (".mov", ".mkv"), {"profile": "3"}, piece_format="mov"
    ),
    "ffv1": Encoder("ffv1", "yuv444p", "yuv444p10le", (".mkv",), {"level": "3", "slices": "4"}, even_sides=False),
    "h264_nvenc": Encoder("h264_nvenc", "yuv420p", "yuv420p", _COMMON, _NVENC, needs=_NVIDIA),
    "hevc_nvenc": Encoder("hevc_nvenc", "yuv420p", "p010le", _COMMON, _NVENC, tag="hvc1", needs=_NVIDIA),
    "av1_nvenc": Encoder("av1_nvenc", "yuv420p", "p010le", (*_COMMON, ".webm"), _NVENC, needs=_NVIDIA),
}
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
"""The containers that videos are written in."""


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


def find_encoder(codec: CodecName | None, suffix: str) -> Encoder:
    """The encoder that was asked for, or the usual one of a container.

    Args:
        codec: a key of `ENCODERS`, or None.
        suffix: of the video that will be written, one of `VIDEO_SUFFIXES`.

    Raises:
        OptionError: the container cannot hold the codec, or this FFmpeg lacks it.
    """
    name: CodecName = codec or ("vp9" if suffix == ".webm" else "h264")
    encoder = ENCODERS[name]
    if suffix not in encoder.containers:
        raise OptionError(f"codec {name}: {suffix} cannot hold it; use {', '.join(encoder.containers)}")
    try:
        av.codec.Codec(encoder.ffmpeg_name, "w")
    except (ValueError, FFmpegError) as error:
        allowed = ", ".join(ENCODERS)
        raise OptionError(f"codec {name}: this FFmpeg has no {encoder.ffmpeg_name}; choose of {allowed}") from error
    return encoder
