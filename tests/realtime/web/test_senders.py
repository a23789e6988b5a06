"""Tests of one engine for many senders: newest frames, one batch, turns, sizes; without connections.

An engine that says that it runs on a GPU stands in for one.
"""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fakes import FailingEngine, IdentityEngine, make_frame, solid
from numpy.typing import NDArray
from web_page import ColourEngine, colours

from realtime.controls import Action, ChangeLook, Controls
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError, EngineTimeoutError
from realtime.frame import Frame, Image
from realtime.options import LookOptions
from realtime.sinks.protocol import StylizedFrame
from realtime.style import Style
from realtime.web.senders import Sender, SenderStage

PATIENCE_S = 10.0
RED, GREEN, BLUE = ColourEngine.COLOURS


class WaitingEngine(ColourEngine):
    """Waits for leave before each batch, so that frames gather."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.info = EngineInfo("fake", device, "fp16")
        self.leave = threading.Semaphore(0)
        self.taken = threading.Semaphore(0)

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self.taken.release()
        assert self.leave.acquire(timeout=PATIENCE_S)
        return super().stylize(images, style, strength)


class Viewer:
    """Keeps what a sender's frames became."""

    def __init__(self, style: str, identity: float | None = 99.0) -> None:
        self.images: list[tuple[Image, Image]] = []
        self.told: list[str] = []
        controls = Controls(colours(identity), 0, LookOptions(smoothing=0.0))
        controls.apply(ChangeLook(style=style))
        self.latencies_s: list[float] = []
        self.sender = Sender(controls, self._take, self.told.append)

    def _take(self, stylized: StylizedFrame) -> None:
        self.latencies_s.append(time.perf_counter() - stylized.frame.capture_time_s)
        self.images.append((stylized.frame.pixels, stylized.pixels))

    @property
    def colours(self) -> list[tuple[int, ...]]:
        return [tuple(stylized[0, 0].tolist()) for _, stylized in self.images]


Open = Callable[[IdentityEngine], SenderStage]


@pytest.fixture
def failures() -> list[BaseException]:
    """What ended a stage."""
    return []


@pytest.fixture
def open_stage(failures: list[BaseException]) -> Iterator[Open]:
    opened: list[SenderStage] = []

    def _open(engine: IdentityEngine) -> SenderStage:
        opened.append(SenderStage(engine, failures.append))
        return opened[0]

    yield _open
    opened[0].close()


