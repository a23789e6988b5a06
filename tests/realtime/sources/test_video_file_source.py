"""Tests of reading files: times, turning, colours, damage; every clip is made here.

Must not need the sample clip or a network.
"""

import gc
import re
import struct
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from fakes import BLUE, GREEN, RED, UNTAGGED, ClipFormat, difference, noise, solid, write_clip
from video_corpus import VideoKind, make_video

from realtime.errors import SourceError
from realtime.frame import Frame, Image
from realtime.sources.video_file import VideoFileSource

HANGS_AFTER_S = 10.0


def _read_all(path: Path, size_wh: tuple[int, int] | None = None) -> list[Frame]:
    source = VideoFileSource(path, path.name, size_wh, paced=False)
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def _numbered(count: int) -> list[Image]:
    return [solid((20 * i, 20 * i, 20 * i)) for i in range(count)]


def test_every_frame_comes_once_and_in_order(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", _numbered(12), ClipFormat(rate_fps=10))
    frames = _read_all(path)
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.media_time_s for frame in frames] == pytest.approx([i / 10 for i in range(12)], abs=1e-3)
    assert [round(float(frame.pixels.mean()) / 20) for frame in frames] == list(range(12))
    assert all(frame.pixels.flags.c_contiguous for frame in frames)


def test_info_says_name_size_and_rate(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", _numbered(5), ClipFormat(rate_fps=12))
    source = VideoFileSource(path, "my clip", paced=False)
    source.close()
    info = source.info
    assert (info.name, info.size_wh, info.can_pause) == ("my clip", (64, 48), True)
    assert info.rate_fps == pytest.approx(12)


def test_varying_times_are_kept_and_count_from_the_first_image(tmp_path: Path) -> None:
    times_s = (2.0, 2.04, 2.5, 2.51, 4.0)
    path = write_clip(tmp_path / "vfr.mkv", _numbered(5), ClipFormat(times_s=times_s))
    got_s = [frame.media_time_s for frame in _read_all(path)]
    assert got_s == pytest.approx([time_s - 2.0 for time_s in times_s], abs=2e-3)


def test_playing_again_and_again_goes_on_in_time(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", _numbered(4), ClipFormat(rate_fps=10))
    source = VideoFileSource(path, "clip", paced=False, loop=True)
    frames = [source.read() for _ in range(11)]
    source.close()
    got = [frame for frame in frames if frame is not None]
    assert [frame.index for frame in got] == list(range(11))
    assert [frame.media_time_s for frame in got] == pytest.approx([i / 10 for i in range(11)], abs=1e-3)
    assert [round(float(frame.pixels.mean()) / 20) for frame in got] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]


def test_a_paced_clip_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_s: list[float] = []

    def wait_until_due(_: object, due_s: float) -> bool:
        asked_s.append(due_s)
        return True

    monkeypatch.setattr("realtime.sources.clock.Pacer.wait_until_due", wait_until_due)
    path = write_clip(tmp_path / "clip.mp4", _numbered(3), ClipFormat(rate_fps=10))
    source = VideoFileSource(path, "clip", paced=True)
    while source.read() is not None:
        pass
    assert asked_s == pytest.approx([0.0, 0.1, 0.2], abs=1e-3)


def test_closing_wakes_a_reader_that_waits(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "slow.mkv", _numbered(2), ClipFormat(times_s=(0.0, 60.0)))
    source = VideoFileSource(path, "slow", paced=True)
    assert source.read() is not None
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.append(source.read()))
    reader.start()
    reader.join(0.1)
    assert reader.is_alive()
    source.close()
    reader.join(HANGS_AFTER_S)
    assert got == [None]
    assert source.read() is None


