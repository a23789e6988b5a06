"""Makes videos of many kinds in one folder, for runs on a cluster.

Must not know any test.
"""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from fakes import noise
from video_corpus import VideoKind, make_video

_X264 = {"preset": "veryfast", "crf": "20"}
KINDS = (
    VideoKind(options={**_X264, "g": "25"}, count=150, sound_s=6.0),
    VideoKind(options={**_X264, "g": "25", "bf": "3"}, count=100, sound_s=4.0, sound_offset_s=0.2),
    VideoKind(options={**_X264, "x264-params": "open-gop=1:keyint=25:bframes=3"}, count=120),
    VideoKind(".ts", options={**_X264, "g": "25", "bf": "2"}, count=110, sound_s=4.4),
    VideoKind(".mkv", options={**_X264, "g": "25"}, count=75, time_base=Fraction(1, 1000), sound_s=3.0),
    VideoKind(options={**_X264, "g": "9999", "sc_threshold": "0"}, count=60),
    VideoKind(".webm", "libvpx-vp9", options={"g": "25", "deadline": "realtime", "cpu-used": "8"}, count=80,
              time_base=Fraction(1, 1000)),
    VideoKind(options={**_X264, "g": "25"}, count=70, times=tuple(n * 512 + n * 37 % 400 for n in range(70))),
)  # fmt: skip


def make_inputs(folder: Path, count: int, clips: Path | None = None, longer: int = 1) -> None:
    """Writes so many small videos of many kinds, of which those of another folder are some; others may be longer."""
    folder.mkdir(parents=True)
    given = sorted(clips.glob("*.mp4")) if clips is not None else []
    for number, clip in enumerate(given[:count]):
        (folder / f"{number:02d}.mkv").write_bytes(clip.read_bytes())
    for number in range(len(given), count):
        kind = _longer(KINDS[number % len(KINDS)], longer)
        scene = noise((160 + kind.count, 120), number)
        images = [np.ascontiguousarray(scene[:, place : place + 160]) for place in range(kind.count)]
        # Results keep the names of inputs, and Matroska alone holds FFV1, which loses nothing; FFmpeg reads contents.
        make_video(folder / f"{number:02d}", kind, images).rename(folder / f"{number:02d}.mkv")


def _longer(kind: VideoKind, factor: int) -> VideoKind:
    count = kind.count * factor
    times = None if kind.times is None else tuple(n * 512 + n * 37 % 400 for n in range(count))
    return replace(kind, size_wh=(160, 120), count=count, sound_s=kind.sound_s * factor, times=times)
