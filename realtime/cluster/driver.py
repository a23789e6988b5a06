"""Owns a run on many machines: what is to be done, who does it, and what came of each input."""

import heapq
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from neural_style.weights import SAVED_MODELS
from realtime.cluster.inputs import ClusterInput, find_inputs
from realtime.cluster.manifest import Manifest, settings_hash, work_folder
from realtime.cluster.options import ClusterOptions, check_options
from realtime.cluster.storage import joined, storage_of
from realtime.cluster.units import Outcome, ScanUnit, Setup, Unit
from realtime.cluster.video_work import ImagesWork, Job, Made, VideoWork, Work, remove_work
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError, OptionError, SinkError
from realtime.media.still_reader import ImageSequence
from realtime.options import FileOptions, LookOptions
from realtime.output_names import NameLock
from realtime.style_catalogue import Catalogue, open_style_list
from realtime.videos.fingerprint import engine_settings, look_settings
from realtime.videos.job import RunResult, looks_of
from realtime.videos.reporting import Reporter

_WAIT_S = 0.2
_PROGRESS_S = 0.5
_IMAGES_TOGETHER = 8
_MOST_TRIES = 5
"""How often a unit is given to a worker before it is taken for the cause of the worker's end."""


class Pool(Protocol):
    """Workers; `realtime.cluster.ray_pool.RayPool` has them on a Ray cluster."""

    restarts: int
    cores: int

    def __enter__(self) -> "Pool": ...
    def __exit__(self, *_: object) -> None: ...
    def __len__(self) -> int: ...
    @property
    def free(self) -> list[int]:
        """The workers that wait for work."""

    @property
    def alive(self) -> int:
        """How many workers are there."""

    def ask_all(self, method: str, *arguments: Any) -> list[Any]:
        """Asks all workers for the same."""

    def open(self, setup: Setup, worker: int) -> tuple[EngineInfo, tuple[str, ...]]:
        """Opens one worker's engine; see `Worker.open`."""

    def tell(self, setup: Setup) -> None:
        """Gives the setup of all units to come."""

    def submit(self, worker: int, unit: Unit) -> None:
        """Gives a free worker a unit."""

    def wait(self, limit_s: float) -> list[tuple[int, Outcome]]:
        """Waits for outcomes."""

    def progress(self) -> dict[int, int]:
        """Frames that busy workers have done."""


def open_ray_pool(cluster: ClusterOptions, options: FileOptions) -> Pool:
    """Workers on a Ray cluster."""
    from realtime.cluster.ray_pool import RayPool

    return RayPool(cluster, options.engine.device)


def run_cluster(
    options: FileOptions,
    cluster: ClusterOptions,
    reporter: Reporter,
    open_pool: Callable[[ClusterOptions, FileOptions], Pool] = open_ray_pool,
) -> RunResult:
    """Stylizes all inputs on the machines of a cluster; one that fails is reported, and the others go on.

    Raises:
        StylizationError: nothing can be done at all.
        KeyboardInterrupt: as the caller's signal handler raised it; the same command goes on.
    """
    check_options(options)
    catalogue, places = open_style_list(options.styles, options.network)
    styles = [catalogue.styles[place] for place in places]
    names = [style.name for style in styles[:1] if options.sheet] or [style.name for style in styles]

    def note(line: str) -> None:
        reporter.report("note", "names", text=line)

    inputs, address = find_inputs(options, names, note)
    lock = None if "://" in address else NameLock(_made_folder(address))
    try:
        run = _Run(options, cluster, Manifest(address), reporter)
        run.plan(inputs, catalogue, places)
        if run.to_do:
            with open_pool(cluster, options) as pool:
                run.do(pool)
        return run.result()
    finally:
        if lock is not None:
            lock.release()


