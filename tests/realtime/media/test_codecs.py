"""Tests of codecs: what goes into which file, and what is said where one is missing.

Must not encode a video.
"""

import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from fakes import noise

from realtime.errors import OptionError, SinkError
from realtime.media.codecs import ENCODERS, VIDEO_SUFFIXES, VideoFormat, find_encoder
from realtime.media.colour import ColourTags
from realtime.videos.segments import SegmentWriter

FORMAT = VideoFormat((64, 48), Fraction(1, 25), Fraction(25), ColourTags())


@pytest.mark.parametrize(("suffix", "expected"), [(".mp4", "h264"), (".mkv", "h264"), (".webm", "vp9")])
def test_each_container_has_a_usual_codec(suffix: str, expected: str) -> None:
    assert find_encoder(None, suffix) is ENCODERS[expected]


def test_every_container_takes_its_usual_codec() -> None:
    assert all(suffix in find_encoder(None, suffix).containers for suffix in VIDEO_SUFFIXES)


def test_a_container_that_cannot_hold_the_codec_is_refused_with_those_that_can() -> None:
    with pytest.raises(OptionError, match=r"codec prores: \.mp4 cannot hold it; use \.mov, \.mkv"):
        find_encoder("prores", ".mp4")


def test_a_codec_that_ffmpeg_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, mode: str) -> None:
        raise ValueError(name)

    monkeypatch.setattr(av.codec, "Codec", fail)
    with pytest.raises(OptionError, match="this FFmpeg has no libx265; choose of h264"):
        find_encoder("hevc", ".mp4")


def test_an_encoder_that_cannot_start_says_what_it_needs(tmp_path: Path) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("an NVIDIA GPU is there")
    with pytest.raises(SinkError, match=r"h264_nvenc: cannot be started for 64x48 .*NVIDIA GPU"):
        SegmentWriter(tmp_path, 0, ENCODERS["h264_nvenc"], FORMAT)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets an encoder take real-time priority")
def test_no_encoder_takes_the_machine_for_itself(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, 0, ENCODERS["av1"], FORMAT)
    writer.write(noise((64, 48)), 0, 1)
    policies = {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()}
    writer.finish()
    assert policies == {os.SCHED_OTHER}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
