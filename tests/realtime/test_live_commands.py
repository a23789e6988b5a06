"""Tests of what commands do to a run with fakes.

Must not need a camera, a network or a display; time-outs only detect hangs.
"""

import itertools
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fakes import (
    FakeSource,
    IdentityEngine,
    InvertingEngine,
    VectorEngine,
    difference,
    make_catalogue,
    read_clip,
    solid,
)
from live_run import Run, Script

from realtime.controls import Action, SelectStyle
from realtime.options import LookOptions
from realtime.sinks.protocol import StylizedFrame
from realtime.sinks.video_file import VideoFileSink
from realtime.sources.cameras import Camera
from realtime.sources.pattern import PatternSource
from realtime.sources.switching import SwitchingSource

pytestmark = [pytest.mark.usefixtures("no_threads_left"), pytest.mark.timeout(60)]


def test_a_style_switch_shows_on_the_next_frame_that_is_stylized() -> None:
    engine = VectorEngine()
    script: Script = {4: [Action.NEXT_STYLE], 12: [SelectStyle(1)], 20: [Action.PREVIOUS_STYLE], 30: [Action.QUIT]}
    run = Run(FakeSource(), engine, script=script, unpaced=True)()
    assert run.stylized[:4] == [0] * 4
    switches = [i for i in range(1, len(run.stylized)) if run.stylized[i] != run.stylized[i - 1]]
    assert [run.stylized[i] for i in switches] == [10, 0, 20]
    for asked, happened in zip((4, 12, 20), switches, strict=True):
        # At most one frame waits in front of the engine, in it, on its way out and behind it.
        assert asked <= happened <= asked + 4
    names = [name for _, name in engine.batches]
    assert [names[i] for i in range(len(names)) if i == 0 or names[i] != names[i - 1]] == [
        "candy",
        "mosaic",
        "candy",
        "udnie",
    ]


def _strength_script() -> Script:
    """To strength 0.5 and then to 0."""
    return {3: [Action.STRENGTH_DOWN] * 5, 12: [Action.STRENGTH_DOWN] * 9, 20: [Action.QUIT]}


def test_the_network_itself_stylizes_at_part_of_the_strength() -> None:
    catalogue = make_catalogue("candy", identity=200)
    engine = VectorEngine()
    source = FakeSource(colour=(40, 40, 40))
    run = Run(source, engine, script=_strength_script(), catalogue=catalogue, unpaced=True)()
    assert list(dict.fromkeys(engine.strengths)) == [1.0, 0.5, 0.0]
    # No pixel of the camera's image, which is 40, is mixed in afterwards.
    assert list(dict.fromkeys(run.stylized)) == [0, 100, 200]


def test_where_the_network_cannot_pixels_fade_towards_the_image() -> None:
    source = FakeSource(colour=(40, 40, 40))
    run = Run(source, InvertingEngine(), script=_strength_script(), unpaced=True)()
    assert list(dict.fromkeys(run.stylized)) == [215, 128, 40]


def test_the_first_look_is_that_of_the_options() -> None:
    source, look = FakeSource(3, colour=(40, 40, 40)), LookOptions(strength=0.5)
    engine = InvertingEngine()
    assert Run(source, engine, look=look, unpaced=True)().stylized == [128] * 3
    assert engine.strengths == [0.5] * 3


def test_original_colours_are_kept_on_command() -> None:
    source = FakeSource(colour=(200, 40, 40))
    run = Run(source, VectorEngine(), script={3: [Action.KEEP_COLORS], 10: [Action.QUIT]}, unpaced=True)()
    before, after = run.sink.frames[0].pixels[0, 0], run.sink.frames[-1].pixels[0, 0]
    assert before.tolist() == [0, 0, 0]
    assert int(after[0]) > int(after[1]) + 50


def test_smoothing_holds_a_still_image_against_flicker() -> None:
    class FlickeringEngine(IdentityEngine):
        def _stylize(self, images: Any, _: object) -> Any:
            return np.full_like(images, 100 if len(self.batches) % 2 else 140)

    def spread(smoothing: float) -> int:
        look = LookOptions(smoothing=smoothing)
        run = Run(FakeSource(20, colour=(50, 50, 50)), FlickeringEngine(), look=look, unpaced=True)()
        return max(run.stylized[10:]) - min(run.stylized[10:])

    assert spread(0.0) == 40
    assert spread(0.9) < 10