class _Run:
    """One run: the inputs that are to be done, and what came of them."""

    def __init__(self, options: FileOptions, cluster: ClusterOptions, manifest: Manifest, reporter: Reporter) -> None:
        self._options, self._cluster, self._manifest, self._reporter = options, cluster, manifest, reporter
        self._folder = work_folder(manifest.address)
        self._attempts = joined(self._folder, "attempts")
        self._settings: dict[str, str] = {}
        self.to_do: list[ClusterInput] = []
        self._failures: list[tuple[str, str]] = []
        self._damaged = 0
        self._keeps = False
        self._works: list[Work] = []
        self._waiting: list[tuple[tuple[int, float, int], Job]] = []
        self._count = 0
        self._made: list[tuple[Work | None, Made]] = []
        self._progress_s = 0.0

    def plan(self, inputs: list[ClusterInput], catalogue: Catalogue, places: list[int]) -> None:
        """Finds out which inputs are to be done.

        Raises:
            SourceError: one cannot be read.
            OptionError: a result is there already, and not from an earlier run with these settings.
        """
        styles = [catalogue.styles[place] for place in places]
        self._catalogue, self._places = catalogue, places
        for one in inputs:
            looks = looks_of(self._options, styles, LookOptions.smoothing if one.is_video else 0.0)
            settings = settings_hash(self._settings_of(one) | look_settings(self._options, looks))
            target, entry = one.targets[0], self._manifest.entry(one.targets[0])
            self._settings[target] = settings
            same = entry.get("settings") == settings
            if same and entry.get("status") == "whole" and self._results_known(one, entry):
                self._made.append((None, Made(one, tuple(entry["results"]), entry.get("facts", {}))))
                continue
            there = [address for address in one.targets if storage_of(address).exists(address)]
            if same and entry.get("status") == "done" and len(there) == len(one.targets):
                self._reporter.report("note", one.name, text=f"left as it is: {target} was made with these settings")
                continue
            if there and not self._options.overwrite:
                made = ", made with other settings" if entry.get("status") == "done" and not same else ""
                raise OptionError(f"output {there[0]}: is there already{made}; use --overwrite, or choose another name")
            self.to_do.append(one)
            self._manifest.forget(target)
            self._manifest.put(target, input=one.name, targets=list(one.targets), settings=settings, status="waiting")
        self._manifest.write(whole=True)
        self._place_made()

    def do(self, pool: Pool) -> None:
        """Hands out all work, and waits for it.

        Raises:
            StylizationError: an input cannot be seen by a worker, an engine cannot be had, or no worker is left.
        """
        self._check_seen(pool)
        info = self._open(pool)
        self._make_works(info)
        for work in self._works:
            self._put(work.first())
        running: dict[int, Job] = {}
        try:
            while self._waiting or running:
                for worker in pool.free:
                    if self._waiting:
                        running[worker] = heapq.heappop(self._waiting)[1]
                        pool.submit(worker, running[worker].unit)
                for worker, outcome in pool.wait(_WAIT_S):
                    self._take(running.pop(worker), outcome)
                self._place_made()
                self._report_progress(pool, running)
        finally:
            with suppress(SinkError):
                self._manifest.write(whole=True)
            remove_work(self._attempts)
        if not self._keeps:
            remove_work(self._folder)

    def result(self) -> RunResult:
        """What came of the run; tells which inputs failed."""
        self._place_made()
        self._manifest.write(whole=True)
        if self._failures:
            self._reporter.report(
                "failures", failures=[{"source": name, "text": text} for name, text in self._failures]
            )
        return RunResult(len(self._failures), self._damaged)

    def _settings_of(self, one: ClusterInput) -> dict[str, Any]:
        options, source = self._options, one.source
        if isinstance(source, ImageSequence):
            state: list[Any] = [[str(path), *storage_of(str(path)).state(str(path))] for path in source.files.values()]
            state += [str(source.rate)]
        else:
            state = [source, *storage_of(source).state(source)]
        engine = options.engine
        asked = [engine.engine, engine.device, engine.precision, engine.provider, options.network]
        return {"input": state, "asked": asked, "tile": options.tile_px, "sheet": options.sheet}

    def _results_known(self, one: ClusterInput, entry: dict[str, Any]) -> bool:
        """Whether each result is whole, and has its name or waits for it."""
        results = entry.get("results", [])
        pairs = zip(results, one.targets, strict=False)
        return len(results) == len(one.targets) and all(
            storage_of(result).exists(result) or storage_of(target).exists(target) for result, target in pairs
        )

    def _check_seen(self, pool: Pool) -> None:
        """Raises EngineError where a worker cannot read an input, or does not see where results go."""
        sources: list[str] = []
        for one in self.to_do:
            held = [str(path) for path in one.source.files.values()] if isinstance(one.source, ImageSequence) else []
            sources += held or [str(one.source)]
        folder, _, name = self._manifest.address.rpartition("/")
        for line in pool.ask_all("unseen", tuple(sources), joined(folder or "/", name)):
            if line:
                raise EngineError(line)

    def _open(self, pool: Pool) -> EngineInfo:
        """Lets the first worker choose the engine, and gives it to all."""
        cores = pool.cores
        setup = Setup(self._options, self._catalogue, tuple(self._places), str(SAVED_MODELS), cores,
                      self._cluster.segment_s)  # fmt: skip
        info, notes = pool.open(setup, 0)
        for line in notes:
            self._reporter.report("note", "engine", text=line)
        engine = replace(
            self._options.engine, engine=info.engine, precision=info.precision, device=info.device.partition(":")[0]
        )
        setup = replace(setup, options=replace(self._options, engine=engine))
        for worker in range(1, len(pool)):
            other, _ = pool.open(setup, worker)
            if engine_settings(other) != engine_settings(info):
                raise EngineError(f"worker {worker}: runs {other}, and the first {info}; give --engine and --precision")
        pool.tell(setup)
        what = f"{len(pool)} workers of {cores} cores, {info.engine} {info.precision} on {info.device}"
        self._reporter.report("note", "cluster", text=what)
        return info

    def _make_works(self, info: EngineInfo) -> None:
        for one in self.to_do:
            if one.is_video:
                self._works.append(VideoWork(one, self._folder_of([one], info), self._attempts))
        images = [one for one in self.to_do if not one.is_video]
        for first in range(0, len(images), _IMAGES_TOGETHER):
            together = images[first : first + _IMAGES_TOGETHER]
            self._works.append(ImagesWork(together, self._folder_of(together, info), self._attempts))

    def _folder_of(self, inputs: list[ClusterInput], info: EngineInfo) -> str:
        """Where the work on inputs lies; another one for other settings, or another engine."""
        settings = [[one.targets[0], self._settings[one.targets[0]]] for one in inputs]
        what = {"inputs": settings, "segment": self._cluster.segment_s} | engine_settings(info)
        return joined(self._folder, settings_hash(what))

    def _put(self, jobs: list[Job]) -> None:
        """Adds jobs: what costs nothing first, then the longest, those of about the same length in order of inputs."""
        for job in jobs:
            self._count += 1
            rank = int(job.cost).bit_length()
            heapq.heappush(self._waiting, ((int(job.cost > 0), -rank, self._count), job))

    def _take(self, job: Job, outcome: Outcome) -> None:
        if outcome.kind == "unfit":
            self._put([job])
            return
        if outcome.kind == "fault":
            job.tries += 1
            if job.tries < _MOST_TRIES:
                self._put([job])
                return
            outcome = Outcome("failed", f"{outcome.text}, {job.tries} times; it may be the cause")
        if not isinstance(job.unit, ScanUnit) and getattr(getattr(job.unit, "part", None), "number", 0) == 0:
            for line in outcome.notes:
                self._reporter.report("note", _name_of(job), text=line)
        self._put(job.work.after(job.unit, outcome))
        for made in job.work.take_made():
            self._made.append((job.work, made))

    def _place_made(self) -> None:
        """Gives whole results their names, after the manifest says that they are whole."""
        if not self._made:
            return
        made, self._made = self._made, []
        for _, one in made:
            if not one.error:
                self._manifest.put(one.one.targets[0], status="whole", results=list(one.results), facts=one.facts)
        self._manifest.write()
        for work, one in made:
            self._finish(work, one)
        self._manifest.write()

    def _finish(self, work: Work | None, made: Made) -> None:
        target, error = made.one.targets[0], made.error
        for result, address in () if error else zip(made.results, made.one.targets, strict=True):
            if not storage_of(result).exists(result):
                continue  # an earlier run was stopped after this step
            try:
                storage_of(address).place(result, address, self._options.overwrite)
            except FileExistsError:
                error = f"output {address}: another program made it during the run, and it stays; use --overwrite"
            except OSError as failure:
                error = f"output {address}: {failure.strerror}; choose another place"
            except SinkError as failure:
                error = str(failure)
        if error:
            self._keeps = self._keeps or bool(made.results) or (isinstance(work, VideoWork) and work.frames_done > 0)
            self._failures.append((made.one.name, error))
            self._reporter.report("error", made.one.name, text=error)
            self._manifest.put(target, **({"error": error} if made.results else {"status": "failed", "error": error}))
            return
        lost_any = bool(made.facts.get("lost", 0) + made.facts.get("damaged", 0))
        self._damaged += lost_any
        self._manifest.put(target, status="done", results=[], facts=made.facts)
        shown = {key: made.facts[key] for key in ("frames", "size", "lost", "damaged") if key in made.facts}
        self._reporter.report("done", made.one.name, targets=list(made.one.targets), lost_any=lost_any, **shown)
        if isinstance(work, VideoWork):
            remove_work(work.folder)

    def _report_progress(self, pool: Pool, running: dict[int, Job]) -> None:
        now_s = time.monotonic()
        if now_s - self._progress_s < max(_PROGRESS_S, len(pool) / 100):
            return
        self._progress_s = now_s
        under_way = pool.progress()
        done = sum(work.frames_done for work in self._works)
        done += sum(min(under_way.get(worker, 0), job.frames) for worker, job in running.items())
        total = sum(work.frames for work in self._works)
        self._reporter.report("progress", "all", frames=done, total=total, workers=pool.alive,
                              restarts=pool.restarts, failures=len(self._failures))  # fmt: skip


def _name_of(job: Job) -> str:
    source = getattr(job.unit, "source", None)
    return "images" if source is None else str(source)


def _made_folder(address: str) -> Any:
    from pathlib import Path

    path = Path(address)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"folder {path.parent}: cannot be made ({error.strerror}); choose another place") from error
    return path
