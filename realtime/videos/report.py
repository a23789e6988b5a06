"""Owns the report of one input: what came of it, in a JSON file beside its result."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neural_style.atomic_file import whole_file
from realtime.engines.protocol import EngineInfo
from realtime.errors import OptionError
from realtime.media.still_reader import is_pattern, stem_of_pattern
from realtime.style import Style
from realtime.videos.outputs import FileTask

SUFFIX = ".report.json"


class InputReport:
    """Collects what is told of an input, from the beginning of the work on it.

    Args:
        task: the input, with a file that it becomes.
        info: what runs.
        styles: of its results, in their order.
        overwrite: whether an earlier report is replaced.
    """

    def __init__(self, task: FileTask, info: EngineInfo, styles: Sequence[Style], overwrite: bool) -> None:
        self._path, self._began_s = report_path(task), time.perf_counter()
        self._overwrite = overwrite
        began = datetime.now(UTC).isoformat(timespec="seconds")
        pairs = zip(task.targets, styles, strict=False)  # a sheet of all styles is one file
        self._content: dict[str, Any] = {
            "input": str(task.source or "standard input"),
            "outputs": [{"file": str(target), "style": style.name} for target, style in pairs],
            "engine": {name: getattr(info, name) for name in ("engine", "device", "precision", "provider")},
            "times": {"began": began},
        }
        self._content["engine"]["network"] = styles[0].network

    def write(self, facts: dict[str, Any]) -> None:
        """Writes the report.

        Args:
            facts: what came of the input, as `Reporter` is told; of videos also `stage_ms`, `cuts_s` and `flicker`.

        Raises:
            OSError: it cannot be written.
        """
        content = self._content
        content["times"]["seconds"] = round(time.perf_counter() - self._began_s, 3)
        content["times"] |= {name: facts[name] for name in ("fps", "stage_ms") if name in facts}
        for output, value in zip(content["outputs"], facts.get("flicker", ()), strict=False):
            output["flicker"] = None if value is None else round(value, 4)
        kept = ("frames", "size", "lost", "damaged", "cuts_s", "error")
        content |= {name: facts[name] for name in kept if name in facts}
        with whole_file(self._path, self._overwrite) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def report_path(task: FileTask) -> Path:
    """Where the report of a task lies: `out.mp4.report.json`.

    Raises:
        OptionError: its result is on standard output.
    """
    if not task.targets:
        raise OptionError("report: lies beside a file, and the output is standard output; leave --report out")
    target = task.targets[0]
    return target.with_name((stem_of_pattern(target) if is_pattern(target.name) else target.name) + SUFFIX)


def check_report(task: FileTask, overwrite: bool) -> None:
    """Raises OptionError where a report would replace one that is there, or has no place."""
    path = report_path(task)
    if path.exists() and not overwrite:
        raise OptionError(f"report {path}: is there already; use --overwrite, or remove it")