def _smoothed_run(script: Script, identity: float | None = None) -> list[int]:
    """What is shown of a still scene whose styles stylize 0, 10 and 20."""
    look, catalogue = LookOptions(smoothing=1.0), make_catalogue("candy", "mosaic", "udnie", identity=identity)
    source = FakeSource(colour=(50, 50, 50))
    run = Run(
        source, VectorEngine(), script={**script, 20: [Action.QUIT]}, look=look, catalogue=catalogue, unpaced=True
    )
    return list(dict.fromkeys(run().stylized))


def test_smoothing_starts_again_with_another_style() -> None:
    assert _smoothed_run({6: [SelectStyle(3)]}) == [0, 20]


def test_smoothing_starts_again_with_another_strength() -> None:
    assert _smoothed_run({6: [Action.STRENGTH_DOWN] * 5}, identity=200) == [0, 100]


def test_smoothing_starts_again_when_the_image_is_mirrored() -> None:
    class CountingEngine(IdentityEngine):
        def _stylize(self, images: Any, _: object) -> Any:
            return np.full_like(images, min(200, len(self.batches)))

    source, look = FakeSource(colour=(50, 50, 50)), LookOptions(smoothing=1.0)
    script: Script = {30: [Action.MIRROR], 40: [Action.QUIT]}
    stylized = Run(source, CountingEngine(), script=script, look=look, unpaced=True)().stylized
    jumps = [i for i in range(1, len(stylized)) if stylized[i] - stylized[i - 1] > 5]
    assert len(jumps) == 1
    assert stylized[jumps[0]] == jumps[0] + 1


def test_mirroring_swaps_input_and_output() -> None:
    size_wh, asked = (40, 30), 4
    run = Run(PatternSource(size_wh, paced=False), script={asked: [Action.MIRROR]}, unpaced=True, max_frames=12)()
    pattern = PatternSource(size_wh, paced=False)
    mirrored = []
    for stylized in run.sink.frames:
        plain = pattern.read()
        assert plain is not None
        mirrored.append(bool((stylized.pixels == plain.pixels[:, ::-1]).all()))
        assert mirrored[-1] or (stylized.pixels == plain.pixels).all()
        assert (stylized.frame.pixels == stylized.pixels).all()
    assert mirrored[:asked] == [False] * asked
    assert mirrored[-1]
    assert mirrored == sorted(mirrored)


def _longest_run(values: list[int]) -> tuple[int, int]:
    """Start and end of the longest stretch of one value."""
    starts = [i for i in range(len(values)) if i == 0 or values[i] != values[i - 1]] + [len(values)]
    return max(itertools.pairwise(starts), key=lambda stretch: stretch[1] - stretch[0])


def test_freezing_repeats_a_image_while_commands_still_act() -> None:
    script: Script = {3: [Action.FREEZE], 10: [SelectStyle(2)], 18: [Action.FREEZE], 26: [Action.QUIT]}
    run = Run(FakeSource(), VectorEngine(), script=script, unpaced=True)()
    start, end = _longest_run(run.greys)
    assert end - start >= 8
    assert set(run.stylized[start:end]) == {0, 10}
    moving = run.greys[:start] + run.greys[end - 1 :]
    assert moving == list(range(len(moving)))
    assert run.sink.indices == list(range(len(run.sink.frames)))
    times_s = [stylized.frame.media_time_s for stylized in run.sink.frames]
    assert times_s == pytest.approx([i / 30 for i in range(len(times_s))])
    assert run.report.frames_in == run.report.frames_out + run.report.frames_dropped


def test_quitting_ends_well_and_what_was_captured_still_comes_out() -> None:
    source = FakeSource()
    run = Run(source, script={5: [Action.QUIT]}, unpaced=True)()
    assert 5 <= len(run.sink.frames) < 15
    assert run.sink.indices == list(range(len(run.sink.frames)))
    assert run.report.frames_in == run.report.frames_out + run.report.frames_dropped
    assert run.sink.ended == ["closed"]
    assert source.closed
    assert not run.pipeline.interrupted


def test_commands_can_be_sent_from_another_thread() -> None:
    run = Run(FakeSource(interval_s=0.005))
    timer = threading.Timer(0.1, lambda: run.pipeline.send(Action.QUIT))
    timer.start()
    run()
    timer.join()
    assert run.sink.ended == ["closed"]
    assert run.sink.frames


def test_commands_act_even_when_no_frame_comes() -> None:
    source = FakeSource(stop_at=0)
    run = Run(source, script={0: [Action.NEXT_STYLE, Action.QUIT]})()
    source.let_go.set()
    assert (run.report.frames_out, run.report.style) == (0, "mosaic")


def test_full_screen_is_asked_of_the_display() -> None:
    run = Run(FakeSource(6), script={2: [Action.FULL_SCREEN], 4: [Action.FULL_SCREEN]}, unpaced=True)()
    assert run.display is not None
    assert run.display.full_screen == 2


