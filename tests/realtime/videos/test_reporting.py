"""Tests of what a run over files reports to people and scripts."""

import io
import json

import pytest
from rich.console import Console

from realtime.videos.reporting import ConsoleReporter, JsonReporter, make_reporter

FACTS = {"frames": 8, "fps": 12.34, "size": "64x48", "lost": 1, "damaged": 2, "lost_any": True}


def test_people_read_lines_and_see_no_bar_without_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = make_reporter(in_json=False, to_stderr=False)
    reporter.report("begin", "a.mp4", targets=["b.mp4"])
    reporter.report("progress", "a.mp4", frames=4, total=8)
    reporter.report("note", "a.mp4", text="[track] 1: left out")
    reporter.report("done", "a.mp4", targets=["b.mp4"], **FACTS)
    reporter.report("error", "c.mp4", text="video c.mp4: cannot be read")
    reporter.close()
    shown = capsys.readouterr()
    assert shown.out == (
        "a.mp4: [track] 1: left out\nwrote b.mp4: 8 frames, 12.3 fps, 64x48, lost 1 frames, 2 damaged\n"
    )
    assert shown.err == "error: video c.mp4: cannot be read\n"


def test_a_terminal_shows_file_frames_speed_and_time_left() -> None:
    reporter, screen = ConsoleReporter(to_stderr=False), io.StringIO()
    reporter._console = Console(file=screen, force_terminal=True, width=100)
    for done in range(0, 101, 50):
        reporter.report("progress", "a.mp4", frames=done, total=100)
    reporter.close()
    shown = screen.getvalue()
    assert "a.mp4" in shown
    assert "100/100" in shown
    assert " fps" in shown


def test_an_image_has_standard_output_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for in_json in (False, True):
        reporter = make_reporter(in_json, to_stderr=True)
        reporter.report("done", "standard input", targets=["standard output"], size="64x48")
        reporter.close()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "wrote standard output: 64x48" in shown.err


def test_scripts_read_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = JsonReporter(to_stderr=False)
    reporter.report("begin", "a.mp4", targets=["b.mp4"])
    for done in range(100):
        reporter.report("progress", "a.mp4", frames=done, total=100)
    reporter.report("note", "a.mp4", text="size")
    reporter.report("done", "a.mp4", targets=["b.mp4"], **FACTS)
    reporter.report("error", "", text="no such style")
    reporter.report("interrupted")
    reporter.close()
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["begin", "progress", "note", "done", "error", "interrupted"]
    assert events[1] == {"event": "progress", "source": "a.mp4", "frames": 0, "total": 100}
    assert events[3]["targets"] == ["b.mp4"]
    assert events[3]["lost"] == 1


def test_a_cluster_has_one_bar_until_the_end_and_a_table_of_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    reporter, screen = ConsoleReporter(to_stderr=False, one_bar=True), io.StringIO()
    reporter._console = Console(file=screen, force_terminal=True, width=140, highlight=False)
    for done in (0, 50):
        reporter.report("progress", "all", frames=done, total=100, workers=2, restarts=1, failures=done // 50)
        reporter.report("error", "c.mp4", text="video c.mp4: cannot be read")
    bar = reporter._bar
    assert bar is not None
    reporter.report("done", "a.mp4", targets=["b.mp4"], frames=8, size="64x48")
    assert reporter._bar is bar
    reporter.report("failures", failures=[{"source": "c.mp4", "text": "video c.mp4: cannot be read"}])
    reporter.close()
    shown, said = screen.getvalue(), capsys.readouterr().err
    assert "50/100" in shown
    assert "2 workers, 1 restarts, 1 failed" in shown
    assert "wrote b.mp4: 8 frames, 64x48" in shown
    assert [line.split("  ") for line in said.splitlines()[-1:]] == [["c.mp4", "video c.mp4: cannot be read"]]
