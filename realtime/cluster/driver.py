"""Owns a run on many machines: the work is handed out to whoever is free, the longest first."""

import heapq
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from neural_style.weights import SAVED_MODELS
from realtime.cluster.inputs import ClusterInput, find_inputs
from realtime.cluster.manifest import Manifest, settings_hash, work_folder
from realtime.cluster.options import ClusterOptions, check_options
from realtime.cluster.plan import Plan, make_plan
from realtime.cluster.pool import Pool
from realtime.cluster.results import Results
from realtime.cluster.storage import is_address, joined
from realtime.cluster.units import Outcome, SegmentUnit, Setup
from realtime.cluster.video_work import ImagesWork, Job, VideoWork, Work, remove_work
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError, SinkError
from realtime.media.still_reader import ImageSequence
from realtime.options import PARALLEL_BATCHES, FileOptions
from realtime.output_names import NameLock
from realtime.style_catalogue import Catalogue, bound_note, open_style_list
from realtime.videos.fingerprint import engine_settings
from realtime.videos.job import RunResult
from realtime.videos.reporting import Reporter

_WAIT_S = 0.2
_PROGRESS_S = 0.5
_IMAGES_TOGETHER = 8
_MOST_TRIES = 5
"""How often a unit is given to a worker before it is taken for the cause of the worker's end."""

_TRIES_TOGETHER = 2
"""How often images that belong to one unit are tried together."""


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
    if options.network == "auto" and (line := bound_note(options.styles)):
        network, _, why = line.partition(": ")
        reporter.report("note", network, text=why)
    catalogue, places = open_style_list(options.styles, options.network)
    styles = [catalogue.styles[place] for place in places]
    names = [style.name for style in styles[:1] if options.sheet] or [style.name for style in styles]
    inputs, address = find_inputs(options, names, lambda line: reporter.report("note", "names", text=line))
    lock = None if is_address(address) else NameLock(_with_folder(Path(address)))
    try:
        manifest = Manifest(address)
        plan = make_plan(inputs, styles, options, manifest)
        for name, target in plan.kept:
            reporter.report("note", name, text=f"left as it is: {target} was made with these settings")
        results = Results(manifest, reporter, options.overwrite)
        for made in plan.made:
            results.take(made, None)
        results.place()
        if plan.to_do:
            # As on one machine: an engine that is set up for videos may give images that differ in the last digits.
            parallel_batches = PARALLEL_BATCHES if any(one.is_video for one in inputs) else 1
            wanted = replace(options, engine=replace(options.engine, parallel_batches=parallel_batches))
            run = _Run(wanted, cluster, plan, results, manifest)
            with open_pool(cluster, options) as pool:
                run.do(pool, catalogue, places, reporter)
        return results.result()
    finally:
        if lock is not None:
            lock.release()


def _with_folder(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"folder {path.parent}: cannot be made ({error.strerror}); choose another place") from error
    return path


