"""Tests of recording what a show was made from, and of stylizing it again."""

import json
import signal
import threading
import time
from pathlib import Path

import pytest
from fakes import FakeSource, VectorEngine, make_catalogue, make_frame, noise, read_clip, write_clip
from live_run import Run, Script

from realtime import replay
from realtime.controls import Action, ChangeLook, SelectStyle
from realtime.errors import OptionError, SinkError, SourceError, StyleError
from realtime.input_recording import InputRecorder, LookAt, looks_path, read_looks
from realtime.look import Look
from realtime.options import FileOptions
from realtime.replay import RecordedLooks, run_replay
from realtime.sinks.protocol import StylizedFrame
from realtime.videos.reporting import make_reporter

pytestmark = [pytest.mark.usefixtures("no_threads_left"), pytest.mark.timeout(60)]

CATALOGUE = make_catalogue("a", "b", "c", identity=0.0)


def _look(place: int = 0, strength: float = 1.0) -> Look:
    return Look(CATALOGUE.styles[place], strength, keep_colors=False, smoothing=0.5)


def _record(path: Path, script: Script, frames: int = 60) -> Run:
    """A show of frames of one grey each, which is recorded."""
    recorder = InputRecorder(path, FakeSource(frames, size_wh=(64, 48), interval_s=0.004), 0.8)
    run = Run(recorder.source, VectorEngine(), [recorder], script, catalogue=CATALOGUE)
    return run()


def test_the_sources_own_frames_and_every_look_with_its_frame_are_kept(tmp_path: Path) -> None:
    video = tmp_path / "show.mp4"
    script: Script = {
        5: [SelectStyle(2)],
        15: [ChangeLook(style="a:0.5+c:0.5", strength=0.25)],
        20: [Action.SNAPSHOT, Action.HELP],
        25: [Action.MIRROR],
    }
    run = _record(video, script)
    looks, crossfade_s = read_looks(video)
    assert crossfade_s == 0.8
    assert [(look.style, look.strength, look.mirror) for look in looks] == [
        ("a", 1.0, False),
        ("b", 1.0, False),
        ("a:0.5+c:0.5", 0.25, False),
        ("a:0.5+c:0.5", 0.25, True),
    ]
    images = read_clip(video).images
    assert len(images) == 60, "those that the show dropped, too"
    greys = [round(float(image.mean())) for image in images]
    assert greys == pytest.approx(range(60), abs=3), "not stylized, and not mirrored"
    shown = [(stylized.frame.index, stylized.look) for stylized in run.sink.frames]
    for look in looks[1:]:
        wanted = (look.style, look.mirror)
        assert look.frame == next(n for n, used in shown if used and (used.style.name, used.mirror) == wanted)
    assert run.said[-1].endswith("4 looks in show.looks.json: stylize.py " + str(video) + " --replay")


def test_a_slow_encoder_loses_frames_and_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_write = threading.Event()
    recorder = InputRecorder(tmp_path / "show.mp4", FakeSource(size_wh=(64, 48)), 0.8)
    write = recorder._video.write

    def slow(stylized: StylizedFrame) -> None:
        may_write.wait(10)
        write(stylized)

    monkeypatch.setattr(recorder._video, "write", slow)
    source, start_s = recorder.source, time.perf_counter()
    frames = [source.read() for _ in range(50)]
    assert time.perf_counter() - start_s < 1
    may_write.set()
    kept = next(frame for frame in frames[recorder._frames :] if frame is not None)
    recorder.write(StylizedFrame(kept, kept.pixels, kept.pixels, _look()))
    line = recorder.close()
    assert " more were lost because encoding was too slow" in line
    recorded = len(read_clip(tmp_path / "show.mp4").images)
    assert recorded + recorder._lost == 50
    # What the show made of a frame that was lost belongs to the next that is there.
    assert read_looks(tmp_path / "show.mp4")[0][0].frame == recorded


def test_a_recording_that_fails_ends_the_show_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = InputRecorder(tmp_path / "show.mp4", FakeSource(200, size_wh=(64, 48), interval_s=0.002), 0.8)

    def full(_: object) -> None:
        raise SinkError("recording show.mp4: cannot be written (No space left on device)")

    monkeypatch.setattr(recorder._video, "write", full)
    with pytest.raises(SinkError, match="No space left"):
        Run(recorder.source, VectorEngine(), [recorder], catalogue=CATALOGUE)()
    assert not looks_path(tmp_path / "show.mp4").exists()


