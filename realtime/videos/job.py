"""Owns a run over files: which are done in which way, and what came of each.

Must not know the command line, nor how images and videos are read and written.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from neural_style.atomic_file import whole_file
from neural_style.contact_sheet import draw_sheet, make_cell
from realtime.engines import TYPICAL_SIZE_WH, Engine, open_engine
from realtime.engines.devices import unused_gpu
from realtime.errors import EngineError, EngineTimeoutError, OptionError, StylizationError
from realtime.flow import EngineStage
from realtime.look import Look
from realtime.media.codecs import find_encoder
from realtime.media.image_file import StillImage, read_still, write_still
from realtime.media.video_reader import Cut
from realtime.options import PARALLEL_BATCHES, FileOptions, LookOptions
from realtime.postprocess import Finisher
from realtime.stroke_size import StrokeEngine, resized_for_stylizing
from realtime.style_catalogue import Catalogue, Style, open_style_list
from realtime.videos.outputs import FileTask, find_tasks
from realtime.videos.reporting import Teller
from realtime.videos.resume import kept_path
from realtime.videos.stylize_video import SEGMENT_FRAMES, VideoJob, make_videos

_SHEET_COLUMNS = 5


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    Attributes:
        failed: files that were not written.
        damaged: files that were written, of videos that lost images.
    """

    failed: int
    damaged: int


def run_files(options: FileOptions, teller: Teller) -> RunResult:
    """Stylizes all inputs; one that fails is told, and the others go on.

    Raises:
        StylizationError: nothing can be done at all: a style, an engine or an input is not there,
            or an output cannot be.
        KeyboardInterrupt: as the caller's signal handler raised it; nothing is left but what was
            finished, and with `resume` the unfinished video's work.
    """
    catalogue, places = open_style_list(options.styles, options.network)
    styles = [catalogue.styles[place] for place in places]
    names = [style.name for style in styles[:1] if options.sheet] or [style.name for style in styles]
    tasks = find_tasks(options.inputs, options.output, names, options.overwrite)
    for task in tasks:
        if task.is_video and options.sheet:
            raise OptionError(f"sheet: {task.source} is a video; give images, or leave --sheet out")
        if task.is_video:
            find_encoder(options.codec, task.targets[0].suffix.lower())
    wanted = replace(options.engine, parallel_batches=PARALLEL_BATCHES if any(task.is_video for task in tasks) else 1)
    engine = _open_engine(catalogue, replace(options, engine=wanted), places[0], teller)
    try:
        run = _Run(options, engine, styles, teller)
        result = run.run(tasks)
    finally:
        engine.close()
    if options.stats is not None:
        with whole_file(options.stats) as partial:
            partial.write_text(json.dumps(run.video_stats, indent=2) + "\n", encoding="utf-8")
    return result


def _open_engine(catalogue: Catalogue, options: FileOptions, first_style: int, teller: Teller) -> Engine:
    def note(line: str) -> None:
        teller.noted("engine", line)

    if options.tile_px is None:
        return open_engine(catalogue, options.engine, first_style, TYPICAL_SIZE_WH, note)
    if options.engine.engine not in ("auto", "torch"):
        raise EngineError(f"tile: not with engine {options.engine.engine}; use --engine torch, or leave --tile out")
    from realtime.engines.tiled_engine import TiledEngine

    engine = TiledEngine(catalogue, options.engine, options.tile_px)
    unused = unused_gpu("torch", options.engine)
    if unused:
        note(unused)
    return engine


