import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FailingEngine, IdentityEngine, InvertingEngine, UnevenEngine, difference, make_catalogue
from video_corpus import VideoKind, images_of, make_video, take_apart

from realtime.engines.protocol import Engine
from realtime.errors import EngineError, EngineTimeoutError, SinkError, SourceError
from realtime.frame import Image
from realtime.look import Look
from realtime.media.codecs import find_encoder
from realtime.media.colour import ColourTags
from realtime.media.video_frame import Cut
from realtime.options import CodecName
from realtime.style import Style
from realtime.videos.segments import SegmentRecord, SegmentWriter
from realtime.videos.stylize_video import VideoJob, VideoReport, make_videos

STYLE = make_catalogue("a").styles[0]
LOOK = Look(STYLE, 1.0, keep_colors=False, smoothing=0.0)
SLOW = {"preset": "veryfast", "crf": "6", "bf": "3"}
VFR = (0, 512, 2000, 2100, 5000, 5512, 9000, 9001)

KINDS = {
    "h264": VideoKind(),
    "h264 with B-frames": VideoKind(options=SLOW, count=20),
    "hevc": VideoKind(encoder="libx265", options={"preset": "ultrafast"}),
    "hevc of 10 bits": VideoKind(encoder="libx265", options={"preset": "ultrafast"}, pixel_format="yuv420p10le"),
    "av1": VideoKind(encoder="libsvtav1", options={"preset": "12"}, size_wh=(64, 64)),
    "av1 of 10 bits": VideoKind(
        encoder="libsvtav1", options={"preset": "12"}, size_wh=(64, 64), pixel_format="yuv420p10le"
    ),
    "vp9": VideoKind(".webm", "libvpx-vp9", options={"deadline": "realtime"}, time_base=Fraction(1, 1000)),
    "variable rate": VideoKind(times=VFR),
    "variable rate with B-frames": VideoKind(times=VFR, options=SLOW),
    "variable rate in Matroska": VideoKind(
        ".mkv", times=(0, 40, 45, 300, 301, 700, 1000, 2000), time_base=Fraction(1, 1000)
    ),
    "begins late": VideoKind(times=tuple(range(6400, 6400 + 8 * 512, 512))),
    "odd size": VideoKind(".mkv", "ffv1", options={}, size_wh=(63, 47), time_base=Fraction(1, 1000)),
    "one image": VideoKind(count=1),
    "sound": VideoKind(sound_s=0.5),
    "sound that begins later": VideoKind(sound_s=0.5, sound_offset_s=0.1),
    "sound in Matroska": VideoKind(".mkv", sound_s=0.5, time_base=Fraction(1, 1000)),
}


def make_job(source: Path, target: Path, codec: CodecName | None = None, **changes: Any) -> VideoJob:
    return replace(VideoJob(source, (LOOK,), (target,), find_encoder(codec, target.suffix), batch_size=1), **changes)


def run(job: VideoJob, engine: Engine | None = None) -> tuple[VideoReport, list[str]]:
    notes: list[str] = []
    return make_videos(job, engine or IdentityEngine(), notes.append, lambda done, total: None), notes


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_images_times_durations_and_sound_are_those_of_the_source(kind: VideoKind, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", kind)
    report, _ = run(make_job(source, tmp_path / f"out{kind.suffix}"))
    before, after = take_apart(source), take_apart(tmp_path / f"out{kind.suffix}")
    assert after.times == before.times
    if before.end > before.times[-1]:
        assert after.end == before.end
    assert after.sounds == before.sounds
    assert bool(after.sounds) == bool(kind.sound_s)
    assert report.stats.frames_out == kind.count
    assert (report.lost, report.damaged) == (0, 0)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_in_another_container_images_times_and_sound_are_the_same(kind: VideoKind, suffix: str, tmp_path: Path) -> None:
    source, target = make_video(tmp_path / "in", kind), tmp_path / f"out{suffix}"
    report, _ = run(make_job(source, target))
    before, after = take_apart(source), take_apart(target)
    exact = suffix == ".mov"
    assert after.times == [time if exact else Fraction(round(time * 1000), 1000) for time in before.times]
    assert (report.frames, report.lost, report.damaged) == (kind.count, 0, 0)
    if exact and kind.suffix == ".mkv" and kind.sound_s:
        assert len(after.sounds) > 10, "Opus, which MOV does not hold, was encoded anew"
        return
    ours = {content: time for time, content in after.sounds}
    heard = [(time, content) for time, content in before.sounds if exact or kind.suffix == ".mkv" or time >= 0]
    assert len(heard) == len(ours)
    assert all(abs(ours[content] - time) <= Fraction(1, 1000) for time, content in heard)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "prores", "ffv1"])
