"""Tests of the formats that people bring: animations, numbered images, GIF, transparency, standard input and output.

Must not test what plain videos are like: `test_stylize_video.py` does.
"""

import io
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fakes import IdentityEngine, difference, make_catalogue, noise
from numpy.typing import NDArray
from PIL import Image as Pillow
from video_corpus import VideoKind, images_of, make_video, take_apart

from realtime.errors import SinkError
from realtime.frame import Image
from realtime.look import Look
from realtime.media.codecs import find_encoder
from realtime.media.colour import Alpha, ColourTags
from realtime.media.image_file import StillImage, read_still, write_still
from realtime.media.readers import VideoSource, open_reader
from realtime.media.standard_input import SpooledInput
from realtime.media.still_reader import ImageSequence, numbered_files, sequence_of_folder
from realtime.options import CodecName
from realtime.videos.stylize_video import VideoJob, VideoReport, make_videos

LOOK = Look(make_catalogue("a").styles[0], 1.0, keep_colors=False, smoothing=0.0)
SOFT = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


def stylize(
    source: VideoSource, target: Path | None, codec: CodecName | None = None, **changes: Any
) -> tuple[VideoReport, list[str]]:
    suffix = f".{changes['pipe_format']}" if target is None else target.suffix
    encoder = find_encoder(codec, ".mkv" if suffix == ".png" else suffix)
    job = VideoJob(source, (LOOK,), (target,), encoder, batch_size=1, **changes)
    notes: list[str] = []
    return make_videos(job, IdentityEngine(), notes.append, lambda done, total: None), notes


def frames_of(path: Path) -> list[tuple[Fraction, Image, Alpha | None]]:
    """Times in s, images and how opaque they are, as our reader sees them."""
    reader = open_reader(path)
    frames = [(f.time * reader.info.time_base, f.pixels, f.alpha) for f in reader.frames()]
    reader.close()
    return frames


def write_animation(path: Path, alpha: NDArray[np.uint8] | None = None) -> list[int]:
    """Five images with durations in ms, which are returned."""
    durations = [40, 40, 100, 40, 200]
    images = [noise(seed=seed) if alpha is None else np.dstack([noise(seed=seed), alpha]) for seed in range(5)]
    first, *others = [Pillow.fromarray(image) for image in images]
    first.save(path, save_all=True, append_images=others, duration=durations, lossless=True)
    return durations


@pytest.mark.parametrize("tags", [ColourTags(1, False, 1, 1), ColourTags(9, True, 9, 16), ColourTags(6, False, 6, 6)])
@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_prores_keeps_tags_and_looks_the_same_in_its_range(suffix: str, tags: ColourTags, tmp_path: Path) -> None:
    kind = VideoKind(tags=tags, pixel_format="yuv444p", options={"preset": "ultrafast", "qp": "0"})
    source = make_video(tmp_path / "in", kind)
    _, notes = stylize(source, tmp_path / f"out{suffix}", "prores")
    after = take_apart(tmp_path / f"out{suffix}")
    assert after.tags == ColourTags(tags.matrix, False, tags.primaries, tags.transfer)
    assert bool(notes) == tags.full_range
    for shown, made in zip(after.images, images_of(kind), strict=True):
        assert difference(shown, made) < 5


@pytest.mark.parametrize("suffix", [".webp", ".png", ".avif"])
def test_an_animated_image_is_a_video(suffix: str, tmp_path: Path) -> None:
    durations = write_animation(tmp_path / f"in{suffix}")
    report, _ = stylize(tmp_path / f"in{suffix}", tmp_path / "out.mp4")
    after = take_apart(tmp_path / "out.mp4")
    assert [round(time * 1000) for time in after.times] == [sum(durations[:place]) for place in range(5)]
    assert after.end == Fraction(sum(durations), 1000)
    assert (report.frames, report.lost) == (5, 0)
    for seed, shown in enumerate(after.images):
        assert difference(shown, noise(seed=seed)) < 8


def test_an_animated_png_does_not_show_the_image_for_other_programs(tmp_path: Path) -> None:
    images = [Pillow.fromarray(noise(seed=seed)) for seed in range(3)]
    images[0].save(tmp_path / "in.png", save_all=True, append_images=images[1:], default_image=True, duration=40)
    shown = frames_of(tmp_path / "in.png")
    assert [difference(pixels, noise(seed=seed)) for seed, (_, pixels, _) in enumerate(shown, 1)] == [0, 0]