def test_recording_goes_on_and_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = {2: [Action.RECORD], 8: [Action.RECORD], 12: [Action.QUIT]}
    run = Run(FakeSource(), InvertingEngine(), script=script, unpaced=True)()
    (path,) = tmp_path.iterdir()
    assert path.match("recording_*.mp4")
    clip = read_clip(path)
    assert [round(float(pixels.mean())) for pixels in clip.images] == pytest.approx(
        [255 - i for i in range(2, 8)], abs=3
    )
    assert run.said == [f"recording to {path.name}", f"wrote {path.name}: 6 frames, 16x12"]


def test_a_recording_that_still_runs_is_completed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run(FakeSource(9), script={3: [Action.RECORD]}, unpaced=True)()
    (path,) = tmp_path.iterdir()
    assert len(read_clip(path).images) == 6
    assert run.said[-1].startswith(f"wrote {path.name}")


def test_a_recording_shows_no_overlay(tmp_path: Path) -> None:
    source = FakeSource(8, size_wh=(320, 240), colour=(90, 90, 90))
    run = Run(source, sinks=[VideoFileSink(tmp_path / "out.mp4", 30)], script={}, unpaced=True)()
    assert run.display is not None
    assert difference(run.display.frames[-1].shown, run.display.frames[-1].pixels) > 1
    for pixels in read_clip(tmp_path / "out.mp4").images:
        assert difference(pixels, solid((90, 90, 90), (320, 240))) < 3


def test_a_snapshot_writes_input_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run(FakeSource(8), InvertingEngine(), script={5: [Action.SNAPSHOT]}, unpaced=True)()
    before, after = sorted(tmp_path.iterdir())
    assert before.match("snapshot_*_input.png")
    assert after.match("snapshot_*_output.png")
    values = [int(np.asarray(cv2.imread(str(path)))[0, 0, 0]) for path in (before, after)]
    assert values == [4, 251]
    assert run.said == [f"wrote {before.name} and {after.name}"]


@pytest.mark.parametrize("action", [Action.SNAPSHOT, Action.RECORD])
def test_a_file_that_cannot_be_written_is_told_and_the_show_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    run = Run(FakeSource(8), script={3: [action]}, unpaced=True)()
    monkeypatch.chdir(tmp_path)
    assert run.sink.indices == list(range(8))
    assert len(run.said) == 1
    assert "cannot be written" in run.said[0]


def test_a_snapshot_before_the_first_frame_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Run(FakeSource(3, interval_s=0.05), script={0: [Action.SNAPSHOT]})()
    assert list(tmp_path.iterdir()) == []


def _shown(run: Run) -> list[StylizedFrame]:
    assert run.display is not None
    return run.display.frames


def test_overlay_and_help_come_and_go() -> None:
    size_wh = (320, 240)
    script = {4: [Action.HELP], 12: [Action.HELP, Action.OVERLAY]}
    run = Run(FakeSource(20, size_wh, (90, 90, 90)), script=script, unpaced=True)()
    first, with_help, last = _shown(run)[0], _shown(run)[8], _shown(run)[-1]
    assert (first.shown[:120] == first.pixels[:120]).all()
    assert (first.shown[-10:] != first.pixels[-10:]).any()
    assert (with_help.shown[:120] != with_help.pixels[:120]).any()
    # A message ("overlay off") stays for a while after the overlay has gone.
    assert (last.shown[:120] == last.pixels[:120]).all()
    assert difference(last.shown, last.pixels) < difference(first.shown, first.pixels)


def test_without_a_display_nothing_is_drawn() -> None:
    run = Run(FakeSource(3), unpaced=True)()
    assert all(stylized.shown is stylized.pixels for stylized in run.sink.frames)


def test_a_key_switches_to_the_next_camera() -> None:
    back = FakeSource(colour=(200, 200, 200), interval_s=0.001)
    cameras = [Camera("/dev/video0", "Front"), Camera("/dev/video2", "Back")]
    front = FakeSource(colour=(0, 0, 0), interval_s=0.001)
    source = SwitchingSource(front, cameras[0].device, lambda _: back, lambda _: None, lambda: cameras)
    script: Script = {3: [Action.NEXT_CAMERA], 100: [Action.QUIT]}
    run = Run(source, script=script, controllers=[source])()
    assert (run.stylized[0], run.stylized[-1]) == (0, 200)
    assert run.stylized == sorted(run.stylized)
    assert run.sink.indices == sorted(set(run.sink.indices))
    assert front.closed
    assert back.closed