class _Run:
    def __init__(self, options: FileOptions, engine: Engine, styles: list[Style], teller: Teller) -> None:
        self._options, self._engine, self._styles, self._teller = options, engine, styles, teller
        self._video_engine = engine if options.stroke == 1.0 else StrokeEngine(engine, options.stroke, None)
        self._images, self._cells = self._stage(StrokeEngine(engine, options.stroke)), self._stage(engine)
        self.video_stats: list[dict[str, Any]] = []

    def run(self, tasks: list[FileTask]) -> RunResult:
        with self._images, self._cells:
            return self._run(tasks)

    def _run(self, tasks: list[FileTask]) -> RunResult:
        failed = damaged = 0
        for task in tasks:
            name, targets = str(task.source or "standard input"), [str(target) for target in task.targets]
            self._teller.began(name, targets)
            try:
                for target in task.targets:
                    target.parent.mkdir(parents=True, exist_ok=True)
                facts = self._video(task) if task.is_video else self._image(task)
            except EngineTimeoutError:
                raise  # every further input would wait as long
            except StylizationError as error:
                failed += 1
                self._teller.failed(name, str(error))
                continue
            except OSError as error:
                failed += 1
                self._teller.failed(name, f"output {error.filename}: {error.strerror}; choose another place")
                continue
            damaged += bool(facts.get("lost_any"))
            self._teller.wrote(name, targets or ["standard output"], facts)
        return RunResult(failed, damaged)

    def _image(self, task: FileTask) -> dict[str, Any]:
        image = read_still(task.source).shrunk(self._options.max_side_px)
        targets: tuple[Path | None, ...] = task.targets or (None,)
        looks = self._looks(0.0)
        sheets = [self._sheet(image, looks)] if self._options.sheet else None
        stylized_images = sheets or (self._stylized(image, look, self._images) for look in looks)
        for stylized, target in zip(stylized_images, targets, strict=True):
            suffix = target.suffix.lower() if target is not None else image.format_suffix
            write_still(target, stylized, suffix)
        height, width = image.pixels.shape[:2]
        return {"size": f"{width}x{height}"}

    def _stage(self, engine: Engine) -> EngineStage[None]:
        return EngineStage(engine, report=lambda line: self._teller.noted("engine", line), prepares=False)

    def _stylized(self, image: StillImage, look: Look, stage: EngineStage[None]) -> StillImage:
        stylized = stage.stylize(image.pixels[None], look.style, look.strength)[0]
        return replace(image, pixels=Finisher().finish(stylized, image.pixels, look))

    def _sheet(self, image: StillImage, looks: list[Look]) -> StillImage:
        """The image and all its stylized images, in rows; cells are small, so nothing is brought back to full size."""
        sized = replace(image, pixels=resized_for_stylizing(image.pixels, self._options.stroke), alpha=None)
        cells = [make_cell("original", image.pixels)]
        cells += [make_cell(look.style.name, self._stylized(sized, look, self._cells).pixels) for look in looks]
        rows = [cells[first : first + _SHEET_COLUMNS] for first in range(0, len(cells), _SHEET_COLUMNS)]
        return StillImage(draw_sheet(rows))

    def _video(self, task: FileTask) -> dict[str, Any]:
        assert task.source is not None
        options, name = self._options, str(task.source)
        cut = None
        if options.start_s or options.end_s is not None:
            cut = Cut(options.start_s, options.end_s)
        looks = self._looks(LookOptions.smoothing)
        suffix = task.targets[0].suffix.lower()
        job = VideoJob(
            source=task.source,
            looks=tuple(looks),
            targets=task.targets,
            encoder=find_encoder(options.codec, suffix),
            cut=cut,
            max_side_px=options.max_side_px,
            batch_size=options.engine.batch_size or (1 if options.resume else None),
            job=self._fingerprint(task.source, looks) if options.resume else None,
        )
        if not options.resume and kept_path(task.targets[0]).is_dir():
            self._teller.noted(name, f"begun anew; {kept_path(task.targets[0])} holds work that --resume would use")
        report = make_videos(
            job,
            self._video_engine,
            lambda line: self._teller.noted(name, line),
            lambda done, total: self._teller.advanced(name, done, total),
        )
        self.video_stats.append({"video": name, **asdict(report.stats), "lost": report.lost, "damaged": report.damaged})
        return {
            "frames": report.frames,
            "fps": report.stats.fps,
            "size": report.stats.size,
            "lost": report.lost,
            "damaged": report.damaged,
            "lost_any": report.lost + report.damaged > 0,
        }

    def _looks(self, smoothing: float) -> list[Look]:
        chosen = self._options.look
        strength = smoothing if self._options.smoothing is None else self._options.smoothing
        return [Look(style, chosen.strength, chosen.keep_colors, strength) for style in self._styles]

    def _fingerprint(self, source: Path, looks: list[Look]) -> dict[str, Any]:
        """What decides the images of a video: with the same of it, another run gives the same."""
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