@pytest.mark.parametrize(
    ("inside_wh", "expected"), [((32, 32), (32, 24)), ((128, 96), (128, 96)), ((1, 1), (1, 1)), (None, (64, 48))]
)
def test_frames_are_fitted_into_the_size(
    tmp_path: Path, inside_wh: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    path = write_clip(tmp_path / "clip.mp4", _numbered(2))
    assert [frame.size_wh for frame in _read_all(path, inside_wh)] == [expected] * 2
    source = VideoFileSource(path, "clip", inside_wh, paced=False)
    source.close()
    assert source.info.size_wh == expected


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
def test_pure_colours_stay_pure(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = write_clip(tmp_path / "colour.mp4", [solid(colour)] * 2)
    for frame in _read_all(path):
        assert difference(frame.pixels, solid(colour)) < 3


@pytest.mark.parametrize("matrix", [Colorspace.ITU601, Colorspace.ITU709])
@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
def test_matrix_and_range_of_the_file_are_used(tmp_path: Path, matrix: Colorspace, color_range: ColorRange) -> None:
    image = solid((235, 235, 235), (64, 48))
    image[:24, :32], image[24:, :32], image[24:, 32:] = (200, 40, 40), (40, 200, 40), (40, 40, 200)
    path = write_clip(tmp_path / "tagged.mp4", [image] * 2, ClipFormat(matrix=matrix, color_range=color_range))
    assert difference(_read_all(path)[0].pixels, image) < 3
    other = Colorspace.ITU601 if matrix is Colorspace.ITU709 else Colorspace.ITU709
    path = write_clip(path, [image] * 2, ClipFormat(matrix=matrix, color_range=color_range, tag=other))
    assert difference(_read_all(path)[0].pixels, image) > 5


def test_full_range_is_not_stretched_again(tmp_path: Path) -> None:
    image = solid((235, 235, 235))
    full = write_clip(tmp_path / "full.mp4", [image] * 2, ClipFormat(color_range=ColorRange.JPEG))
    limited = write_clip(tmp_path / "limited.mp4", [image] * 2, ClipFormat(color_range=ColorRange.MPEG))
    for path in (full, limited):
        assert difference(_read_all(path)[0].pixels, image) < 3


@pytest.mark.parametrize(
    ("size_wh", "matrix"),
    [((64, 48), Colorspace.ITU601), ((64, 718), Colorspace.ITU601), ((64, 720), Colorspace.ITU709)],
)
def test_without_a_tag_the_height_decides(tmp_path: Path, size_wh: tuple[int, int], matrix: Colorspace) -> None:
    image = solid((200, 40, 40), size_wh)
    path = write_clip(tmp_path / "untagged.mp4", [image] * 2, ClipFormat(matrix=matrix, tag=UNTAGGED))
    assert difference(_read_all(path)[0].pixels, image) < 3


def _turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Changes the display matrix (a b c d in 16.16) in the track header of an MP4, as phones write it."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 0x10000 for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("matrix", "quarters_counterclockwise"),
    [((0, 1, -1, 0), 3), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1), ((1, 0, 0, 1), 0)],
    ids=["clockwise", "upside down", "counterclockwise", "upright"],
)
def test_a_clip_videoed_sideways_is_turned_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], quarters_counterclockwise: int
) -> None:
    image = solid((30, 30, 30), (64, 48))
    image[:16, :16] = 220
    path = write_clip(tmp_path / "phone.mp4", [image] * 2)
    _turn(path, matrix)
    expected = np.rot90(image, quarters_counterclockwise)
    frame = _read_all(path)[0]
    assert frame.pixels.shape == expected.shape
    assert difference(frame.pixels, np.ascontiguousarray(expected)) < 3
    assert frame.pixels.flags.c_contiguous


def _write_audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts, silence.time_base = 44100, 0, Fraction(1, 44100)
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))


def _cut(path: Path) -> None:
    content = write_clip(path, [noise(seed=i) for i in range(10)]).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _spoil(path: Path) -> None:
    content = bytearray(write_clip(path, [noise(seed=i) for i in range(3)]).read_bytes())
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4 if content.index(b"moov") > start else len(content)
    content[start:end] = b"\xff" * (end - start)
    path.write_bytes(bytes(content))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, r"source \S+: no such file; give a video file, a camera number, sample or pattern"),
    "empty": (Path.touch, r"video \S+: cannot be read \(.+\); it is damaged or is not a video"),
    "text": (lambda path: path.write_text("this is a diary"), r"video \S+: cannot be read \(.+\); it is damaged"),
    "cut": (_cut, r"video \S+: cannot be read \(.+\); it is damaged"),
    "spoilt": (_spoil, r"video \S+: holds no image that can be decoded; it is damaged"),
    "audio": (_write_audio, r"video \S+: holds no video track; give a video or an image"),
    "folder": (Path.mkdir, r"source \S+: is a folder, not a video file"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_decoded_is_told_in_one_line(
    tmp_path: Path, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{what}.mp4"
    make, reason = BROKEN[what]
    make(path)
    with pytest.raises(SourceError) as refused:
        VideoFileSource(path, path.name)
    message = str(refused.value)
    assert re.match(reason, message)
    assert str(path) in message
    assert "\n" not in message
    assert capfd.readouterr().err == ""


def test_damage_in_the_middle_does_not_end_a_clip(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "g": "5", "crf": "10"}
    path = make_video(tmp_path / "clip", VideoKind(options=options, count=60, size_wh=(160, 112)))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8000] = b"\xff" * 8000
    path.write_bytes(bytes(content))
    times_s = [frame.media_time_s for frame in _read_all(path)]
    assert times_s == sorted(set(times_s))
    assert times_s[-1] > 2.2
    assert 30 < len(times_s) < 60


def test_a_still_image_plays_as_one_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "one.mp4", [solid(RED)])
    assert [frame.media_time_s for frame in _read_all(path)] == [0.0]


def test_closing_lets_go_of_the_file(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("only Linux lists open files")
    path = write_clip(tmp_path / "clip.mp4", _numbered(3))
    gc.disable()
    try:
        source = VideoFileSource(path, "clip", paced=False)
        source.read()
        source.close()
        del source
        still_open = [link for link in descriptors.iterdir() if link.is_symlink() and link.readlink() == path]
    finally:
        gc.enable()
    assert still_open == []


def test_closing_while_another_thread_reads_ends_the_reading_quietly(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, [np.full((48, 64, 3), shade, np.uint8) for shade in range(0, 240, 8)])
    raised: list[BaseException] = []

    def read_to_the_end(source: VideoFileSource) -> None:
        try:
            while source.read() is not None:
                pass
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    for _ in range(60):
        source = VideoFileSource(path, "clip", paced=False, loop=True)
        reader = threading.Thread(target=read_to_the_end, args=(source,))
        reader.start()
        source.close()
        reader.join(10)
        assert not reader.is_alive()
        assert source.read() is None
    assert raised == []


def test_what_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "a.mp4", [solid(RED)])
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SourceError, match=r"a\.mp4: may not be read; change its permissions"):
        VideoFileSource(clip, "a.mp4")
