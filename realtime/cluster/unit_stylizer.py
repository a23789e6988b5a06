"""Owns doing units of work with an open engine; each is done in a folder of its own, and moved when it is whole."""

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from neural_style.errors import StylizationError
from realtime.cluster.joining import Fit, check_fit, records_of
from realtime.cluster.scan import ScanWish, scan_video
from realtime.cluster.storage import Storage, is_address, joined, storage_of
from realtime.cluster.units import (
    ImagesUnit,
    JoinUnit,
    Outcome,
    ScanUnit,
    SegmentUnit,
    Setup,
    Source,
    StylizeUnit,
    VideoUnit,
    video_source,
)
from realtime.engines.protocol import Engine
from realtime.errors import EngineError, EngineMemoryError, EngineTimeoutError, SourceError
from realtime.look import Look
from realtime.media.codecs import Encoder, find_encoder
from realtime.media.image_file import IMAGE_SUFFIXES
from realtime.media.readers import VideoSource, open_reader
from realtime.media.still_reader import ImageSequence, is_animation
from realtime.options import LookOptions
from realtime.stroke_size import StrokeEngine
from realtime.style_catalogue import Catalogue
from realtime.videos.job import looks_of
from realtime.videos.mux import Assembly, assemble
from realtime.videos.outputs import FileTask
from realtime.videos.segments import segment_paths
from realtime.videos.stylize_image import ImageStylizer
from realtime.videos.stylize_video import VideoJob, make_videos
from realtime.videos.video_part import PartFiles, state_paths


class UnitStylizer:
    """Does units of work.

    Args:
        setup: what is asked for.
        catalogue: the styles.
        engine: stays open.
        count: is told how many frames of the unit under way are done.
    """

    def __init__(self, setup: Setup, catalogue: Catalogue, engine: Engine, count: Callable[[int], None]) -> None:
        self._setup, self._options = setup, setup.options
        self._catalogue, self._engine, self._tell = catalogue, engine, count

    def stylize(self, unit: StylizeUnit) -> Outcome:
        """Does one.

        Raises:
            StylizationError: its input cannot be read, stylized or written.
            OSError: a result cannot be written.
        """
        if isinstance(unit, SegmentUnit):
            return self._segment(unit)
        if isinstance(unit, JoinUnit):
            return self._join(unit)
        if isinstance(unit, VideoUnit):
            return self._video(unit)
        return self._images(unit)

    def _segment(self, unit: SegmentUnit) -> Outcome:
        looks, number = self._looks(LookOptions.smoothing), unit.part.number
        with _attempt(unit.attempts) as (storage, scratch):
            states: tuple[Path, ...] = ()
            if unit.goes_on:
                before = [joined(joined(unit.folder, str(place)), state_paths(Path(), number - 1)[1].name)
                          for place in range(len(looks))]  # fmt: skip
                states = tuple(_fetched(storage, address, scratch / f"before-{place}")
                               for place, address in enumerate(before))  # fmt: skip
            job = VideoJob(
                source=video_source(unit.source),
                looks=tuple(looks),
                targets=tuple(scratch / f"{place}{unit.suffix}" for place in range(len(looks))),
                encoder=self._encoder(unit.suffix),
                max_side_px=self._options.max_side_px,
                batch_size=self._options.engine.batch_size or 1,
                part=unit.part,
                part_files=PartFiles(scratch, states),
            )
            outcome = self._made(job)
            if outcome.facts["lost"] or outcome.facts["damaged"]:
                return Outcome("uncut", "frames in it are damaged")
            for place in range(len(looks)):
                piece, record = segment_paths(scratch / str(place), number)
                for file in (piece, *state_paths(scratch / str(place), number), record):  # the record last
                    if file.is_file():
                        storage.put(file, joined(joined(unit.folder, str(place)), file.name))
            return outcome

    def _join(self, unit: JoinUnit) -> Outcome:
        notes: list[str] = []
        source, encoder, cut = video_source(unit.source), self._encoder(unit.suffix), self._setup.cut
        with _attempt(unit.attempts) as (storage, scratch):
            folders = [_whole_folder(storage, joined(unit.folder, str(place)), scratch / f"pieces-{place}")
                       for place in range(len(unit.results))]  # fmt: skip
            fits = [check_fit(folder, unit.parts) for folder in folders]
            if not all(fit.is_good for fit in fits):
                return _to_do_again(fits)
            with closing(open_reader(source, self._options.max_side_px)) as reader:
                info = reader.info
            for place, (folder, result) in enumerate(zip(folders, unit.results, strict=True)):
                target = scratch / f"{place}{unit.suffix}"
                note: Callable[[str], None] = notes.append if place == 0 else lambda _: None
                bounds = None if cut is None else cut.bounds(info)
                assembly = Assembly(folder, records_of(folder, unit.parts), source, bounds, overwrite=True)
                with _named(target, result):
                    assemble(assembly, target, encoder, info, note)
                storage.put(target, result)
        return Outcome("done", notes=tuple(notes))

    def _video(self, unit: VideoUnit) -> Outcome:
        with _attempt(unit.attempts) as (storage, scratch), _readable(unit.source) as (source, _):
            looks = self._looks(LookOptions.smoothing)
            job = VideoJob(
                source=source,
                looks=tuple(looks),
                targets=tuple(scratch / f"{place}{unit.suffix}" for place in range(len(looks))),
                encoder=self._encoder(unit.suffix),
                cut=self._setup.cut,
                max_side_px=self._options.max_side_px,
                batch_size=self._options.engine.batch_size or 1,
            )
            outcome = self._made(job)
            for place, result in enumerate(unit.results):
                storage.put(scratch / f"{place}{unit.suffix}", result)
            return outcome

    def _made(self, job: VideoJob) -> Outcome:
        notes: list[str] = []
        began_s = time.perf_counter()
        engine = self._engine if self._options.stroke == 1.0 else StrokeEngine(self._engine, self._options.stroke, None)
        report = make_videos(job, engine, notes.append, self._count)
        facts = {
            "frames": report.frames,
            "lost": report.lost,
            "damaged": report.damaged,
            "size": report.stats.size,
            "seconds": round(time.perf_counter() - began_s, 3),
            "host": socket.gethostname(),
            "stage_ms": report.stats.stage_ms,
        }
        return Outcome("done", notes=tuple(notes), facts=facts, info=engine.info)

    def _images(self, unit: ImagesUnit) -> Outcome:
        errors, notes, sizes = [], list[str](), []
        began_s = time.perf_counter()
        images = ImageStylizer(self._options, self._engine, notes.append)
        with _attempt(unit.attempts) as (storage, scratch), images:
            for address, results in unit.images:
                try:
                    sizes.append(self._image(images, storage, scratch, address, results))
                    errors.append("")
                except StylizationError as error:
                    if may_be_lost(error, self._engine.info.device):
                        raise
                    errors.append(str(error))
                    sizes.append("")
                self._tell(len(errors))
        facts = {"size": sizes, "seconds": round(time.perf_counter() - began_s, 3), "host": socket.gethostname()}
        return Outcome("done", notes=tuple(notes), facts=facts, errors=tuple(errors), info=self._engine.info)

    def _image(
        self, images: ImageStylizer, storage: Storage, scratch: Path, address: str, results: tuple[str, ...]
    ) -> str:
        with _readable(address) as (source, local):
            if local is None or is_animation(local):
                raise SourceError(f"input {source}: is an animation at an address; copy it to a path")
            targets = tuple(scratch / f"{place}{Path(result).suffix}" for place, result in enumerate(results))
            with _named(local, address):
                size = images.stylize(FileTask(local, targets, is_video=False), self._looks(0.0))
            for target, result in zip(targets, results, strict=True):
                storage.put(target, result)
        return size

    def _encoder(self, suffix: str) -> Encoder:
        return find_encoder(self._options.codec, suffix)

    def _looks(self, smoothing: float) -> list[Look]:
        styles = [self._catalogue.styles[place] for place in self._setup.places]
        return looks_of(self._options, styles, smoothing)

    def _count(self, done: int, _: int) -> None:
        self._tell(done)


