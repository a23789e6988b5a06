"""How stages run: guarded threads, and the one engine stage."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from realtime.engines.protocol import Engine
from realtime.errors import EngineError, EngineTimeoutError
from realtime.mailbox import BoundedMailbox, MailboxClosedError
from realtime.stats import RecentMean, Stats
from realtime.style import Style

FRAME_LIMIT_S = 10.0
"""The time limit of a small batch whose shape is prepared."""

_LIMIT_PER_MEGAPIXEL_S = 20.0
"""The time limit of large batches: the slowest network needs 3 s a megapixel on two cores."""

_SLOWEST_TO_FIRST = 20.0
"""A shape whose first run was slow may take this many times as long."""

_PREPARE_LIMIT_S, _GPU_PREPARE_LIMIT_S = 120.0, 900.0
"""The time limit of preparing a shape: TensorRT builds an engine for minutes."""

_SAID_AFTER_S, _IMAGE_SAID_AFTER_S = 3.0, 10.0
_TICK_S = 0.1
"""How often somebody who waits for the engine looks whether the run was ended."""

Item = TypeVar("Item")
Given = TypeVar("Given")


class StageThreads:
    """Runs stages in threads of their own; the first one that raises ends all, and its error is raised again.

    Args:
        stop: makes all stages end soon; called once, by the thread of the stage that failed.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._failing = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.failure: BaseException | None = None

    def start(self, stages: Sequence[Callable[[], None]]) -> None:
        """Starts a thread for each stage."""
        for stage in stages:
            name = getattr(stage, "__name__", "stage")
            self._threads.append(threading.Thread(target=self.guard, args=(stage,), name=name, daemon=True))
            self._threads[-1].start()

    def guard(self, stage: Callable[[], None]) -> None:
        """Runs a stage in this thread; what it raises is kept, and a mailbox that closes is its end."""
        try:
            stage()
        except MailboxClosedError:
            return
        except BaseException as error:  # noqa: BLE001
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Ends all stages because of an error; of several the first counts."""
        with self._failing:
            self.failure = self.failure or error
        self._stop()

    def alive(self) -> bool:
        """Whether any stage still runs."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self, limit_s: float) -> bool:
        """Waits for all stages together at most so long, and says whether all have ended."""
        end_s = time.monotonic() + limit_s
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))
        return not self.alive()

    def raise_failure(self) -> None:
        """Raises what the first failed stage raised, if any did."""
        if self.failure is not None:
            raise self.failure


Job = tuple[Style, float]
"""A style and its strength."""


class _Call(Generic[Item]):
    """A batch on its way through the engine, and how long that may take: at first with the preparing of its shape."""

    def __init__(self, item: Item, shape: tuple[int, ...], limit_s: float) -> None:
        self.item, self.shape = item, shape
        self.limit_s, self.prepares = limit_s, True
        self.future: Future[list[NDArray[np.uint8]]]


