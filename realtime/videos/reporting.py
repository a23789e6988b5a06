"""Owns what a run over files reports: lines and a progress bar for people, lines of JSON for scripts."""

import json
import sys
import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_JSON_INTERVAL_S = 1.0


class Reporter(Protocol):
    """Takes what happens, in its order."""

    def began(self, source: str, targets: list[str]) -> None:
        """A file is begun."""

    def advanced(self, source: str, done: int, total: int) -> None:
        """So many frames of a video are done; a total of 0 is unknown."""

    def noted(self, source: str, line: str) -> None:
        """Something that the user should know, such as what could not be kept."""

    def wrote(self, source: str, targets: list[str], facts: dict[str, Any]) -> None:
        """A file is finished."""

    def failed(self, source: str, reason: str) -> None:
        """A file failed; an empty source is the whole run."""

    def interrupted(self) -> None:
        """The user ended the run."""

    def close(self) -> None:
        """Nothing more will be reported."""


class ConsoleReporter:
    """Lines for people, and on a terminal a progress bar.

    Args:
        to_stderr: keep standard output free for an image.
    """

    def __init__(self, to_stderr: bool) -> None:
        self._console = Console(stderr=to_stderr, highlight=False, soft_wrap=True, markup=False)
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._started_s, self._first = 0.0, 0

    def began(self, source: str, targets: list[str]) -> None:
        """See `Reporter.began`."""
        self._started_s, self._first = 0.0, 0

    def advanced(self, source: str, done: int, total: int) -> None:
        """See `Reporter.advanced`."""
        if not self._console.is_terminal:
            return
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[fps]:.1f} fps"), console=self._console)
            self._task = self._bar.add_task(source, total=total or None, fps=0.0)
            self._bar.start()
            self._started_s, self._first = time.perf_counter(), done
        elapsed_s = time.perf_counter() - self._started_s
        fps = (done - self._first) / elapsed_s if elapsed_s > 0 else 0.0
        self._bar.update(self._task, completed=done, total=max(total, done) or None, fps=fps)

    def noted(self, source: str, line: str) -> None:
        """See `Reporter.noted`."""
        self._console.print(f"{source}: {line}")

    def wrote(self, source: str, targets: list[str], facts: dict[str, Any]) -> None:
        """See `Reporter.wrote`."""
        self._end_bar()
        parts = [f"{facts['frames']} frames, {facts['fps']:.1f} fps"] if "frames" in facts else []
        parts += [facts["size"]] if "size" in facts else []
        parts += [f"lost {facts['lost']} frames, {facts['damaged']} damaged"] if facts.get("lost_any") else []
        self._console.print(f"wrote {', '.join(targets)}: {', '.join(parts)}")

    def failed(self, source: str, reason: str) -> None:
        """See `Reporter.failed`."""
        self._end_bar()
        self._errors.print(f"error: {reason}")

    def interrupted(self) -> None:
        """See `Reporter.interrupted`."""
        self._end_bar()
        self._errors.print("interrupted")

    def close(self) -> None:
        """See `Reporter.close`."""
        self._end_bar()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class JsonReporter:
    """One JSON object a line on standard output, or standard error where that is taken."""

    def __init__(self, to_stderr: bool) -> None:
        self._file = sys.stderr if to_stderr else sys.stdout
        self._reported_s = 0.0

    def began(self, source: str, targets: list[str]) -> None:
        """See `Reporter.began`."""
        self._write("begin", source=source, targets=targets)

    def advanced(self, source: str, done: int, total: int) -> None:
        """See `Reporter.advanced`; at most once a second."""
        now_s = time.perf_counter()
        if now_s - self._reported_s >= _JSON_INTERVAL_S:
            self._reported_s = now_s
            self._write("progress", source=source, frames=done, total=total)

    def noted(self, source: str, line: str) -> None:
        """See `Reporter.noted`."""
        self._write("note", source=source, text=line)

    def wrote(self, source: str, targets: list[str], facts: dict[str, Any]) -> None:
        """See `Reporter.wrote`."""
        self._write("done", source=source, targets=targets, **facts)

    def failed(self, source: str, reason: str) -> None:
        """See `Reporter.failed`."""
        self._write("error", source=source, text=reason)

    def interrupted(self) -> None:
        """See `Reporter.interrupted`."""
        self._write("interrupted")

    def close(self) -> None:
        """See `Reporter.close`."""
        self._file.flush()

    def _write(self, event: str, **facts: Any) -> None:
        self._file.write(json.dumps({"event": event, **facts}) + "\n")
        self._file.flush()


def make_reporter(in_json: bool, to_stderr: bool) -> Reporter:
    """One for scripts or for people."""
    return JsonReporter(to_stderr) if in_json else ConsoleReporter(to_stderr)