def _until(condition: Callable[[], object]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def _grey(value: int, size_wh: tuple[int, int] = (64, 48)) -> Frame:
    return make_frame(solid((value, value, value), size_wh))


def test_frames_of_all_senders_are_one_batch_each_in_its_own_style(open_stage: Open) -> None:
    engine = WaitingEngine("cuda:0")
    stage, viewers = open_stage(engine), [Viewer(name) for name in ("red", "green", "blue", "green")]
    for viewer in viewers:
        stage.add(viewer.sender)
    stage.put(viewers[0].sender, _grey(0))
    assert engine.taken.acquire(timeout=PATIENCE_S)
    for value, viewer in enumerate(viewers[1:3]):
        stage.put(viewer.sender, _grey(value))
    stage.put(viewers[3].sender, _grey(9, (32, 32)))  # another size is a batch of its own
    engine.leave.release(3)
    _until(lambda: all(viewer.images for viewer in viewers))
    assert [count for count, _ in engine.batches] == [1, 2, 1]
    assert [viewer.colours for viewer in viewers] == [[RED], [GREEN], [BLUE], [GREEN]]
    assert viewers[2].images[0][0][0, 0].tolist() == [1, 1, 1], "each with its own original"


@pytest.mark.parametrize(("device", "identity"), [("cpu", 99.0), ("cuda:0", None)], ids=["cpu", "own networks"])
def test_on_a_cpu_and_in_networks_of_their_own_frames_go_one_by_one(
    open_stage: Open, device: str, identity: float | None
) -> None:
    engine = WaitingEngine(device)
    stage, viewers = open_stage(engine), [Viewer("red", identity), Viewer("green", identity)]
    for viewer in viewers:
        stage.add(viewer.sender)
        stage.put(viewer.sender, _grey(0))
    engine.leave.release(2)
    _until(lambda: all(viewer.images for viewer in viewers))
    assert [count for count, _ in engine.batches] == [1, 1]


def test_the_newest_frame_wins_and_nobody_waits_for_ever(open_stage: Open) -> None:
    engine = WaitingEngine("cpu")
    stage, busy, patient = open_stage(engine), Viewer("red"), Viewer("green")
    stage.add(busy.sender)
    stage.add(patient.sender)
    stage.put(busy.sender, _grey(1))
    assert engine.taken.acquire(timeout=PATIENCE_S)
    for value in range(2, 9):
        stage.put(busy.sender, _grey(value))
    stage.put(patient.sender, _grey(50))
    engine.leave.release(3)
    _until(lambda: len(busy.images) == 2 and patient.images)
    assert [int(original[0, 0, 0]) for original, _ in busy.images] == [1, 8]
    assert [style for _, style in engine.batches][:2] == ["red", "green"], "the other's turn came first"


def test_a_browser_that_sends_smaller_frames_changes_no_size_and_a_turned_phone_does(open_stage: Open) -> None:
    stage, viewer = open_stage(ColourEngine()), Viewer("red")
    stage.add(viewer.sender)
    shapes = []
    for size_wh in ((640, 480), (320, 240), (480, 360), (480, 640), (242, 322), (2560, 1920)):
        count = len(viewer.images)
        stage.put(viewer.sender, _grey(3, size_wh))
        _until(lambda count=count: len(viewer.images) > count)  # type: ignore[misc]
        shapes.append(viewer.images[-1][1].shape[:2])
    assert shapes == [(480, 640)] * 3 + [(640, 480)] * 2 + [(720, 960)]


def test_what_fails_is_told_and_others_go_on(open_stage: Open) -> None:
    stage, viewer = open_stage(FailingEngine(1, EngineError("boom"))), Viewer("red")
    stage.add(viewer.sender)
    for value in range(2):
        stage.put(viewer.sender, _grey(value))
        _until(lambda value=value: len(viewer.images) + len(viewer.told) > value)  # type: ignore[misc]
    assert viewer.told == ["boom"]
    other = Viewer("green")
    stage.remove(viewer.sender)
    stage.add(other.sender)
    stage.put(other.sender, _grey(1))
    stage.put(viewer.sender, _grey(1))
    _until(lambda: other.images or other.told)
    assert len(viewer.images) == 1


def test_a_image_that_is_frozen_stays_and_still_changes_its_style(open_stage: Open) -> None:
    stage, viewer = open_stage(ColourEngine()), Viewer("red")
    stage.add(viewer.sender)
    stage.put(viewer.sender, _grey(7))
    _until(lambda: viewer.images)
    viewer.sender.controls.apply(Action.FREEZE)
    viewer.sender.controls.apply(ChangeLook(style="green"))
    stage.put(viewer.sender, _grey(99))
    _until(lambda: len(viewer.images) == 2)
    assert [int(original[0, 0, 0]) for original, _ in viewer.images] == [7, 7]
    assert viewer.colours == [RED, GREEN]


def test_latency_is_that_of_the_frame_shown_and_not_of_the_newest_that_arrived(open_stage: Open) -> None:
    engine = WaitingEngine("cpu")
    stage, viewer = open_stage(engine), Viewer("red")
    stage.add(viewer.sender)
    stage.put(viewer.sender, _grey(1))
    assert engine.taken.acquire(timeout=PATIENCE_S)
    time.sleep(0.3)
    stage.put(viewer.sender, _grey(2))  # arrives while the first is under way
    engine.leave.release()
    _until(lambda: viewer.images)
    engine.leave.release()
    assert viewer.latencies_s[0] >= 0.3


def test_a_new_size_is_prepared_while_others_go_on(open_stage: Open) -> None:
    class PreparingEngine(ColourEngine):
        go_on = threading.Event()

        def prepare(self, shape: tuple[int, ...], style: Style) -> float:
            if shape[1:3] == (32, 32):
                assert self.go_on.wait(PATIENCE_S)
            return super().prepare(shape, style)

    engine = PreparingEngine()
    stage, known, new = open_stage(engine), Viewer("red"), Viewer("green")
    stage.add(known.sender)
    stage.add(new.sender)
    for count in range(1, 4):
        if count == 2:
            stage.put(new.sender, _grey(1, (32, 32)))
        stage.put(known.sender, _grey(count))
        _until(lambda count=count: len(known.images) == count)  # type: ignore[misc]
    assert not new.images
    engine.go_on.set()
    _until(lambda: new.images)


def test_an_engine_that_hangs_ends_the_stage_with_an_error(
    open_stage: Open, failures: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.flow.FRAME_LIMIT_S", 0.3)
    engine = WaitingEngine("cpu")
    stage, viewer = open_stage(engine), Viewer("red")
    stage.add(viewer.sender)
    stage.put(viewer.sender, _grey(1))
    _until(lambda: failures)
    assert isinstance(failures[0], EngineTimeoutError)
    engine.leave.release()
