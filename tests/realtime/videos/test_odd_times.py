"""Tests of videos whose clock starts again or begins before 0, whose size changes, and of what a cut leaves of them."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.subtitles.stream import SubtitleStream
from fakes import IdentityEngine, difference, make_catalogue, solid
from video_corpus import VideoKind, make_video, take_apart

from realtime.look import Look
from realtime.media.codecs import find_encoder
from realtime.media.video_reader import Cut
from realtime.videos.stylize_video import VideoJob, make_videos

LOOK = Look(make_catalogue("a").styles[0], 1.0, keep_colors=False, smoothing=0.0)
STEP = Fraction(1, 25)


def stylize(source: Path, target: Path, cut: Cut | None = None) -> list[str]:
    notes: list[str] = []
    job = VideoJob(source, (LOOK,), (target,), find_encoder(None, target.suffix), cut=cut, batch_size=1)
    make_videos(job, IdentityEngine(), notes.append, lambda done, total: None)
    return notes


def joined(folder: Path, *kinds: VideoKind) -> Path:
    """As `cat a.ts b.ts > both.ts`."""
    parts = [make_video(folder / f"part{number}", replace(kind, suffix=".ts")) for number, kind in enumerate(kinds)]
    both = folder / "both.ts"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    return both


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_where_the_clock_starts_again_times_go_on(suffix: str, tmp_path: Path) -> None:
    kind = VideoKind(count=40, options={"preset": "veryfast", "bf": "2"}, size_wh=(160, 120), sound_s=1.6)
    notes = stylize(joined(tmp_path, kind, kind, kind), tmp_path / f"out{suffix}")
    assert notes[0] == "its clock starts again 2 times: times go on rising"
    found = take_apart(tmp_path / f"out{suffix}")
    assert len(found.times) == 120
    steps = [later - earlier for earlier, later in zip(found.times, found.times[1:], strict=False)]
    between = {39: steps.pop(79), 79: steps.pop(39)}
    assert all(abs(step - STEP) < Fraction(1, 500) for step in steps)
    assert all(STEP / 2 < step < 4 * STEP for step in between.values()), "a part ends with its sound"
    for part in range(3):  # sound and images of each part stay together
        sound = next(time for time, _ in found.sounds if time > found.times[40 * part] - Fraction(1, 10))
        assert abs(sound - found.times[40 * part]) < Fraction(1, 10)
    times = [time for time, _ in found.sounds]
    assert times == sorted(times)


def test_another_size_in_the_middle_is_fitted_in_and_said(tmp_path: Path) -> None:
    kind = VideoKind(count=10, size_wh=(160, 80))
    both = tmp_path / "both.ts"
    red, blue = solid((200, 30, 30), (160, 80)), solid((30, 30, 200), (80, 80))
    one = make_video(tmp_path / "one", replace(kind, suffix=".ts"), [red] * 10)
    two = make_video(tmp_path / "two", replace(kind, suffix=".ts", size_wh=(80, 80)), [blue] * 10)
    both.write_bytes(one.read_bytes() + two.read_bytes())
    notes = stylize(both, tmp_path / "out.mp4")
    assert notes[0] == "its size changes to 80x80: fitted into 160x80"
    images = take_apart(tmp_path / "out.mp4").images
    assert len(images) == 20
    assert difference(images[0], red) < 6
    assert difference(images[-1][:, 44:116], blue[:, 4:76]) < 6
    assert images[-1][:, :32].max() < 20, "black, and not stretched"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_before_0_are_moved_together_and_said(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / "in.ts"
    early = make_video(tmp_path / "early", VideoKind(".mkv", count=20, sound_s=0.8, time_base=Fraction(1, 1000)))
    with (
        av.open(str(early)) as video,
        av.open(str(source), "w", options={"avoid_negative_ts": "disabled"}) as out,
    ):
        copies = {stream.index: out.add_stream_from_template(stream) for stream in video.streams}
        for packet in video.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - 480, packet.dts - 480
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    before = take_apart(source)
    assert before.times[0] == Fraction(-480, 1000)
    notes = stylize(source, tmp_path / f"out{suffix}")
    assert "it begins 0.480 s before time 0, which files cannot state: everything is that much later" in notes
    after = take_apart(tmp_path / f"out{suffix}")
    assert after.times == [time + Fraction(480, 1000) for time in before.times]
    between = after.sounds[5][0] - before.sounds[5][0]
    assert abs(between - Fraction(480, 1000)) < Fraction(3, 1000)


def test_what_sound_needs_to_begin_moves_no_image_in_matroska(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=20, sound_s=0.8))
    with av.open(str(source)) as video:
        first = next(packet for packet in video.demux(video.streams.audio[0]) if packet.size)
        assert first.pts is not None
        assert first.pts < 0
    stylize(source, tmp_path / "out.mkv")
    before, after = take_apart(source), take_apart(tmp_path / "out.mkv")
    assert after.times == [Fraction(round(time * 1000), 1000) for time in before.times]
    ours = {content: time for time, content in after.sounds}
    kept = [(time, content) for time, content in before.sounds if time >= 0]
    assert len(kept) == len(ours)
    assert all(abs(ours[content] - time) < Fraction(2, 1000) for time, content in kept)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_subtitle_over_the_cut_ends_with_the_part(suffix: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / "video", VideoKind(".mkv", count=75, time_base=Fraction(1, 1000)))
    with av.open(str(video)) as images, av.open(str(tmp_path / "in.mkv"), "w") as out:
        copy, words = out.add_stream_from_template(images.streams.video[0]), out.add_stream("subrip")
        assert isinstance(words, SubtitleStream)
        words.codec_context.subtitle_header = b"[Script Info]\nScriptType: v4.00+\n"
        words.codec_context.open()
        for packet in images.demux():
            if packet.size:
                packet.stream = copy
                out.mux(packet)
        text = Packet(b"a long line")
        text.pts = text.dts = 1500
        text.duration, text.time_base, text.stream = 2900, Fraction(1, 1000), words
        out.mux(text)
    stylize(tmp_path / "in.mkv", tmp_path / f"out{suffix}", Cut(0.0, 2.0))
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(2.0, abs=0.05)
        said = [packet for packet in container.demux(container.streams.subtitles[0]) if packet.size > 2]
        assert [round(float(packet.pts * packet.time_base), 2) for packet in said if packet.pts] == [1.5]