def look_through(setup: Setup, unit: ScanUnit) -> Outcome:
    """Finds out where a video can be cut; needs no engine.

    Raises:
        StylizationError: it cannot be read.
    """
    options = setup.options
    smoothing = LookOptions.smoothing if options.smoothing is None else options.smoothing
    encoder = find_encoder(options.codec, unit.suffix)
    with _readable(unit.source) as (source, _):
        wish = ScanWish(source, setup.cut, encoder, smoothing, setup.segment_s)
        return Outcome("done", scan=scan_video(wish))


def may_be_lost(error: StylizationError, device: str) -> bool:
    """Whether another worker could do what one could not: its engine hangs, or its GPU fails."""
    if isinstance(error, EngineTimeoutError):
        return True
    return isinstance(error, EngineError) and device != "cpu" and not isinstance(error, EngineMemoryError)


@contextmanager
def _readable(source: Source) -> Iterator[tuple[VideoSource, Path | None]]:
    """What readers take, and a path of this machine where it is an image: what lies elsewhere is fetched."""
    if isinstance(source, ImageSequence) or not is_address(source):
        yield video_source(source), None if isinstance(source, ImageSequence) else Path(source)
        return
    if Path(source).suffix.lower() not in IMAGE_SUFFIXES:
        yield video_source(source), None
        return
    with tempfile.TemporaryDirectory(prefix="stylize-") as folder:
        path = storage_of(source).get(source, Path(folder))
        yield path, path


@contextmanager
def _attempt(folder: str) -> Iterator[tuple[Storage, Path]]:
    """A folder of its own for what may fail half-way, and where it goes when it is whole."""
    storage = storage_of(folder)
    scratch = storage.scratch(folder)
    try:
        yield storage, scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _named(file: Path, address: str) -> Iterator[None]:
    """Errors about a file name what it stands for."""
    try:
        yield
    except StylizationError as error:
        raise type(error)(str(error).replace(str(file), address)) from error


def _fetched(storage: Storage, address: str, folder: Path) -> Path:
    folder.mkdir()
    return storage.get(address, folder)


def _whole_folder(storage: Storage, address: str, folder: Path) -> Path:
    """A folder as one of this machine."""
    if not is_address(address):
        return Path(address)
    folder.mkdir()
    for name in storage.names(address):
        storage.get(joined(address, name), folder)
    return folder


def _to_do_again(fits: list[Fit]) -> Outcome:
    if any(fit.uncut for fit in fits):
        return Outcome("uncut", "its frames differ where it is cut")
    damaged = sorted({number for fit in fits for number in fit.damaged})
    differing = sorted({number for fit in fits for number in fit.differing})
    return Outcome("again", again=(tuple(damaged), tuple(differing)))