@pytest.mark.parametrize("times", [None, VFR], ids=["constant", "variable"])
def test_every_codec_keeps_times_and_images(codec: CodecName, times: tuple[int, ...] | None, tmp_path: Path) -> None:
    kind = VideoKind(size_wh=(128, 96), times=times)
    suffix = {"prores": ".mov", "ffv1": ".mkv"}.get(codec, ".mp4")
    source = make_video(tmp_path / "in", kind)
    run(make_job(source, tmp_path / f"out{suffix}", codec))
    before, after = take_apart(source), take_apart(tmp_path / f"out{suffix}")
    if suffix == ".mkv":  # counts in milliseconds
        assert after.times == [Fraction(round(time * 1000), 1000) for time in before.times]
    else:
        assert (after.times, after.end) == (before.times, before.end)
    for one, other in zip(before.images, after.images, strict=True):
        assert difference(one, other) < 8


TAGS = [
    ColourTags(matrix, full, primaries, transfer)
    for matrix, primaries, transfer in ((1, 1, 1), (5, 5, 6), (6, 6, 6), (9, 9, 16), (2, 2, 2))
    for full in (False, True)
]


@pytest.mark.parametrize("tags", TAGS, ids=str)
@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "10 bits"])
def test_colours_and_their_tags_stay(tags: ColourTags, deep: bool, tmp_path: Path) -> None:
    kind = VideoKind(
        encoder="libx265",
        pixel_format="yuv444p10le" if deep else "yuv444p",
        options={"preset": "ultrafast", "x265-params": "lossless=1:log-level=none"},
        tags=tags,
        suffix=".mkv",
        time_base=Fraction(1, 1000),
    )
    source = make_video(tmp_path / "in", kind)
    run(make_job(source, tmp_path / "out.mkv", "ffv1"))
    after = take_apart(tmp_path / "out.mkv")
    assert after.tags == take_apart(source).tags == tags
    assert after.bits == (10 if deep else 8)
    for shown, made in zip(after.images, images_of(kind), strict=True):
        assert difference(shown, made) < 1.5


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_video_is_upright_once(rotation: int, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(rotation=rotation, sound_s=0.3))
    run(make_job(source, tmp_path / "out.mp4"))
    before, after = take_apart(source), take_apart(tmp_path / "out.mp4")
    assert after.images[0].shape == ((64, 48, 3) if rotation % 180 else (48, 64, 3))
    assert difference(after.images[0], before.images[0]) < 7
    assert after.sounds == before.sounds


def test_pixels_that_are_not_square_become_square(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(shape=Fraction(4, 3), size_wh=(66, 48)))
    run(make_job(source, tmp_path / "out.mp4"))
    assert take_apart(tmp_path / "out.mp4").images[0].shape == (48, 88, 3)


def test_an_odd_size_is_noted_and_only_its_edge_repeated(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", KINDS["odd size"])
    _, notes = run(make_job(source, tmp_path / "out.mkv"))
    assert any("even sides" in note and "64x48" in note for note in notes)
    after = take_apart(tmp_path / "out.mkv").images[0]
    assert after.shape == (48, 64, 3)
    assert difference(after[:47, :63], take_apart(source).images[0]) < 7


def test_the_batch_size_is_measured_once_for_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Image] = []

    def single(_: Engine, __: Look, image: Image, ___: object) -> int:
        measured.append(image)
        return 1

    monkeypatch.setattr("realtime.videos.stylize_video.fastest_batch_size", single)
    engine = IdentityEngine()
    run(make_job(make_video(tmp_path / "in", VideoKind()), tmp_path / "out.mp4", batch_size=None), engine)
    assert len(measured) == 1
    assert [size for size, _ in engine.batches] == [1] * 8