def test_without_a_frame_no_file_is_left(tmp_path: Path) -> None:
    assert InputRecorder(tmp_path / "show.mp4", FakeSource(), 0.8).close() == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no .*show.looks.json; give a video that run_webcam.py --record-input wrote"),
        ("{", "is damaged"),
        ('{"crossfade_s": 1, "looks": []}', "is damaged .it holds no look."),
        ('{"crossfade_s": 1, "looks": [{"frame": 1}]}', "is damaged"),
        ('{"looks": [1]}', "is damaged"),
    ],
)
def test_looks_that_cannot_be_read_are_told_in_one_line(tmp_path: Path, content: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "show.looks.json").write_text(content)
    with pytest.raises(SourceError, match=f"replay .*show.mp4: .*{reason}") as refused:
        read_looks(tmp_path / "show.mp4")
    assert "\n" not in str(refused.value)


def test_each_frame_has_the_look_of_the_last_change_before_it() -> None:
    looks = [LookAt(0, 0.0, "a", 1.0, False, 0.5, False), LookAt(7, 0.2, "b", 0.5, True, 0.0, True)]
    recorded = RecordedLooks(looks, CATALOGUE)

    def found(index: int) -> Look:
        return recorded.look_of(make_frame(noise(), index))

    assert [found(index).style.name for index in (0, 6, 7, 99)] == ["a", "a", "b", "b"]
    assert found(8) == Look(CATALOGUE.styles[1], 0.5, keep_colors=True, smoothing=0.0, mirror=True)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> VectorEngine:
    """The styles a, b and c, and what stylizes them, in the place of the shipped ones."""
    made = VectorEngine()
    monkeypatch.setattr(replay, "open_engine", lambda *_: made)
    monkeypatch.setattr(replay, "open_styles", lambda name, _: (CATALOGUE, CATALOGUE.index_of(name)))
    return made


def test_a_show_is_stylized_again_with_the_same_switches_at_the_same_frames(
    tmp_path: Path, engine: VectorEngine
) -> None:
    video, target = tmp_path / "show.mp4", tmp_path / "again.mp4"
    run = _record(video, {8: [SelectStyle(3)], 30: [Action.QUIT]}, frames=400)
    switched = next(s.frame.index for s in run.sink.frames if s.look is not None and s.look.style.name == "c")
    assert run_replay(FileOptions((str(video),), str(target)), make_reporter(in_json=False, to_stderr=True)) == 0
    again = read_clip(target)
    before = read_clip(video)
    assert len(again.images) == len(before.images)
    assert again.times_s == pytest.approx(before.times_s, abs=2e-3)
    assert again.size_wh == (64, 48)
    values = [float(image.mean()) for image in again.images]
    assert max(values[:switched]) < 2
    assert values[switched + 3] > 0.5, "a crossfade begins there"
    assert values == pytest.approx(sorted(values), abs=1.0)
    assert engine.batches[switched] == (1, "c")
    assert engine.batches[switched - 1] == (1, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.mp4", "show.looks.json", "show.mp4"]


@pytest.mark.usefixtures("engine")
def test_a_replay_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    video = tmp_path / "show.mp4"
    _record(video, {}, frames=60)

    class Interrupting:
        def report(self, event: str, source: str = "", **facts: object) -> None:
            if event == "progress" and facts["frames"] == 10:
                signal.raise_signal(signal.SIGINT)

        def close(self) -> None: ...

    assert run_replay(FileOptions((str(video),), str(tmp_path / "again.mp4")), Interrupting()) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["show.looks.json", "show.mp4"]


@pytest.mark.usefixtures("engine")
def test_a_style_that_has_gone_is_named_before_anything_is_written(tmp_path: Path) -> None:
    video = tmp_path / "show.mp4"
    _record(video, {5: [SelectStyle(2)]})
    content = json.loads(looks_path(video).read_text())
    content["looks"][-1]["style"] = "gone"
    looks_path(video).write_text(json.dumps(content))
    with pytest.raises(StyleError, match="style 'gone': there is no such style"):
        run_replay(FileOptions((str(video),), str(tmp_path / "again.mp4")), make_reporter(in_json=True, to_stderr=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["show.looks.json", "show.mp4"]


def test_a_replay_takes_one_video(tmp_path: Path) -> None:
    videos = [str(write_clip(tmp_path / f"{name}.mp4", [noise()])) for name in "ab"]
    with pytest.raises(OptionError, match="give one video and one output"):
        run_replay(FileOptions(tuple(videos), str(tmp_path / "out")), make_reporter(in_json=True, to_stderr=True))
