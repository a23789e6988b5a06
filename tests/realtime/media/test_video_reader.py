"""Tests of reading videos: what a file says of itself is checked before it is believed.

Must not stylize or write anything.
"""

import struct
from fractions import Fraction
from pathlib import Path

import pytest
from video_corpus import RATE, VideoKind, make_video

from realtime.errors import SourceError
from realtime.media.video_frame import Cut
from realtime.media.video_reader import VideoReader


@pytest.mark.parametrize("side", [100_000, 20_000])
def test_a_header_that_claims_an_absurd_size_is_refused(side: int, tmp_path: Path) -> None:
    kind = VideoKind(".avi", "ffv1", options={}, time_base=Fraction(1, RATE), times=tuple(range(8)))
    video = make_video(tmp_path / "in", kind)
    content = bytearray(video.read_bytes())
    sizes = content.index(b"strf") + 12  # chunk name and size, then BITMAPINFOHEADER: its size, width, height
    assert struct.unpack_from("<ii", content, sizes) == (64, 48)
    struct.pack_into("<ii", content, sizes, side, side)
    video.write_bytes(content)
    with pytest.raises(SourceError, match="states a size that is none or too large"):
        VideoReader(video)


def test_what_a_video_is(tmp_path: Path) -> None:
    reader = VideoReader(make_video(tmp_path / "in", VideoKind()))
    assert (reader.info.size_wh, reader.info.frames, reader.info.bit_depth) == ((64, 48), 8, 8)
    assert reader.info.rate == RATE
    frames = list(reader.frames())
    assert [frame.pixels.shape for frame in frames] == [(48, 64, 3)] * 8
    assert (reader.lost, reader.damaged) == (0, 0)
    reader.close()


def test_some_can_be_left_out_at_the_beginning(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in", VideoKind(count=20))
    times = [frame.time for frame in VideoReader(video).frames()]
    assert [frame.time for frame in VideoReader(video).frames(skip=5)] == times[5:]
    assert [frame.time for frame in VideoReader(video).frames(Cut(0.2, 0.6), skip=2)] == times[7:15]


def test_larger_videos_are_shrunk(tmp_path: Path) -> None:
    reader = VideoReader(make_video(tmp_path / "in", VideoKind(count=1)), max_side_px=32)
    (frame,) = reader.frames()
    assert frame.pixels.shape == (24, 32, 3)