def test_images_that_are_stylized_at_once_stay_in_order(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=40))
    engine = UnevenEngine(3)
    looks = (replace(LOOK, smoothing=0.5),)
    run(make_job(source, tmp_path / "at_once.mkv", "ffv1", looks=looks), engine)
    run(make_job(source, tmp_path / "one_by_one.mkv", "ffv1", looks=looks), InvertingEngine())
    assert 1 < engine.most <= 3
    at_once, one_by_one = (take_apart(tmp_path / f"{name}.mkv") for name in ("at_once", "one_by_one"))
    assert at_once.times == one_by_one.times
    for ours, wanted in zip(at_once.images, one_by_one.images, strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_one_of_several_images_that_fails_leaves_nothing(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=40))
    with pytest.raises(EngineError, match="out of stylize"):
        run(make_job(source, tmp_path / "out.mp4"), UnevenEngine(3, fails_after=9))
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_several_styles_come_from_one_decoding(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(sound_s=0.3))
    styles = make_catalogue("a", "b").styles
    looks = tuple(Look(style, 1.0, keep_colors=False, smoothing=0.0) for style in styles)
    engine = IdentityEngine()
    targets = (tmp_path / "a.mp4", tmp_path / "b.mp4")
    report, _ = run(make_job(source, targets[0], looks=looks, targets=targets), engine)
    assert (report.frames, report.stats.frames_in, report.stats.frames_out) == (8, 8, 16)
    assert [name for _, name in engine.batches] == ["a", "b"] * 8
    assert take_apart(targets[0]).times == take_apart(targets[1]).times == take_apart(source).times


def test_a_part_begins_at_time_0_with_the_sound_of_that_part(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=50, sound_s=2.0))
    run(make_job(source, tmp_path / "out.mp4", cut=Cut(0.5, 1.0)))
    before, after = take_apart(source), take_apart(tmp_path / "out.mp4")
    wanted = [place for place, time in enumerate(before.times) if 0.5 <= time < 1.0]
    assert after.times == [before.times[place] - Fraction(1, 2) for place in wanted]
    assert difference(after.images[0], before.images[wanted[0]]) < 7
    assert [content for _, content in after.sounds] == [c for time, c in before.sounds if 0.5 <= time < 1.0]


def test_nothing_in_the_part_is_an_error(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind())
    with pytest.raises(SinkError, match="no image in the part"):
        run(make_job(source, tmp_path / "out.mp4", cut=Cut(50.0, 60.0)))
    assert not (tmp_path / "out.mp4").exists()
    assert leftovers(tmp_path) == []


def test_batches_hold_as_many_as_were_asked_for(tmp_path: Path) -> None:
    source, engine = make_video(tmp_path / "in", VideoKind()), IdentityEngine()
    run(make_job(source, tmp_path / "out.mp4", batch_size=3), engine)
    assert [size for size, _ in engine.batches] == [3, 3, 2]


