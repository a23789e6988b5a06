"""Tests of what a run tells people and scripts.

Must not stylize anything.
"""

import io
import json

import pytest
from rich.console import Console

from realtime.videos.reporting import ConsoleReporter, JsonReporter, make_reporter

FACTS = {"frames": 8, "fps": 12.34, "size": "64x48", "lost": 1, "damaged": 2, "lost_any": True}


def test_people_are_told_in_lines_and_see_no_bar_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = make_reporter(in_json=False, to_stderr=False)
    reporter.began("a.mp4", ["b.mp4"])
    reporter.advanced("a.mp4", 4, 8)
    reporter.noted("a.mp4", "[track] 1: left out")
    reporter.wrote("a.mp4", ["b.mp4"], FACTS)
    reporter.failed("c.mp4", "video c.mp4: cannot be read")
    reporter.close()
    told = capsys.readouterr()
    assert told.out == (
        "a.mp4: [track] 1: left out\nwrote b.mp4: 8 frames, 12.3 fps, 64x48, lost 1 frames, 2 damaged\n"
    )
    assert told.err == "error: video c.mp4: cannot be read\n"


def test_a_terminal_shows_file_frames_speed_and_time_left() -> None:
    reporter, screen = ConsoleReporter(to_stderr=False), io.StringIO()
    reporter._console = Console(file=screen, force_terminal=True, width=100)
    for done in range(0, 101, 50):
        reporter.advanced("a.mp4", done, 100)
    reporter.close()
    shown = screen.getvalue()
    assert "a.mp4" in shown
    assert "100/100" in shown
    assert " fps" in shown


def test_a_image_has_standard_output_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for in_json in (False, True):
        reporter = make_reporter(in_json, to_stderr=True)
        reporter.wrote("standard input", ["standard output"], {"size": "64x48"})
        reporter.close()
    told = capsys.readouterr()
    assert told.out == ""
    assert "wrote standard output: 64x48" in told.err


def test_scripts_are_told_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = JsonReporter(to_stderr=False)
    reporter.began("a.mp4", ["b.mp4"])
    for done in range(100):
        reporter.advanced("a.mp4", done, 100)
    reporter.noted("a.mp4", "size")
    reporter.wrote("a.mp4", ["b.mp4"], FACTS)
    reporter.failed("", "no such style")
    reporter.interrupted()
    reporter.close()
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["begin", "progress", "note", "done", "error", "interrupted"]
    assert events[1] == {"event": "progress", "source": "a.mp4", "frames": 0, "total": 100}
    assert events[3]["targets"] == ["b.mp4"]
    assert events[3]["lost"] == 1
