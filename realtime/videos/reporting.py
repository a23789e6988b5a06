"""Owns what a run over files reports: lines and a progress bar for people, lines of JSON for scripts."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_JSON_INTERVAL_S = 1.0

Event = Literal["begin", "progress", "note", "done", "error", "failures", "interrupted"]


class Reporter(Protocol):
    """Takes what happens, in its order."""

    def report(self, event: Event, source: str = "", **facts: Any) -> None:
        """Takes one event.

        Args:
            event: its kind.
            source: the input that it is about; "" is the whole run.
            facts: of "begin" and "done" `targets`, the files; of "done" also `size`, and of videos `frames`, `fps`,
                `lost`, `damaged`, `lost_any`; of "progress" `frames` done and the `total`, 0 if unknown; of "note"
                and "error" `text`, a line for people. On a cluster "progress" is of all inputs, and has also `workers`
                that are there, `restarts` of them and `failures`; at the end "failures" has them in a list, each with
                `source` and `text`.
        """

    def close(self) -> None:
        """Nothing more will be reported."""


class ConsoleReporter:
    """Lines for people, and on a terminal a progress bar.

    Args:
        to_stderr: keep standard output free for an image.
        one_bar: the bar is of all inputs, and stays until `close`.
    """

    def __init__(self, to_stderr: bool, one_bar: bool = False) -> None:
        self._one_bar = one_bar
        self._console = Console(stderr=to_stderr, highlight=False, soft_wrap=True, markup=False)
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
        self._bar: Progress | None = None
        self._started_s, self._first = 0.0, 0

    def report(self, event: Event, source: str = "", **facts: Any) -> None:
        """See `Reporter.report`."""
        if event == "progress" and self._console.is_terminal:
            self._show_progress(source, facts)
        elif event == "note":
            self._console.print(f"{source}: {facts['text']}")
        elif event in ("done", "error", "failures", "interrupted"):
            if not self._one_bar or event in ("failures", "interrupted"):
                self.close()
            with self._beside_bar():
                self._print_end(event, facts)

    def close(self) -> None:
        """See `Reporter.close`."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print_end(self, event: Event, facts: dict[str, Any]) -> None:
        if event == "done":
            self._console.print(_done_line(facts))
        elif event == "failures":
            width = max(len(failure["source"]) for failure in facts["failures"])
            self._errors.print(f"{len(facts['failures'])} failed:")
            for failure in facts["failures"]:  # lines of a file must not be broken, so no table of a fixed width
                self._errors.print(f"{failure['source']:{width}}  {failure['text']}")
        else:
            self._errors.print(f"error: {facts['text']}" if event == "error" else "interrupted")

    @contextmanager
    def _beside_bar(self) -> Iterator[None]:
        """Takes the bar away while something else is printed, perhaps elsewhere."""
        if self._bar is not None:
            self._bar.stop()
        try:
            yield
        finally:
            if self._bar is not None:
                self._bar.start()

    def _show_progress(self, source: str, facts: dict[str, Any]) -> None:
        done, total = facts["frames"], facts["total"]
        cluster = ""
        if "workers" in facts:
            cluster = f"{facts['workers']} workers, {facts['restarts']} restarts, {facts['failures']} failed"
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            figures = TextColumn("{task.fields[fps]:.1f} fps  {task.fields[cluster]}")
            self._bar = Progress(*columns, figures, console=self._console)
            self._bar.add_task(source, total=total or None, fps=0.0, cluster=cluster)
            self._bar.start()
            self._started_s, self._first = time.perf_counter(), done
        elapsed_s = time.perf_counter() - self._started_s
        fps = (done - self._first) / elapsed_s if elapsed_s > 0 else 0.0
        wanted = max(total, done) or None
        self._bar.update(self._bar.task_ids[0], completed=done, total=wanted, fps=fps, cluster=cluster)


def _done_line(facts: dict[str, Any]) -> str:
    parts = [f"{facts['frames']} frames"] if "frames" in facts else []
    parts += [f"{facts['fps']:.1f} fps"] if "fps" in facts else []
    parts += [facts["size"]] if "size" in facts else []
    parts += [f"lost {facts['lost']} frames, {facts['damaged']} damaged"] if facts.get("lost_any") else []
    return f"wrote {', '.join(facts['targets'])}: {', '.join(parts)}"


class JsonReporter:
    """One JSON object a line on standard output, or standard error where that is taken."""

    def __init__(self, to_stderr: bool) -> None:
        self._file = sys.stderr if to_stderr else sys.stdout
        self._progress_s = 0.0

    def report(self, event: Event, source: str = "", **facts: Any) -> None:
        """See `Reporter.report`; "progress" at most once a second."""
        if event == "progress":
            now_s = time.perf_counter()
            if now_s - self._progress_s < _JSON_INTERVAL_S:
                return
            self._progress_s = now_s
        about = {} if event in ("interrupted", "failures") else {"source": source}
        self._file.write(json.dumps({"event": event, **about, **facts}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """See `Reporter.close`."""


def note_engine(reporter: Reporter, line: str) -> None:
    """Reports a line that an engine says of itself."""
    reporter.report("note", "engine", text=line.removeprefix("engine "))


def make_reporter(in_json: bool, to_stderr: bool, one_bar: bool = False) -> Reporter:
    """One for scripts or for people; arguments as of `ConsoleReporter`."""
    return JsonReporter(to_stderr) if in_json else ConsoleReporter(to_stderr, one_bar)