class EngineStage(Generic[Item]):
    """Stylizes batches with one engine: several at once, given back in order, none waited for without a limit.

    Each shape of batch is prepared on one thread before any thread stylizes it (`Engine.prepare`).

    Args:
        engine: opened by the caller, and closed by the caller.
        stats: is told how long the engine takes.
        report: takes lines for people.
        ahead: batches that may be taken beyond those that the engine works on; 0 for live frames.
        prepares: False for single images: a shape that comes once is not worth a run of its own.
        limit_s: time limit of a batch of one frame; large batches, and engines that were slow at first, have more.
    """

    def __init__(
        self,
        engine: Engine,
        stats: Stats | None = None,
        report: Callable[[str], None] | None = None,
        *,
        ahead: int = 0,
        prepares: bool = True,
        limit_s: float | None = None,
    ) -> None:
        parallel = engine.info.parallel_batches
        self._engine, self._stats, self._report = engine, stats or Stats(), report
        self._prepares, self._limit_s = prepares, FRAME_LIMIT_S if limit_s is None else limit_s
        self._prepare_limit_s = _PREPARE_LIMIT_S if engine.info.device == "cpu" else _GPU_PREPARE_LIMIT_S
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="engine")
        self._calls: BoundedMailbox[_Call[Item]] = BoundedMailbox(parallel + ahead)
        self._aborted = False
        self._recent = RecentMean()

    def __enter__(self) -> "EngineStage[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    @property
    def under_way(self) -> int:
        """How many batches were put in and not yet given back."""
        return self._calls.waiting

    @property
    def typical_s(self) -> float:
        """What the engine took for a batch lately."""
        return self._recent.seconds

    def wait_for_room(self) -> None:
        """Waits until `put` would not wait; a writer that waits before it takes a frame takes a fresh one.

        Raises:
            MailboxClosedError: the stage was closed or aborted.
        """
        self._calls.wait_for_room()

    def put(self, item: Item, pixels: NDArray[np.uint8], jobs: Sequence[Job]) -> None:
        """Begins to stylize a batch, waiting for room.

        Args:
            item: given back with the result.
            pixels: uint8 (N, H, W, 3) RGB.
            jobs: styles of one network; the batch is stylized in each of them.

        Raises:
            MailboxClosedError: the stage was aborted.
        """
        self.wait_for_room()
        self._calls.put(self._begin(item, pixels, jobs))

    def prepare(self, shape: tuple[int, ...], style: Style) -> None:
        """Waits until a shape (N, H, W, 3) is prepared, before its first batch comes; errors as of `results`."""
        call = _Call(None, shape, self._prepare_limit_s)
        self._wait_for(self._submitted(call, self._engine.prepare, shape, style))
        call.future.result()

    def close(self) -> None:
        """Takes no more batches; `results` ends after those that are under way."""
        self._calls.close()

    def abort(self) -> None:
        """Ends `put` and `results` at once; a call that the engine works on is left to itself."""
        self._aborted = True
        self._calls.abort()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def results(self) -> Iterator[tuple[Item, "Future[list[NDArray[np.uint8]]]"]]:
        """Gives every batch that was put in, in that order, with its future, which is done.

        The future holds uint8 (N, H, W, 3) RGB for each job, or what the engine raised. The next batch
        has room when this one has been dealt with.

        Raises:
            MailboxClosedError: the stage was aborted.
            EngineTimeoutError: the engine has not given a batch back in time.
        """
        while True:
            try:
                call = self._calls.peek()
            except MailboxClosedError:
                if self._aborted:
                    raise
                self._threads.shutdown(wait=False)
                return
            self._wait_for(call)
            yield call.item, call.future
            self._calls.get()

    def stylize(self, pixels: NDArray[np.uint8], style: Style, strength: float) -> NDArray[np.uint8]:
        """Stylizes one batch and waits for it; not beside `results`.

        Args:
            pixels: uint8 (N, H, W, 3) RGB.
            style: see `Engine.stylize`.
            strength: alike.

        Returns:
            uint8 (N, H, W, 3) RGB.

        Raises:
            EngineError: as the engine raised it, EngineTimeoutError, or the stage was aborted.
        """
        try:
            call = self._begin(None, pixels, [(style, strength)])
            self._wait_for(call)
        except MailboxClosedError as error:
            raise EngineError("engine: takes no more work, because the run is ending") from error
        return call.future.result()[0]

    def _begin(self, item: Given, pixels: NDArray[np.uint8], jobs: Sequence[Job]) -> "_Call[Given]":
        call = _Call(item, pixels.shape, self._prepare_limit_s + _limit_s(pixels))
        return self._submitted(call, self._work, call, pixels, jobs)

    def _submitted(self, call: "_Call[Given]", work: Callable[..., Any], *given: object) -> "_Call[Given]":
        try:
            call.future = self._threads.submit(work, *given)
        except RuntimeError as error:  # the stage was aborted
            raise MailboxClosedError from error
        return call

    def _work(self, call: "_Call[Any]", pixels: NDArray[np.uint8], jobs: Sequence[Job]) -> list[NDArray[np.uint8]]:
        """Runs in one of the stage's threads."""
        if self._prepares:
            once_s = self._engine.prepare(pixels.shape, jobs[0][0])
            call.limit_s = len(jobs) * max(self._limit_s, _SLOWEST_TO_FIRST * once_s, _limit_s(pixels))
            call.prepares = False
        return [self._stylized(pixels, style, strength) for style, strength in jobs]

    def _stylized(self, pixels: NDArray[np.uint8], style: Style, strength: float) -> NDArray[np.uint8]:
        start_s = time.perf_counter()
        with self._stats.stage("engine"):
            stylized = self._engine.stylize(pixels, style, strength)
        self._recent.add(time.perf_counter() - start_s)
        if stylized.shape != pixels.shape:
            raise EngineError(f"engine: gave shape {stylized.shape} for {pixels.shape}; they must be equal")
        return stylized

    def _wait_for(self, call: "_Call[Any]") -> None:
        """Waits until a call is done.

        A tick counts as a tick however long it took: a process that was stopped (Ctrl-Z), or a machine
        that slept, is not an engine that hangs.
        """
        waited_s, prepares, said = 0.0, True, False
        while not self._is_done_within_a_tick(call):
            waited_s = _TICK_S if prepares and not call.prepares else waited_s + _TICK_S
            prepares = call.prepares
            if waited_s > call.limit_s:
                raise EngineTimeoutError(
                    f"{self._described(call)} did not come back within {call.limit_s:.0f} s, so the run was ended; "
                    "try another --engine, or a smaller --size"
                )
            said_after_s = _SAID_AFTER_S if self._prepares else _IMAGE_SAID_AFTER_S
            if prepares and waited_s > said_after_s and not said and self._report is not None:
                said = True
                why = "prepares for this size, which may take up to" if self._prepares else "takes long; given up after"
                self._report(f"{self._described(call)}: {why} {call.limit_s:.0f} s")

    def _is_done_within_a_tick(self, call: "_Call[Any]") -> bool:
        try:
            call.future.exception(_TICK_S)
        except TimeoutError:
            if self._aborted:
                raise MailboxClosedError from None
            return False
        except CancelledError:
            raise MailboxClosedError from None
        return True

    def _described(self, call: "_Call[Any]") -> str:
        info, (count, height, width) = self._engine.info, call.shape[:3]
        frames = "a frame" if count == 1 else f"{count} frames"
        return f"engine {info.engine} on {info.device} in {info.precision}: {frames} of {width}x{height}"


def _limit_s(pixels: NDArray[np.uint8]) -> float:
    """What the slowest network may take for a batch, uint8 (N, H, W, 3)."""
    return _LIMIT_PER_MEGAPIXEL_S * pixels.size / 3e6
