"""Owns stylizing what browsers send: one engine for all, their newest frames in one batch, each in its own style.

Must not know connections.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from realtime.controls import Controls, Look
from realtime.engines.protocol import Engine
from realtime.errors import StylizationError
from realtime.finish import Finisher
from realtime.frame import Image
from realtime.postprocess import mirror
from realtime.styles import Style, together

MAX_SIZE_WH = (1280, 720)
_MOST_TOGETHER = 8
_SIDES_PX = 8

_log = logging.getLogger(__name__)

Publish = Callable[[Image, Image], None]


@dataclass(eq=False)
class Sender:
    """One browser that sends its camera.

    Attributes:
        controls: its own settings.
        publish: takes (original, painting), uint8 (H, W, 3) RGB each.
        failed: takes a line for people when a frame cannot be stylized.
    """

    controls: Controls
    publish: Publish
    failed: Callable[[str], None]
    _finisher: Finisher = field(default_factory=Finisher)
    _waiting: Image | None = None
    _size_wh: tuple[int, int] = (0, 0)
    _busy: bool = False


@dataclass(frozen=True)
class _Job:
    sender: Sender
    pixels: Image
    look: Look


class Studio:
    """Threads that paint the newest frame of every sender, none twice and none before its turn.

    A GPU takes several senders' frames as one batch. A CPU takes them one by one, as many at once as
    the engine can: there a batch is no faster than its parts, and each new size costs time.

    Args:
        engine: shared with others.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._most = 1 if engine.info.device == "cpu" else _MOST_TOGETHER
        self._changed = threading.Condition()
        self._senders: list[Sender] = []
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name="_studio", daemon=True)
            for _ in range(engine.info.parallel_batches)
        ]
        for thread in self._threads:
            thread.start()

    def add(self, sender: Sender) -> None:
        """From now on its frames are painted."""
        with self._changed:
            self._senders.append(sender)

    def remove(self, sender: Sender) -> None:
        """Forgets it; a frame that is being painted may still come out."""
        with self._changed:
            if sender in self._senders:
                self._senders.remove(sender)

    def put(self, sender: Sender, pixels: Image) -> None:
        """Takes a frame, uint8 (H, W, 3) RGB, in place of one that still waits."""
        with self._changed:
            sender._waiting = pixels
            self._changed.notify()

    def close(self) -> None:
        """Ends the threads, after what they are painting."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._ready())
                if self._closed:
                    return
                jobs = self._taken()
            try:
                self._paint(jobs)
            except Exception as error:  # noqa: BLE001
                if not isinstance(error, StylizationError):
                    _log.exception("a frame could not be painted")
                for job in jobs:
                    job.sender.failed(str(error) or type(error).__name__)
            finally:
                with self._changed:
                    for job in jobs:
                        job.sender._busy = False
                    self._changed.notify_all()

    def _ready(self) -> list[Sender]:
        return [sender for sender in self._senders if sender._waiting is not None and not sender._busy]

    def _taken(self) -> list[_Job]:
        """The frame of whoever waits longest, and those of others that fit into one batch with it."""
        jobs: list[_Job] = []
        for sender in self._ready():
            assert sender._waiting is not None
            pixels, look = _sized(sender, sender._waiting), sender.controls.look
            if jobs and not (pixels.shape == jobs[0].pixels.shape and _fit_together(look.style, jobs[0].look.style)):
                continue
            jobs.append(_Job(sender, mirror(pixels) if look.mirror else pixels, look))
            sender._waiting, sender._busy = None, True
            self._senders.remove(sender)
            self._senders.append(sender)  # its next turn comes after all others'
            if len(jobs) == self._most:
                break
        return jobs

    def _paint(self, jobs: list[_Job]) -> None:
        pictures = np.stack([job.pixels for job in jobs])
        looks = [job.look for job in jobs]
        if len(jobs) == 1:
            paintings = self._engine.stylize(pictures, looks[0].style, looks[0].strength)
        else:
            style = together([look.style for look in looks], [look.strength for look in looks])
            paintings = self._engine.stylize(pictures, style)
        for job, painting in zip(jobs, paintings, strict=True):
            finished = job.sender._finisher.finish(painting, job.pixels, job.look)
            job.sender.publish(job.pixels, finished)


def _fit_together(style: Style, other: Style) -> bool:
    """Whether one run of a network can paint both."""
    same = (style.checkpoint, style.model_file) == (other.checkpoint, other.model_file)
    return same and style.fades_by_vector and other.fades_by_vector


def _sized(sender: Sender, pixels: Image) -> Image:
    """The frame in the size that the sender's frames are painted at.

    Browsers send smaller pictures while the network is slow. Each new size would cost an engine a
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
