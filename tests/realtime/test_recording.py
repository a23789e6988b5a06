"""Tests of snapshots: two images, whole or not at all.

Must not need a display.
"""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import RED, CollectingSink, IdentityEngine, make_frame, noise, read_clip, solid
from live_run import Run

from realtime.controls import Panel
from realtime.errors import SinkError
from realtime.recording import marks_of, write_snapshot
from realtime.sinks.protocol import StylizedFrame
from realtime.sinks.video_file import VideoFileSink
from realtime.sources.pattern import PatternSource
from realtime.style import Style


def test_input_and_output_are_written_without_loss_or_overlay(tmp_path: Path) -> None:
    original, stylized = noise((33, 21), 1), noise((33, 21), 2)
    frame = StylizedFrame(make_frame(original), stylized, solid(RED, (33, 21)))
    paths = write_snapshot(frame, tmp_path / "snapshot_1.5")
    assert [path.name for path in paths] == ["snapshot_1.5_input.png", "snapshot_1.5_output.png"]
    assert sorted(tmp_path.iterdir()) == list(paths)
    for path, pixels in zip(paths, (original, stylized), strict=True):
        assert np.array_equal(np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)), pixels)


def _red() -> StylizedFrame:
    return StylizedFrame(make_frame(solid(RED)), solid(RED), solid(RED))


def test_red_stays_red(tmp_path: Path) -> None:
    for path in write_snapshot(_red(), tmp_path / "red"):
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        assert pixels is not None
        assert (pixels == RED).all()


def test_a_place_that_cannot_be_written_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "none" / "red"
    with pytest.raises(SinkError) as refused:
        write_snapshot(_red(), path)
    assert f"{path}_input.png" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_cannot_take_its_name_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "red_input.png").mkdir()
    with pytest.raises(SinkError):
        write_snapshot(_red(), tmp_path / "red")
    assert list(tmp_path.iterdir()) == [tmp_path / "red_input.png"]


def test_a_display_says_that_it_records_and_that_it_stands_still(tmp_path: Path) -> None:
    assert marks_of([CollectingSink()], Panel()) == []
    recording = VideoFileSink(tmp_path / "a.mp4", 10.0)
    assert marks_of([CollectingSink(), recording], Panel(frozen=True)) == ["recording", "frozen"]
    recording.abandon()


class WarmingEngine(IdentityEngine):
    """Takes a while for the first frame of a shape, as those that compile do."""

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        if shape not in self.prepared:
            time.sleep(0.6)
        return super().prepare(shape, style)


def test_a_recording_begins_when_images_flow(tmp_path: Path) -> None:
    sink = VideoFileSink(tmp_path / "out.mp4", 30.0)
    Run(PatternSource((64, 48), paced=True), WarmingEngine(), [sink], max_frames=4)()
    times_s = read_clip(tmp_path / "out.mp4").times_s
    assert times_s[0] == 0
    assert times_s[1] < 0.4