def test_a_damaged_animation_gives_what_is_whole(tmp_path: Path) -> None:
    write_animation(tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()
    (tmp_path / "in.png").write_bytes(content[: len(content) * 2 // 3])
    report, _ = stylize(tmp_path / "in.png", tmp_path / "out.mp4")
    assert 0 < report.frames < 5
    assert report.frames + report.lost == 5


def _numbered(folder: Path, numbers: list[int]) -> Path:
    folder.mkdir()
    for number in numbers:
        write_still(folder / f"{number:04d}.png", StillImage(noise(seed=number)))
    return folder / "%04d.png"


def test_numbered_images_are_a_video_and_a_missing_number_is_lost(tmp_path: Path) -> None:
    pattern = _numbered(tmp_path / "in", [9, 10, 12, 13])
    sequence = ImageSequence("in", numbered_files(pattern), Fraction(30000, 1001))
    report, _ = stylize(sequence, tmp_path / "out.mp4")
    assert (report.frames, report.lost) == (4, 1)
    after = take_apart(tmp_path / "out.mp4")
    assert after.times == [place * Fraction(1001, 30000) for place in (0, 1, 3, 4)]
    for seed, shown in zip((9, 10, 12, 13), after.images, strict=True):
        assert difference(shown, noise(seed=seed)) < 6


def test_a_folder_of_images_is_a_video_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        write_still(tmp_path / f"shot{number}.png", StillImage(noise(seed=number)))
    (tmp_path / "notes.txt").touch()
    files = sequence_of_folder(tmp_path, Fraction(25)).files
    assert [path.name for path in files.values()] == ["shot1.png", "shot2.png", "shot10.png"]


def test_images_of_other_sizes_are_fitted_and_damaged_ones_are_lost(tmp_path: Path) -> None:
    pattern = _numbered(tmp_path / "in", [1, 2, 3])
    write_still(tmp_path / "in/0002.png", StillImage(noise((128, 48))))
    (tmp_path / "in/0003.png").write_bytes(b"none")
    reader = open_reader(ImageSequence("in", numbered_files(pattern), Fraction(25)))
    frames = list(reader.frames())
    assert [frame.pixels.shape for frame in frames] == [(48, 64, 3)] * 2
    assert not frames[1].pixels[:8].any()
    assert reader.lost == 1


def test_a_video_becomes_numbered_images(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    source = make_video(tmp_path / "in", VideoKind(count=3, sound_s=0.1))
    stylize(source, tmp_path / "out/%03d.png")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["001.png", "002.png", "003.png"]
    for seed, shown in enumerate(take_apart(source).images):
        assert difference(read_still(tmp_path / f"out/{seed + 1:03d}.png").pixels, shown) == 0


def test_a_video_becomes_a_gif(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=6, sound_s=0.2))
    report, notes = stylize(source, tmp_path / "out.gif")
    assert report.frames == 6
    assert notes == ["a GIF holds no sound and no subtitles; they are left out"]
    with Pillow.open(tmp_path / "out.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 6
        durations = []
        for place in range(6):
            gif.seek(place)
            durations.append(gif.info["duration"])
            assert difference(np.array(gif.convert("RGB"), np.uint8), noise(seed=place)) < 10
    assert durations == [40] * 6


def test_a_gif_never_shows_more_images_than_browsers_do(tmp_path: Path) -> None:
    kind = VideoKind(count=12, times=tuple(range(0, 12 * 128, 128)))  # 100 frames a second
    report, notes = stylize(make_video(tmp_path / "in", kind), tmp_path / "out.gif")
    assert report.frames == 12
    assert "50 frames a second at most" in notes[0]
    with Pillow.open(tmp_path / "out.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 6


@pytest.mark.parametrize(
    ("target", "codec"), [("out.webm", None), ("out.mkv", "vp9"), ("out.mov", "prores"), ("out.mkv", "ffv1")]
)
def test_transparency_is_carried_where_the_codec_has_it(target: str, codec: CodecName | None, tmp_path: Path) -> None:
    write_animation(tmp_path / "in.png", SOFT)
    stylize(tmp_path / "in.png", tmp_path / target, codec)
    frames = frames_of(tmp_path / target)
    assert len(frames) == 5
    for seed, (_, pixels, alpha) in enumerate(frames):
        assert alpha is not None
        assert difference(alpha, SOFT) < 2
        assert difference(pixels[:, 32:], noise(seed=seed)[:, 32:]) < 8


def test_transparency_goes_from_video_to_images_and_gif(tmp_path: Path) -> None:
    write_animation(tmp_path / "in.png", SOFT)
    stylize(tmp_path / "in.png", tmp_path / "between.mov", "prores")
    stylize(tmp_path / "between.mov", tmp_path / "%d.png")
    alpha = read_still(tmp_path / "1.png").alpha
    assert alpha is not None
    assert difference(alpha, SOFT) < 2
    stylize(tmp_path / "between.mov", tmp_path / "out.gif")
    (_, _, alpha), *_ = frames_of(tmp_path / "out.gif")
    assert alpha is not None
    assert (alpha[:, 33:] == 255).all()
    assert not alpha[:, :31].any()


def test_transparency_is_put_on_white_where_the_codec_has_none(tmp_path: Path) -> None:
    write_animation(tmp_path / "in.png", SOFT)
    _, notes = stylize(tmp_path / "in.png", tmp_path / "out.mp4")
    assert "put on white" in notes[0]
    assert take_apart(tmp_path / "out.mp4").images[0][:, 0].min() > 240


def test_who_reads_standard_output_may_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class _Gone:
        class buffer:  # noqa: N801
            @staticmethod
            def write(_: bytes) -> None:
                raise BrokenPipeError(32, "Broken pipe")

    source = make_video(tmp_path / "in", VideoKind(sound_s=0.3))
    monkeypatch.setattr(sys, "stdout", _Gone)
    with pytest.raises(SinkError, match="standard output: what reads it ended before all was written"):
        stylize(source, None, pipe_format="mkv")


def test_an_opaque_gif_is_not_called_transparent(tmp_path: Path) -> None:
    stylize(make_video(tmp_path / "in", VideoKind()), tmp_path / "between.gif")
    _, notes = stylize(tmp_path / "between.gif", tmp_path / "out.mp4")
    assert notes == []


class _Slow(io.BytesIO):
    """Gives a video in two halves, the second when somebody has seen frames of the first."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.seen = threading.Event()

    def read1(self, count: int | None = -1, /) -> bytes:
        if self.tell() >= len(self.getvalue()) // 2 and not self.seen.wait(5):
            self.close()  # which ends the reading, and fails the test
        return super().read1(min(count or 512, 512))


def test_a_video_on_standard_input_is_read_before_it_has_ended(tmp_path: Path) -> None:
    kind = VideoKind(".mkv", "ffv1", options={}, count=100, time_base=Fraction(1, 1000))
    stream = _Slow(make_video(tmp_path / "in", kind).read_bytes())
    spooled = SpooledInput(stream)  # type: ignore[arg-type]
    frames = open_reader(spooled).frames()
    next(frames)
    stream.seen.set()
    assert sum(1 for _ in frames) == 99
    spooled.close()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_standard_input_becomes_a_file_with_its_sound(suffix: str, tmp_path: Path) -> None:
    base = Fraction(1, 1000) if suffix == ".mkv" else Fraction(1, 12800)
    source = make_video(tmp_path / "in", VideoKind(suffix, sound_s=0.3, time_base=base))
    with source.open("rb") as stream:
        spooled = SpooledInput(stream)
        stylize(spooled, tmp_path / f"out{suffix}")
        spooled.close()
    before, after = take_apart(source), take_apart(tmp_path / f"out{suffix}")
    assert (after.times, after.sounds) == (before.times, before.sounds)


@pytest.mark.parametrize("pipe_format", ["mkv", "mp4", "mov", "webm"])
def test_standard_output_is_the_video_with_its_sound(
    pipe_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_video(tmp_path / "in", VideoKind(sound_s=0.3, times=tuple(range(0, 8 * 1280, 1280))))

    class _Out:
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdout", _Out)
    report, _ = stylize(source, None, pipe_format=pipe_format)
    monkeypatch.undo()
    assert report.frames == 8
    (tmp_path / f"out.{pipe_format}").write_bytes(_Out.buffer.getvalue())
    before, after = take_apart(source), take_apart(tmp_path / f"out.{pipe_format}")
    assert after.times == before.times
    assert after.sounds
    if pipe_format != "webm":
        expected = [(round(time * 1000), content) for time, content in before.sounds if time >= 0]
        assert [(round(time * 1000), content) for time, content in after.sounds] == expected
    with av.open(str(tmp_path / f"out.{pipe_format}")) as container:
        assert len(container.streams) == 2
