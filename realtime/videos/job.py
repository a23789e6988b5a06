"""Owns a run over files: which are stylized in which way, and what came of each."""

import json
import os
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any, NoReturn

from neural_style.atomic_file import whole_file
from neural_style.errors import StylizationError
from realtime.engines import TYPICAL_SIZE_WH, Engine, open_engine
from realtime.engines.selection import report_unused_gpu
from realtime.errors import EngineError, EngineTimeoutError
from realtime.look import Look
from realtime.media.readers import VideoSource
from realtime.media.standard_input import SpooledInput
from realtime.media.video_frame import Cut
from realtime.options import PARALLEL_BATCHES, FileOptions, LookOptions
from realtime.output_names import check_output, held_names, no_empty_folders
from realtime.stroke_size import StrokeEngine
from realtime.style import Style
from realtime.style_catalogue import Catalogue, bound_note, open_style_list
from realtime.videos.fingerprint import engine_settings, look_settings
from realtime.videos.outputs import FileTask, VideoForm, find_tasks
from realtime.videos.report import InputReport, check_report
from realtime.videos.reporting import Reporter, note_engine
from realtime.videos.resume import kept_path
from realtime.videos.stylize_image import ImageStylizer
from realtime.videos.stylize_video import VideoJob, make_videos
from realtime.videos.task_checks import check_images, check_video, find_task_encoder, unreadable
from realtime.videos.tracks import Note
from realtime.videos.video_output import SEGMENT_FRAMES
from realtime.videos.watch import POLL_S, WatchedFolder


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    Attributes:
        failed: files that were not written.
        damaged: files that were written, of videos that lost frames.
    """

    failed: int
    damaged: int


def run_files(options: FileOptions, reporter: Reporter) -> RunResult:
    """Stylizes all inputs; one that fails is reported, and the others go on.

    With `watch` it stylizes what appears in a folder, until it is interrupted.

    Raises:
        StylizationError: nothing can be done at all: a style, an engine or an input is not there,
            or an output cannot be.
        KeyboardInterrupt: as the caller's signal handler raised it; only finished files are left, and with
            `resume` the unfinished video's work.
    """
    catalogue, places = open_style_list(options.styles, options.network)
    styles = [catalogue.styles[place] for place in places]
    names = [style.name for style in styles[:1] if options.sheet] or [style.name for style in styles]

    def note(line: str) -> None:
        reporter.report("note", "names", text=line)

    if options.network == "auto" and (line := bound_note(options.styles)):
        network, _, why = line.partition(": ")
        reporter.report("note", network, text=why)
    watched = WatchedFolder(Path(options.inputs[0]), Path(options.output)) if options.watch else None
    tasks = [] if watched else _checked_tasks(options, options.inputs, options.output, names, note)
    _check_stats(options, tasks)
    if len(tasks) == 1 and not options.report and (fault := unreadable(tasks[0], options)):
        reporter.report("error", str(tasks[0].source), text=fault)
        return RunResult(failed=1, damaged=0)
    parallel_batches = PARALLEL_BATCHES if watched or any(task.is_video for task in tasks) else 1
    wanted = replace(options, engine=replace(options.engine, parallel_batches=parallel_batches))
    engine = open_file_engine(catalogue, wanted, places[0], reporter)
    try:
        run = _Run(options, engine, styles, reporter)
        with run:
            if watched:
                run.watch(watched, names)
            result = run.run(tasks)
    finally:
        engine.close()
    if options.stats is not None:
        with whole_file(options.stats, replace=options.overwrite) as partial:
            partial.write_text(json.dumps(run.video_stats, indent=2) + "\n", encoding="utf-8")
    return result


def _checked_tasks(
    options: FileOptions, inputs: Sequence[str], output: str, names: list[str], note: Note | None = None
) -> list[FileTask]:
    """What is to be done, after all that can be checked before.

    Raises:
        OptionError, SourceError: something cannot be done.
    """
    form = VideoForm(options.fps, options.pipe_format)
    tasks = find_tasks(inputs, output, names, options.overwrite, note, form)
    for task in tasks:
        if task.is_video:
            check_video(task, options)
        if options.report:
            check_report(task, options.overwrite)
    if not options.watch:
        check_images(tasks, options)
    return tasks


def _check_stats(options: FileOptions, tasks: list[FileTask]) -> None:
    if options.stats is not None:
        inputs = [task.source for task in tasks if task.source is not None]
        inputs += [Path(style) for style in options.styles.split(",")]
        targets = [target for task in tasks for target in task.targets]
        check_output("stats", options.stats, inputs, targets, options.overwrite)


def open_file_engine(catalogue: Catalogue, options: FileOptions, first_style: int, reporter: Reporter) -> Engine:
    """Opens what runs over files: the engine that was asked for, or with `tile_px` one that takes images in parts.

    Raises:
        EngineError: it cannot be had.
    """
    note = partial(note_engine, reporter)
    if options.tile_px is None:
        return open_engine(catalogue, options.engine, first_style, TYPICAL_SIZE_WH, note)
    if options.engine.engine not in ("auto", "torch"):
        raise EngineError(f"tile: not with engine {options.engine.engine}; use --engine torch, or leave --tile out")
    from neural_style.networks.tiles import LEAST_TILE_PX
    from realtime.engines.torch_engine import TorchEngine

    side_px = max(options.tile_px, LEAST_TILE_PX)
    if side_px > options.tile_px:
        note(f"tile {options.tile_px}: parts of {side_px} px are taken; smaller ones cost more than twice the time")
    progress = partial(_report_parts, reporter) if options.engine.parallel_batches == 1 else None  # videos tell frames
    engine = TorchEngine(catalogue, options.engine, side_px, progress)
    report_unused_gpu("torch", options.engine, note)
    return engine


def looks_of(options: FileOptions, styles: Sequence[Style], smoothing: float) -> list[Look]:
    """The looks of a run over files; `smoothing` is that of inputs of this kind where none was asked for."""
    chosen = options.look
    strength = smoothing if options.smoothing is None else options.smoothing
    return [Look(style, chosen.strength, chosen.keep_colors, strength) for style in styles]


def _are_there(task: FileTask) -> bool:
    return all(target.exists() for target in task.targets)


def _report_parts(reporter: Reporter, done: int, total: int) -> None:
    reporter.report("progress", "parts", frames=done, total=total)


class _Run:
    def __init__(self, options: FileOptions, engine: Engine, styles: list[Style], reporter: Reporter) -> None:
        self._options, self._engine, self._styles, self._reporter = options, engine, styles, reporter
        self._video_engine = engine if options.stroke == 1.0 else StrokeEngine(engine, options.stroke, None)
        self._images = ImageStylizer(options, engine, partial(note_engine, reporter))
        self.video_stats: list[dict[str, Any]] = []

    def __enter__(self) -> "_Run":
        self._images.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._images.__exit__()

    def run(self, tasks: list[FileTask]) -> RunResult:
        failed = damaged = 0
        for task in tasks:
            with no_empty_folders(task.targets):
                facts = self._facts(task)
            if facts is None:
                failed += 1
            else:
                damaged += bool(facts.get("lost_any"))
        return RunResult(failed, damaged)

    def watch(self, watched: WatchedFolder, names: list[str]) -> NoReturn:
        """Stylizes what appears, until a signal raises KeyboardInterrupt."""
        self._reporter.report("note", self._options.inputs[0], text="is watched; Ctrl-C ends")
        while True:
            for name in watched.complete():
                self._watched_file(watched, name, names)
                watched.done(name)
            sleep(POLL_S)

    def _watched_file(self, watched: WatchedFolder, name: Path, names: list[str]) -> None:
        source, folder = Path(self._options.inputs[0]) / name, Path(self._options.output) / name.parent
        output = f"{folder}{os.sep}"
        try:
            (task,) = find_tasks([str(source)], output, names, overwrite=True)
            if watched.has_namesake(name) and not watched.was_done(name) and _are_there(task):
                output = str(folder / f"{name.name}{task.targets[0].suffix}")
                (task,) = find_tasks([str(source)], output, names, overwrite=True)
            if _are_there(task) and not watched.was_done(name) and not self._options.overwrite:
                # An earlier run made it, and was stopped before it could remember that.
                self._reporter.report("note", str(source), text=f"left as it is: {task.targets[0]} is there already")
                return
            tasks = _checked_tasks(self._options, [str(source)], output, names)
        except StylizationError as error:
            self._reporter.report("error", str(source), text=str(error))
            return
        self.run(tasks)

    def _facts(self, task: FileTask) -> dict[str, Any] | None:
        """Stylizes one input and gives what came of it; None where it failed."""
        name, targets = str(task.source or "standard input"), [str(target) for target in task.targets]
        self._reporter.report("begin", name, targets=targets)
        wants_report, overwrite = self._options.report, self._options.overwrite
        report = InputReport(task, self._engine.info, self._styles, overwrite) if wants_report else None
        try:
            for target in task.targets:
                target.parent.mkdir(parents=True, exist_ok=True)
            with held_names(task.targets, overwrite):
                facts = self._video(task) if task.is_video else {"size": self._images.stylize(task, self._looks(0.0))}
            details = {key: facts.pop(key) for key in ("stage_ms", "cuts_s", "flicker") if key in facts}
            if report is not None:
                report.write(facts | details)
        except EngineTimeoutError:
            raise  # every further input would wait as long
        except StylizationError as error:
            reason = str(error)
        except OSError as error:
            reason = f"output {error.filename}: {error.strerror}; choose another place"
        else:
            self._reporter.report("done", name, targets=targets or ["standard output"], **facts)
            return facts
        self._reporter.report("error", name, text=reason)
        if report is not None:
            with suppress(OSError):  # where the results cannot be, neither can it
                report.write({"error": reason})
        return None

    def _video(self, task: FileTask) -> dict[str, Any]:
        if task.source is not None:
            return self._video_of(task.sequence or task.source, task)
        with closing(SpooledInput()) as spooled:
            return self._video_of(spooled, task)

    def _video_of(self, source: VideoSource, task: FileTask) -> dict[str, Any]:
        options, name = self._options, str(source)
        looks = self._looks(LookOptions.smoothing)
        is_cut = options.start_s or options.end_s is not None
        job = VideoJob(
            source=source,
            looks=tuple(looks),
            targets=task.targets or (None,),
            encoder=find_task_encoder(task, options),
            cut=Cut(options.start_s, options.end_s) if is_cut else None,
            max_side_px=options.max_side_px,
            batch_size=options.engine.batch_size or (1 if options.resume else None),
            fingerprint=self._fingerprint(source, looks) if options.resume and isinstance(source, Path) else None,
            overwrite=options.overwrite,
            pipe_format=options.pipe_format,
            measures=options.report,
        )
        if not options.resume and task.targets and (kept := kept_path(task.targets[0])).is_dir():
            self._reporter.report("note", name, text=f"begun anew; {kept} holds work that --resume would use")
        report = make_videos(
            job,
            self._video_engine,
            lambda line: self._reporter.report("note", name, text=line),
            lambda done, total: self._reporter.report("progress", name, frames=done, total=total),
        )
        found = {"lost": report.lost, "damaged": report.damaged}
        self.video_stats.append({"video": name, **asdict(report.stats), **found})
        return {
            "frames": report.frames,
            "fps": report.stats.fps,
            "size": report.stats.size,
            **found,
            "stage_ms": report.stats.stage_ms,
            "cuts_s": report.cuts_s,
            "flicker": report.flicker,
            "lost_any": report.lost + report.damaged > 0,
        }

    def _looks(self, smoothing: float) -> list[Look]:
        return looks_of(self._options, self._styles, smoothing)

    def _fingerprint(self, source: Path, looks: list[Look]) -> dict[str, Any]:
        """What decides the frames of a video: a run with the same fingerprint gives the same frames."""
        status = source.stat()
        return {
            "video": [str(source.resolve()), status.st_size, status.st_mtime_ns],
            **look_settings(self._options, looks),
            **engine_settings(self._engine.info),
            "images in a piece": SEGMENT_FRAMES,
        }
