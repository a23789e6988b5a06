"""Owns stylizing what browsers send: their newest frames, each in its own style, through one engine stage."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from neural_style.errors import StylizationError
from realtime.controls import Controls
from realtime.engines.protocol import Engine
from realtime.flow import EngineStage, StageThreads
from realtime.frame import Frame, Image
from realtime.look import Look
from realtime.postprocess import Finisher, mirror
from realtime.sinks.protocol import StylizedFrame
from realtime.style import Style, together

MAX_SIZE_WH = (1280, 720)
_MAX_BATCH = 8
_SIDES_PX = 8

_log = logging.getLogger(__name__)

_Network = tuple[object, ...]
"""A shape of frames, and the files of the network that stylizes them."""


@dataclass(eq=False)
class Sender:
    """One browser that sends its camera.

    Attributes:
        controls: its own settings.
        publish: takes its stylized frames.
        failed: takes a line for people when a frame cannot be stylized.
    """

    controls: Controls
    publish: Callable[[StylizedFrame], None]
    failed: Callable[[str], None]
    _finisher: Finisher = field(default_factory=Finisher)
    _waiting: Frame | None = None
    _last: Frame | None = None
    _size_wh: tuple[int, int] = (0, 0)
    _busy: bool = False


@dataclass(frozen=True)
class _Job:
    sender: Sender
    frame: Frame
    look: Look
    network: _Network


class SenderStage:
    """Stylizes the newest frame of every sender: each in turn, and no frame twice.

    A GPU takes several senders' frames as one batch. A CPU takes them one by one, as many at once as
    the engine can: there a batch is no faster than its parts, and each new size costs time.
    A size that is new is prepared while others go on.

    Args:
        engine: shared with others.
        failed: takes the error that ends all stylizing: an engine that hangs.
    """

    def __init__(self, engine: Engine, failed: Callable[[BaseException], None]) -> None:
        self._engine, self._failed = engine, failed
        self._max_batch = 1 if engine.info.device == "cpu" else _MAX_BATCH
        self._changed = threading.Condition()
        self._senders: list[Sender] = []
        self._prepared: set[_Network] = set()
        self._closed = False
        self._stage: EngineStage[list[_Job]] = EngineStage(engine)
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="engine_preparing")
        self._threads = StageThreads(self.close)
        self._threads.start((self._feed, self._collect))

    def add(self, sender: Sender) -> None:
        """From now on its frames are stylized."""
        with self._changed:
            self._senders.append(sender)

    def remove(self, sender: Sender) -> None:
        """Forgets it; a frame that is being stylized may still come out."""
        with self._changed:
            if sender in self._senders:
                self._senders.remove(sender)

    def put(self, sender: Sender, frame: Frame) -> None:
        """Takes a frame in place of one that still waits; a sender who froze the image stays with the last one."""
        with self._changed:
            if sender.controls.panel.frozen and sender._last is not None:
                frame = replace(frame, pixels=sender._last.pixels)
            sender._waiting = sender._last = frame
            self._changed.notify_all()

    def close(self) -> None:
        """Ends at once; a frame that is being stylized is left to itself."""
        self._stage.abort()
        self._preparing.shutdown(wait=False, cancel_futures=True)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._threads.failure is not None:
            self._failed(self._threads.failure)

    def _feed(self) -> None:
        """Thread: senders' newest frames to the engine, when it has room."""
        while True:
            self._stage.wait_for_room()
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._ready())
                if self._closed:
                    return
                jobs = self._next_batch()
            if jobs:
                self._stage.put(jobs, np.stack([job.frame.pixels for job in jobs]), [_style_of(jobs)])

    def _collect(self) -> None:
        """Thread: stylized frames to their senders; who sent one that fails is told, and the others go on."""
        for jobs, future in self._stage.results():
            try:
                for job, pixels in zip(jobs, future.result()[0], strict=True):
                    finished = job.sender._finisher.finish(pixels, job.frame.pixels, job.look)
                    job.sender.publish(StylizedFrame(job.frame, finished, finished))
            except Exception as error:  # noqa: BLE001
                for job in jobs:
                    _tell(job.sender, error)
            self._free([job.sender for job in jobs])

    def _free(self, senders: list[Sender]) -> None:
        """Their next frames may be taken."""
        with self._changed:
            for sender in senders:
                sender._busy = False
            self._changed.notify_all()

    def _ready(self) -> list[Sender]:
        return [sender for sender in self._senders if sender._waiting is not None and not sender._busy]

    def _next_batch(self) -> list[_Job]:
        """The frame of the sender who waits longest, and those of others that fit into one batch with it."""
        jobs: list[_Job] = []
        for sender in self._ready():
            assert sender._waiting is not None
            pixels, look = _sized(sender, sender._waiting.pixels), sender.controls.look
            network = (pixels.shape, look.style.checkpoint, look.style.model_file)
            if network not in self._prepared:
                sender._busy = True
                self._preparing.submit(self._prepare, sender, pixels.shape, look.style, network)
            elif not jobs or (network == jobs[0].network and look.style.fades_by_vector):
                frame = replace(sender._waiting, pixels=mirror(pixels) if look.mirror else pixels)
                jobs.append(_Job(sender, frame, look, network))
                sender._waiting, sender._busy = None, True
                self._senders.remove(sender)
                self._senders.append(sender)  # its next turn comes after all others'
                if len(jobs) == self._max_batch or not look.style.fades_by_vector:
                    break
        return jobs

    def _prepare(self, sender: Sender, shape: tuple[int, ...], style: Style, network: _Network) -> None:
        """Prepares the engine for a size in a thread of its own, while others' frames are stylized."""
        try:
            self._engine.prepare((1, *shape), style)
        except Exception as error:  # noqa: BLE001
            _tell(sender, error)
        self._prepared.add(network)
        self._free([sender])


def _tell(sender: Sender, error: Exception) -> None:
    if not isinstance(error, StylizationError):
        _log.error("a sender's frame could not be stylized", exc_info=error)
    sender.failed(str(error) or type(error).__name__)


def _style_of(jobs: list[_Job]) -> tuple[Style, float]:
    """The style and strength to give to the engine: one of all jobs together where there are several."""
    looks = [job.look for job in jobs]
    if len(jobs) == 1:
        return looks[0].style, looks[0].strength
    return together([look.style for look in looks], [look.strength for look in looks]), 1.0


def _sized(sender: Sender, pixels: Image) -> Image:
    """The frame in the size that the sender's frames are stylized at.

    Browsers send smaller images while the network is slow. Each new size would cost an engine a
    fraction of a second, so only another shape, such as a turned phone's, changes it.
    """
    height, width = pixels.shape[:2]
    known_w, known_h = sender._size_wh
    if known_h == 0 or width > known_w or abs(width / height - known_w / known_h) > 0.02:
        scale = min(1.0, MAX_SIZE_WH[0] / max(width, height), MAX_SIZE_WH[1] / min(width, height))
        known_w, known_h = (max(_SIDES_PX, round(side * scale / _SIDES_PX) * _SIDES_PX) for side in (width, height))
        sender._size_wh = known_w, known_h
    if (width, height) == (known_w, known_h):
        return pixels
    return np.asarray(cv2.resize(pixels, (known_w, known_h), interpolation=cv2.INTER_AREA), np.uint8)
