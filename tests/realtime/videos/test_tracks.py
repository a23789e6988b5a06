"""Tests of the other tracks: copied as they are, converted where the container needs it, and noted."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from fakes import IdentityEngine, make_catalogue, noise
from PIL import Image as Pillow
from video_corpus import VideoKind, make_video, take_apart

from realtime.look import Look
from realtime.media.codecs import find_encoder
from realtime.media.video_frame import Cut
from realtime.videos.stylize_video import VideoJob, make_videos
from realtime.videos.tracks import Window

LOOK = Look(make_catalogue("a").styles[0], 1.0, keep_colors=False, smoothing=0.0)
WORDS = {0: b"one", 400: b"two"}
ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
CHAPTERS = [
    {"id": 0, "start": 0, "end": 300, "time_base": Fraction(1, 1000), "metadata": {"title": "first"}},
    {"id": 1, "start": 300, "end": 800, "time_base": Fraction(1, 1000), "metadata": {"title": "second"}},
]


def stylize(source: Path, target: Path, cut: Cut | None = None) -> list[str]:
    notes: list[str] = []
    job = VideoJob(source, (LOOK,), (target,), find_encoder(None, target.suffix), cut=cut, batch_size=1)
    make_videos(job, IdentityEngine(), notes.append, lambda done, total: None)
    return notes


def with_more(source: Path, target: Path, codec: str = "", content: dict[int, bytes] | None = None) -> Path:
    """Copies a video, and adds chapters, a creation time and a track of subtitles, language French.

    Args:
        source: the video.
        target: its copy.
        codec: of the subtitles.
        content: time in ms to what the packets hold.
    """
    with av.open(str(source)) as video, av.open(str(target), "w") as out:
        out.metadata.update({"title": "a video", "creation_time": "2020-02-03T04:05:06.000000Z"})
        out.set_chapters(CHAPTERS)  # type: ignore[arg-type]
        copies = {stream.index: out.add_stream_from_template(stream) for stream in video.streams}
        words = out.add_stream(codec) if codec else None
        if words is not None:
            assert isinstance(words, SubtitleStream)
            words.codec_context.subtitle_header = ASS_HEADER
            words.codec_context.open()
            words.metadata["language"] = "fre"
            words.disposition = Disposition.forced
        for packet in video.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
        for time_ms, text in (content or {}).items():
            assert words is not None
            packet = Packet(text)
            packet.pts = packet.dts = time_ms
            packet.duration, packet.time_base, packet.stream = 300, Fraction(1, 1000), words
            out.mux(packet)
    return target


def words_in(path: Path) -> tuple[str, dict[int, bytes], dict[str, str]]:
    """Codec, time in ms to content, and the description of the only track of subtitles."""
    with av.open(str(path)) as video:
        (stream,) = video.streams.subtitles
        found = {
            round(packet.pts * packet.time_base * 1000): bytes(packet)
            for packet in video.demux(stream)
            if packet.size and packet.pts is not None and len(bytes(packet)) > 2
        }
        return stream.codec_context.codec.canonical_name, found, dict(stream.metadata)


def boxed(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def test_subtitles_chapters_and_words_about_the_video_are_copied(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video", VideoKind(".mkv", count=20, sound_s=0.8, time_base=Fraction(1, 1000)))
    source = with_more(video, tmp_path / "in.mkv", "subrip", WORDS)
    assert stylize(source, tmp_path / "out.mkv") == []
    codec, found, description = words_in(tmp_path / "out.mkv")
    assert (codec, found, description["language"]) == ("subrip", WORDS, "fre")
    with av.open(str(tmp_path / "out.mkv")) as out, av.open(str(source)) as before:
        assert out.streams.subtitles[0].disposition == Disposition.forced
        assert [(c["start"], c["end"], c["metadata"]["title"]) for c in out.chapters()] == [
            (c["start"], c["end"], c["metadata"]["title"]) for c in before.chapters()
        ]
        assert len(out.chapters()) == 2
        told = {name.lower(): value for name, value in out.metadata.items()}
        assert (told["title"], told["creation_time"]) == ("a video", "2020-02-03T04:05:06.000000Z")


def test_mp4_keeps_subtitles_chapters_and_creation_time(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video", VideoKind(count=20, sound_s=0.8))
    source = with_more(video, tmp_path / "in.mp4", "mov_text", {time: boxed(text) for time, text in WORDS.items()})
    assert stylize(source, tmp_path / "out.mp4") == []
    codec, found, description = words_in(tmp_path / "out.mp4")
    assert (codec, found, description["language"]) == (
        "mov_text",
        {time: boxed(text) for time, text in WORDS.items()},
        "fre",
    )
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert [chapter["metadata"]["title"] for chapter in out.chapters()] == ["first", "second"]
        assert out.metadata["creation_time"] == "2020-02-03T04:05:06.000000Z"


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mov_text"), (".mov", "mov_text"), (".webm", "webvtt")])
def test_subtitles_that_do_not_fit_a_container_are_converted_and_noted(suffix: str, codec: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / "video", VideoKind(".mkv", count=20, time_base=Fraction(1, 1000)))
    source = with_more(video, tmp_path / "in.mkv", "subrip", WORDS)
    (note,) = stylize(source, tmp_path / f"out{suffix}")
    assert f"subrip): {suffix} cannot hold it; its text is kept as {codec}" in note
    found = words_in(tmp_path / f"out{suffix}")
    assert found[0] == codec
    assert found[1] == (WORDS if codec == "webvtt" else {time: boxed(text) for time, text in WORDS.items()})


def test_sound_that_does_not_fit_a_container_is_encoded_anew_and_noted(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=20, sound_s=0.8))
    (note,) = stylize(source, tmp_path / "out.webm")
    assert "aac): .webm cannot hold it; encoded anew as libopus" in note
    with av.open(str(tmp_path / "out.webm")) as out:
        sounds = list(out.decode(out.streams.audio[0]))
    heard_s = sum(sound.samples / sound.sample_rate for sound in sounds)
    assert heard_s == pytest.approx(0.8, abs=0.1)
    assert np.abs(np.asarray(sounds[len(sounds) // 2].to_ndarray())).max() > 0.1


def test_a_cover_is_kept(tmp_path: Path) -> None:
    video, cover = make_video(tmp_path / "video", VideoKind(count=8)), tmp_path / "cover.png"
    Pillow.fromarray(noise()).save(cover)
    with (
        av.open(str(video)) as one,
        av.open(str(cover)) as other,
        av.open(str(tmp_path / "in.mp4"), "w") as out,
    ):
        images = out.add_stream_from_template(one.streams.video[0])
        still = out.add_stream_from_template(other.streams.video[0])
        still.disposition = Disposition.attached_pic
        for stream, container in ((images, one), (still, other)):
            for packet in container.demux():
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    assert stylize(tmp_path / "in.mp4", tmp_path / "out.mp4") == []
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert [int(stream.disposition) & int(Disposition.attached_pic) > 0 for stream in out.streams.video] == [
            False,
            True,
        ]
    assert take_apart(tmp_path / "out.mp4").times == take_apart(video).times


def test_a_part_holds_its_subtitles_only(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video", VideoKind(".mkv", count=20, time_base=Fraction(1, 1000)))
    source = with_more(video, tmp_path / "in.mkv", "subrip", WORDS)
    stylize(source, tmp_path / "out.mkv", Cut(0.2, 0.8))
    assert words_in(tmp_path / "out.mkv")[1] == {200: b"two"}


def test_a_window_holds_what_begins_in_it() -> None:
    packet = Packet(b"x")
    packet.time_base = Fraction(1, 10)
    window = Window(Fraction(1), Fraction(2))
    held = []
    for time in (9, 10, 19, 20):
        packet.pts = time
        held.append(window.holds(packet))
    assert held == [False, True, True, False]
    packet.pts = packet.dts = 15
    window.move(packet)
    assert (packet.pts, packet.dts) == (5, 5)


def test_of_two_video_tracks_the_larger_is_stylized(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "two.mkv"), "w") as out:
        streams = [out.add_stream("libx264", rate=10) for _ in range(2)]
        for stream, size_wh in zip(streams, ((64, 48), (96, 72)), strict=True):
            stream.width, stream.height = size_wh
            stream.pix_fmt = "yuv420p"
        for stream, size_wh in zip(streams, ((64, 48), (96, 72)), strict=True):
            for number in range(3):
                frame = av.VideoFrame.from_ndarray(noise(size_wh, number), "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    notes = stylize(tmp_path / "two.mkv", tmp_path / "one.mp4")
    with av.open(str(tmp_path / "one.mp4")) as made:
        assert [(track.width, track.height) for track in made.streams.video] == [(96, 72)]
    assert notes == ["track 0 (video, h264): only the track that players show is stylized; left out"]