def test_an_engine_that_fails_leaves_nothing(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind())
    with pytest.raises(ValueError, match="broke"):
        run(make_job(source, tmp_path / "out.mp4"), FailingEngine(3, ValueError("broke")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_what_the_video_says_of_itself_is_kept(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind())
    run(make_job(source, tmp_path / "out.mp4"))
    assert take_apart(tmp_path / "out.mp4").metadata["title"] == "a video"


def test_damage_is_counted_and_the_rest_is_there(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=60, options={**SLOW, "g": "10"}, size_wh=(160, 120)))
    content = bytearray(source.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(2000, len(content) - 4000, 40):
        content[place] ^= 0xFF
    source.write_bytes(content)
    report, _ = run(make_job(source, tmp_path / "out.mp4"))
    assert report.lost + report.damaged > 0
    assert len(take_apart(tmp_path / "out.mp4").times) == report.stats.frames_out > 30


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_video_gives_what_is_there_and_says_how_much_is_lost(share: float, tmp_path: Path) -> None:
    kind = VideoKind(
        ".mkv", count=60, options={"preset": "veryfast", "g": "10"}, size_wh=(160, 120), time_base=Fraction(1, 1000)
    )
    source = make_video(tmp_path / "in", kind)
    content = source.read_bytes()
    source.write_bytes(content[: round(share * len(content))])
    report, _ = run(make_job(source, tmp_path / "out.mkv"))
    assert 0 < report.stats.frames_out < 60
    assert report.lost > 0


@pytest.mark.parametrize("name", ["sound", "sound in Matroska", "hevc", "vp9"])
@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_damaged_there_is_a_whole_video_or_one_line(name: str, seed: int, tmp_path: Path) -> None:
    kind = replace(KINDS[name], count=20)
    source, rng = make_video(tmp_path / "in", kind), np.random.default_rng(seed)
    content = bytearray(source.read_bytes())
    if seed % 2:
        content = content[: rng.integers(len(content))]
    else:
        for place in rng.integers(0, len(content), 20):
            content[place] ^= 1 << rng.integers(8)
    source.write_bytes(content)
    target = tmp_path / f"out{kind.suffix}"
    try:
        report, _ = run(make_job(source, target))
    except (SourceError, SinkError) as error:
        assert "\n" not in str(error)
        assert not target.exists()
    else:
        assert len(take_apart(target).times) == report.stats.frames_out
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"not a video", b"\0" * 4000], ids=["empty", "text", "zeros"])
def test_what_is_no_video_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(content)
    with pytest.raises(SourceError, match=r"in\.mp4"):
        run(make_job(tmp_path / "in.mp4", tmp_path / "out.mp4"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.slow
def test_waiting_for_the_slowest_encoder_does_not_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last encoder ends first; what is counted is how often the main thread woke up meanwhile."""
    finish = SegmentWriter.finish

    def slow_finish(self: SegmentWriter) -> SegmentRecord:
        if "first" in str(self._record_path):
            time.sleep(1.0)
        return finish(self)

    monkeypatch.setattr(SegmentWriter, "finish", slow_finish)
    source = make_video(tmp_path / "in", VideoKind())
    looks, targets = (LOOK, LOOK), (tmp_path / "first.mp4", tmp_path / "last.mp4")
    woke: list[int] = []
    make_videos(
        make_job(source, targets[0], looks=looks, targets=targets),
        IdentityEngine(),
        lambda _: None,
        lambda done, _: woke.append(done),
    )
    assert len(woke) < 40


def test_an_engine_that_hangs_ends_the_video_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.flow.FRAME_LIMIT_S", 0.5)
    let_go = threading.Event()

    class Hanging(IdentityEngine):
        def _stylize(self, images: Image, _: Style) -> Image:
            if len(self.batches) > 3:
                let_go.wait(20)
            return images

    source = make_video(tmp_path / "in", VideoKind())
    with pytest.raises(EngineTimeoutError, match=r"engine identity .* a frame of 64x48"):
        run(make_job(source, tmp_path / "out.mp4"), Hanging())
    let_go.set()
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_smoothing_begins_anew_at_a_scene_cut(tmp_path: Path) -> None:
    scenes = [np.full((48, 64, 3), grey, np.uint8) for grey in (40, 44, 200, 204)]
    source = make_video(tmp_path / "in", VideoKind(count=4, encoder="ffv1", options={}, suffix=".mkv"), scenes)
    look = replace(LOOK, smoothing=1.0)
    run(make_job(source, tmp_path / "out.mkv", "ffv1", looks=(look,)))
    greys = [float(image.mean()) for image in take_apart(tmp_path / "out.mkv").images]
    assert greys[0] == pytest.approx(40, abs=3)
    assert greys[1] - greys[0] < 3, "what moves little is smoothed"
    assert greys[2] == pytest.approx(200, abs=3), "and the first frame of a scene is not"