class _Run:
    """The work of one run, and who does it."""

    def __init__(
        self, options: FileOptions, cluster: ClusterOptions, plan: Plan, results: Results, manifest: Manifest
    ) -> None:
        self._options, self._cluster, self._plan, self._results = options, cluster, plan, results
        self._manifest, self._folder = manifest, work_folder(manifest.address)
        self._attempts = joined(self._folder, "attempts")
        self._works: list[Work] = []
        self._waiting: list[tuple[tuple[int, int, int], Job]] = []
        self._count = 0
        self._progress_s = 0.0

    def do(self, pool: Pool, catalogue: Catalogue, places: Sequence[int], reporter: Reporter) -> None:
        """Hands out all work, and waits for it.

        Raises:
            StylizationError: an input cannot be seen by a worker, an engine cannot be had, or no worker is left.
        """
        self._check_seen(pool)
        setup = Setup(self._options, catalogue, tuple(places), str(SAVED_MODELS), pool.cores, self._cluster.segment_s)
        self._info = _open_engines(pool, setup, reporter)
        for one in self._plan.to_do:
            reporter.report("begin", one.name, targets=list(one.targets))
        self._works = [*self._videos(self._info), *self._images(self._info)]
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
                    self._take(running.pop(worker), outcome, reporter)
                self._results.place()
                self._report_progress(pool, running, reporter)
        finally:
            with suppress(SinkError):
                self._manifest.write(whole=True)
            remove_work(self._attempts)
        if not self._results.keeps_work:
            remove_work(self._folder)

    def _check_seen(self, pool: Pool) -> None:
        """Raises EngineError where a worker cannot read an input, or does not see where results go."""
        sources: list[str] = []
        for one in self._plan.to_do:
            if isinstance(one.source, ImageSequence):
                sources += map(str, one.source.files.values())
            else:
                sources.append(one.source)
        for line in pool.ask_all("unseen", tuple(sources), self._manifest.address):
            if line:
                raise EngineError(line)

    def _videos(self, info: EngineInfo) -> list[VideoWork]:
        videos = [one for one in self._plan.to_do if one.is_video]
        return [VideoWork(one, self._folder_of([one], info), self._attempts) for one in videos]

    def _images(self, info: EngineInfo) -> list[ImagesWork]:
        images = [one for one in self._plan.to_do if not one.is_video]
        batches = [images[first : first + _IMAGES_TOGETHER] for first in range(0, len(images), _IMAGES_TOGETHER)]
        return [ImagesWork(batch, self._folder_of(batch, info), self._attempts) for batch in batches]

    def _folder_of(self, inputs: Sequence[ClusterInput], info: EngineInfo) -> str:
        """Where the work on inputs lies; another one for other settings, or another engine."""
        settings = [[one.targets[0], self._plan.settings[one.targets[0]]] for one in inputs]
        what = {"inputs": settings, "segment": self._cluster.segment_s} | engine_settings(info)
        return joined(self._folder, settings_hash(what))

    def _put(self, jobs: Sequence[Job]) -> None:
        """Adds jobs: what costs nothing first, then the longest, those of about the same length in order of inputs."""
        for job in jobs:
            self._count += 1
            rank = int(job.cost > 0), -int(job.cost).bit_length(), self._count
            heapq.heappush(self._waiting, (rank, job))

    def _take(self, job: Job, outcome: Outcome, reporter: Reporter) -> None:
        if outcome.kind == "unfit":  # which says nothing about the unit
            self._put([job])
            return
        if outcome.kind == "fault":
            job.tries += 1
            if isinstance(job.work, ImagesWork) and job.work.frames > 1 and job.tries >= _TRIES_TOGETHER:
                self._take_apart(job.work, job.tries)
                return
            if job.tries < _MOST_TRIES:
                self._put([job])
                return
            outcome = Outcome("failed", f"{outcome.text}, {job.tries} times; it may be the cause")
        if not isinstance(job.unit, SegmentUnit) or job.unit.part.number == 0:  # other parts say the same
            for line in outcome.notes:
                reporter.report("note", "images" if isinstance(job.work, ImagesWork) else _source_of(job), text=line)
        self._put(job.work.after(job.unit, outcome))
        for made in job.work.take_made():
            self._results.take(made, job.work)

    def _take_apart(self, work: ImagesWork, tries: int) -> None:
        """Hands out images one by one, so that the one that ends workers fails alone."""
        apart = [ImagesWork([one], self._folder_of([one], self._info), self._attempts) for one in work.inputs]
        self._works = [*(other for other in self._works if other is not work), *apart]
        for one in apart:
            self._put([replace(job, tries=tries) for job in one.first()])

    def _report_progress(self, pool: Pool, running: dict[int, Job], reporter: Reporter) -> None:
        now_s = time.monotonic()
        if now_s - self._progress_s < max(_PROGRESS_S, len(pool) / 100):  # asking many takes time
            return
        self._progress_s = now_s
        under_way = pool.progress()
        done = sum(work.frames_done for work in self._works)
        done += sum(min(under_way.get(worker, 0), job.frames) for worker, job in running.items())
        reporter.report(
            "progress",
            "all",
            frames=done,
            total=sum(work.frames for work in self._works),
            workers=pool.alive,
            restarts=pool.restarts,
            failures=len(self._results.failures),
        )


def _open_engines(pool: Pool, setup: Setup, reporter: Reporter) -> EngineInfo:
    """Lets the first worker choose the engine, and gives it to all; what is chosen is told."""
    info, lines = pool.open(setup, 0)
    chosen: dict[str, Any] = {"engine": info.engine, "precision": info.precision}
    engine = replace(setup.options.engine, device=info.device.partition(":")[0], **chosen)
    setup = replace(setup, options=replace(setup.options, engine=engine))
    for worker in range(1, len(pool)):
        pool.open(setup, worker)
    pool.tell(setup)
    for line in lines:
        reporter.report("note", "engine", text=line)
    what = f"{len(pool)} workers of {pool.cores} cores, {info.engine} {info.precision} on {info.device}"
    reporter.report("note", "cluster", text=what)
    return info


def _source_of(job: Job) -> str:
    assert not isinstance(job.work, ImagesWork)
    return str(getattr(job.unit, "source", ""))
