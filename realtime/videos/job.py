"""Owns a run over files: which are stylized in which way, and what came of each."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from neural_style.atomic_file import whole_file
from neural_style.errors import StylizationError
from realtime.engines import TYPICAL_SIZE_WH, Engine, open_engine
from realtime.engines.selection import report_unused_gpu
from realtime.errors import EngineError, EngineTimeoutError, OptionError
from realtime.look import Look
from realtime.media.codecs import find_encoder
from realtime.media.video_reader import Cut
from realtime.options import PARALLEL_BATCHES, FileOptions, LookOptions
from realtime.output_names import check_output, held_names
from realtime.stroke_size import StrokeEngine
from realtime.style import Style
from realtime.style_catalogue import Catalogue, open_style_list
from realtime.videos.outputs import FileTask, find_tasks
from realtime.videos.reporting import Reporter
from realtime.videos.resume import kept_path
from realtime.videos.stylize_image import ImageStylizer
from realtime.videos.stylize_video import VideoJob, make_videos
from realtime.videos.video_output import SEGMENT_FRAMES


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

    Raises:
        StylizationError: nothing can be done at all: a style, an engine or an input is not there,
            or an output cannot be.
        KeyboardInterrupt: as the caller's signal handler raised it; only finished files are left, and with
            `resume` the unfinished video's work.
    """
    catalogue, places = open_style_list(options.styles, options.network)
    styles = [catalogue.styles[place] for place in places]
    names = [style.name for style in styles[:1] if options.sheet] or [style.name for style in styles]
    tasks = find_tasks(
        options.inputs,
        options.output,
        names,
        options.overwrite,
        lambda line: reporter.report("note", "names", text=line),
    )
    _check_stats(options, tasks)
    for task in tasks:
        if task.is_video and options.sheet:
            raise OptionError(f"sheet: {task.source} is a video; give images, or leave --sheet out")
        if task.is_video:
            find_encoder(options.codec, task.targets[0].suffix.lower())
    parallel_batches = PARALLEL_BATCHES if any(task.is_video for task in tasks) else 1
    wanted = replace(options, engine=replace(options.engine, parallel_batches=parallel_batches))
    engine = _open_engine(catalogue, wanted, places[0], reporter)
    try:
        run = _Run(options, engine, styles, reporter)
        result = run.run(tasks)
    finally:
        engine.close()
    if options.stats is not None:
        with whole_file(options.stats, replace=options.overwrite) as partial:
            partial.write_text(json.dumps(run.video_stats, indent=2) + "\n", encoding="utf-8")
    return result


def _check_stats(options: FileOptions, tasks: list[FileTask]) -> None:
    if options.stats is not None:
        inputs = [task.source for task in tasks if task.source is not None]
        inputs += [Path(style) for style in options.styles.split(",")]
        targets = [target for task in tasks for target in task.targets]
        check_output("stats", options.stats, inputs, targets, options.overwrite)


def _open_engine(catalogue: Catalogue, options: FileOptions, first_style: int, reporter: Reporter) -> Engine:
    def note(line: str) -> None:
        reporter.report("note", "engine", text=line)

    if options.tile_px is None:
        return open_engine(catalogue, options.engine, first_style, TYPICAL_SIZE_WH, note)
    if options.engine.engine not in ("auto", "torch"):
        raise EngineError(f"tile: not with engine {options.engine.engine}; use --engine torch, or leave --tile out")
    from realtime.engines.torch_engine import TorchEngine

    progress = partial(_report_parts, reporter) if options.engine.parallel_batches == 1 else None  # videos tell frames
    engine = TorchEngine(catalogue, options.engine, options.tile_px, progress)
    report_unused_gpu("torch", options.engine, note)
    return engine


def _report_parts(reporter: Reporter, done: int, total: int) -> None:
    reporter.report("progress", "parts", frames=done, total=total)


class _Run:
    def __init__(self, options: FileOptions, engine: Engine, styles: list[Style], reporter: Reporter) -> None:
        self._options, self._engine, self._styles, self._reporter = options, engine, styles, reporter
        self._video_engine = engine if options.stroke == 1.0 else StrokeEngine(engine, options.stroke, None)
        self._images = ImageStylizer(options, engine, lambda line: reporter.report("note", "engine", text=line))
        self.video_stats: list[dict[str, Any]] = []

    def run(self, tasks: list[FileTask]) -> RunResult:
        failed = damaged = 0
        with self._images:
            for task in tasks:
                facts = self._facts(task)
                if facts is None:
                    failed += 1
                else:
                    damaged += bool(facts.get("lost_any"))
        return RunResult(failed, damaged)

    def _facts(self, task: FileTask) -> dict[str, Any] | None:
        """Stylizes one input and gives what came of it; None where it failed."""
        name, targets = str(task.source or "standard input"), [str(target) for target in task.targets]
        self._reporter.report("begin", name, targets=targets)
        try:
            for target in task.targets:
                target.parent.mkdir(parents=True, exist_ok=True)
            with held_names(task.targets, self._options.overwrite):
                facts = self._video(task) if task.is_video else {"size": self._images.stylize(task, self._looks(0.0))}
        except EngineTimeoutError:
            raise  # every further input would wait as long
        except StylizationError as error:
            self._reporter.report("error", name, text=str(error))
            return None
        except OSError as error:
            reason = f"output {error.filename}: {error.strerror}; choose another place"
            self._reporter.report("error", name, text=reason)
            return None
        self._reporter.report("done", name, targets=targets or ["standard output"], **facts)
        return facts

    def _video(self, task: FileTask) -> dict[str, Any]:
        assert task.source is not None
        options, name, kept = self._options, str(task.source), kept_path(task.targets[0])
        looks = self._looks(LookOptions.smoothing)
        is_cut = options.start_s or options.end_s is not None
        job = VideoJob(
            source=task.source,
            looks=tuple(looks),
            targets=task.targets,
            encoder=find_encoder(options.codec, task.targets[0].suffix.lower()),
            cut=Cut(options.start_s, options.end_s) if is_cut else None,
            max_side_px=options.max_side_px,
            batch_size=options.engine.batch_size or (1 if options.resume else None),
            fingerprint=self._fingerprint(task.source, looks) if options.resume else None,
        )
        if not options.resume and kept.is_dir():
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
            "lost_any": report.lost + report.damaged > 0,
        }

    def _looks(self, smoothing: float) -> list[Look]:
        chosen = self._options.look
        strength = smoothing if self._options.smoothing is None else self._options.smoothing
        return [Look(style, chosen.strength, chosen.keep_colors, strength) for style in self._styles]

    def _fingerprint(self, source: Path, looks: list[Look]) -> dict[str, Any]:
        """What decides the frames of a video: a run with the same fingerprint gives the same frames."""
        status, info = source.stat(), self._engine.info
        vectors = [look.style.vector for look in looks]
        return {
            "video": [str(source.resolve()), status.st_size, status.st_mtime_ns],
            "style": [look.style.name for look in looks],
            "weights": [look.style.content_hash for look in looks],
            "vector": [hashlib.sha256(v.tobytes()).hexdigest() if v is not None else "" for v in vectors],
            "strength": looks[0].strength,
            "keep-colors": looks[0].keep_colors,
            "smoothing": looks[0].smoothing,
            "codec": self._options.codec or "",
            "start": self._options.start_s,
            "end": self._options.end_s,
            "max-side": self._options.max_side_px,
            "stroke": self._options.stroke,
            "batch-size": self._options.engine.batch_size or 1,
            "engine": [info.engine, info.device, info.precision],
            "images in a piece": SEGMENT_FRAMES,
        }
