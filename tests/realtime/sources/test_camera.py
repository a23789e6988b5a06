"""Tests of cameras, with scripted ones: newest wins, silence, hanging drivers, pulled cables.

Must not need a camera.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import RED, CaptureStep, FakeCapture, FakeOpener, solid

from realtime.errors import SourceError
from realtime.frame import Frame, Image, to_bgr
from realtime.sources import camera
from realtime.sources.camera import CameraSource, open_camera, open_stream
from realtime.sources.cameras import list_cameras

pytestmark = [pytest.mark.usefixtures("no_threads_left"), pytest.mark.timeout(30)]

HANGS_AFTER_S = 10.0
SILENT_S = 0.15


@pytest.fixture(autouse=True)
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(camera, "LONGEST_RETRY_S", 0.02)


@pytest.fixture
def opened() -> Iterator[Callable[..., CameraSource]]:
    """Opens scripted cameras, and closes them at the end."""
    sources: list[CameraSource] = []

    def _open(*captures: FakeCapture | None, give_up_after_s: float = HANGS_AFTER_S) -> CameraSource:
        source = CameraSource("camera 7", FakeOpener(*captures), None, SILENT_S, give_up_after_s)
        sources.append(source)
        return source

    yield _open
    for source in sources:
        source.close()


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """A step at which a driver hangs until the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def _grey(value: int) -> Image:
    return solid((value, value, value), (8, 6))


def _value(frame: Frame | None) -> int:
    assert frame is not None
    return int(frame.pixels[0, 0, 0])


Opened = Callable[..., CameraSource]


def test_frames_come_in_order_with_times_that_grow(opened: Opened, hang: threading.Event) -> None:
    gates = [threading.Event() for _ in range(3)]
    script: list[CaptureStep] = [_grey(0)]
    for value, gate in enumerate(gates, start=1):
        script += [gate, _grey(value)]
    source = opened(FakeCapture([*script, hang]))
    frames = [source.read()]
    for gate in gates:
        gate.set()
        frames.append(source.read())
    assert [_value(frame) for frame in frames] == [0, 1, 2, 3]
    assert [frame.index for frame in frames if frame] == [0, 1, 2, 3]
    media_s = [frame.media_time_s for frame in frames if frame]
    assert media_s[0] == 0.0
    assert media_s == sorted(media_s)


def test_what_came_while_an_engine_was_opened_is_not_shown(opened: Opened, hang: threading.Event) -> None:
    gate = threading.Event()
    capture = FakeCapture([_grey(0), gate, *(_grey(value) for value in range(1, 4)), hang])
    source = opened(capture)
    assert capture.waits.wait(HANGS_AFTER_S)
    capture.waits.clear()
    gate.set()
    while len(capture._script) > 0 or not capture.waits.is_set():
        time.sleep(0.005)
    assert _value(source.read()) == 3


def test_who_reads_late_gets_the_newest_and_sees_a_gap(opened: Opened, hang: threading.Event) -> None:
    gate = threading.Event()
    capture = FakeCapture([_grey(0), gate, *(_grey(value) for value in range(1, 6)), hang])
    source = opened(capture)
    assert _value(source.read()) == 0
    assert capture.waits.wait(HANGS_AFTER_S)
    capture.waits.clear()
    gate.set()
    while len(capture._script) > 0 or not capture.waits.is_set():
        time.sleep(0.005)
    newest = source.read()
    assert _value(newest) == 5
    assert newest is not None
    assert newest.index == 5


def test_images_become_rgb_and_fit_the_size(hang: threading.Event) -> None:
    opener = FakeOpener(FakeCapture([to_bgr(solid(RED, (64, 48))), hang]))
    source = CameraSource("camera 7", opener, (32, 32), SILENT_S)
    frame = source.read()
    source.close()
    assert frame is not None
    assert source.info.size_wh == frame.size_wh == (32, 24)
    assert (frame.pixels == RED).all()
    assert not source.info.can_pause


@pytest.mark.parametrize(
    ("says_fps", "rate_fps"), [(25.0, 25.0), (0.0, 30.0), (-1.0, 30.0), (float("nan"), 30.0), (90000.0, 30.0)]
)
def test_an_odd_frame_rate_counts_as_thirty(
    opened: Opened, hang: threading.Event, says_fps: float, rate_fps: float
) -> None:
    assert opened(FakeCapture([_grey(1), hang], says_fps)).info.rate_fps == rate_fps


@pytest.mark.parametrize("script", [[], [None]], ids=["nothing", "no image"])
def test_a_camera_without_a_image_is_refused_at_once(script: list[CaptureStep]) -> None:
    capture = FakeCapture(script)
    with pytest.raises(SourceError, match="camera 7: opened, but gives no image"):
        CameraSource("camera 7", FakeOpener(capture), None, HANGS_AFTER_S)
    assert capture.released == 1


def test_a_camera_that_hangs_from_the_start_is_refused(hang: threading.Event) -> None:
    with pytest.raises(SourceError, match="another program may be using it"):
        CameraSource("camera 7", FakeOpener(FakeCapture([hang])), None, SILENT_S)
    hang.set()


def test_a_camera_that_falls_silent_is_opened_again(opened: Opened, hang: threading.Event) -> None:
    silent, back = FakeCapture([_grey(1)]), FakeCapture([_grey(2), hang])
    source = opened(silent, None, None, back)
    frames = [source.read(), source.read()]
    assert [_value(frame) for frame in frames] == [1, 2]
    assert [frame.index for frame in frames if frame] == [0, 1]
    assert silent.released == 1


def test_a_driver_that_hangs_is_noticed_and_cannot_disturb_the_next(opened: Opened, hang: threading.Event) -> None:
    last = threading.Event()
    hanging = FakeCapture([_grey(1), hang, _grey(99), _grey(99)])
    source = opened(hanging, FakeCapture([_grey(2), last, _grey(3)]))
    assert [_value(source.read()), _value(source.read())] == [1, 2]
    hang.set()
    while not hanging.released:
        time.sleep(0.005)
    last.set()
    following = source.read()
    assert _value(following) == 3
    assert following is not None
    assert following.index == 2


def test_who_stays_away_is_given_up(opened: Opened) -> None:
    source = opened(FakeCapture([_grey(1)]), give_up_after_s=0.2)
    assert _value(source.read()) == 1
    with pytest.raises(SourceError) as gone:
        source.read()
    assert "camera 7: gives no more images" in str(gone.value)
    assert "check its cable" in str(gone.value)


def test_waits_between_tries_grow(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "LONGEST_RETRY_S", 0.08)
    source = opened(FakeCapture([_grey(1)]), give_up_after_s=0.5)
    source.read()
    waits: list[float] = []
    wait = source._stopped.wait

    def record(seconds: float) -> bool:
        waits.append(seconds)
        return wait(seconds)

    monkeypatch.setattr(source._stopped, "wait", record)
    with pytest.raises(SourceError):
        source.read()
    assert waits[:6] == [0.01, 0.02, 0.04, 0.08, 0.08, 0.08]


@pytest.mark.parametrize("silent_for_good", [False, True], ids=["waiting", "reconnecting"])
def test_closing_wakes_a_reader(hang: threading.Event, silent_for_good: bool) -> None:
    script: list[CaptureStep] = [_grey(1)] if silent_for_good else [_grey(1), hang]
    source = CameraSource("camera 7", FakeOpener(FakeCapture(script)), None, HANGS_AFTER_S)
    source.read()
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.append(source.read()))
    reader.start()
    reader.join(0.1)
    assert reader.is_alive()
    hang.set()
    source.close()
    reader.join(HANGS_AFTER_S)
    assert got == [None]


def test_closing_does_not_wait_for_a_driver_that_hangs(opened: Opened, hang: threading.Event) -> None:
    source = opened(FakeCapture([_grey(1), hang]))
    started_s = time.perf_counter()
    source.close()
    assert time.perf_counter() - started_s < 5
    hang.set()


def test_a_driver_that_raises_counts_as_silent(
    opened: Opened, hang: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracebacks: list[object] = []
    monkeypatch.setattr(threading, "excepthook", tracebacks.append)
    gate = threading.Event()
    source = opened(FakeCapture([_grey(1), gate, cv2.error("driver")]), FakeCapture([_grey(2), hang]))
    assert _value(source.read()) == 1
    gate.set()
    assert _value(source.read()) == 2
    assert tracebacks == []


def test_a_camera_of_grey_images_gives_colour_frames(opened: Opened, hang: threading.Event) -> None:
    source = opened(FakeCapture([np.full((6, 8), 90, np.uint8), hang]))
    frame = source.read()
    assert frame is not None
    assert frame.pixels.shape == (6, 8, 3)
    assert (frame.pixels == 90).all()


def test_no_camera_is_told_with_its_cause() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has device files")
    for device, path in ((98, "/dev/video98"), ("/dev/video99", "/dev/video99")):
        with pytest.raises(SourceError) as refused:
            open_camera(device, (640, 480))
        assert f"camera {device}: does not open; there is no {path} on this machine" in str(refused.value)
        assert "\n" not in str(refused.value)


def test_other_cameras_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has device files")
    monkeypatch.setattr(camera, "list_cameras", lambda: ["/dev/video2  Front", "/dev/video3  Back"])
    with pytest.raises(SourceError, match="there is /dev/video2  Front, /dev/video3  Back"):
        open_camera(98, (640, 480))
    monkeypatch.setattr(camera, "list_cameras", list)
    with pytest.raises(SourceError, match="no camera is connected"):
        open_camera(98, (640, 480))


@pytest.mark.parametrize(
    ("platform", "cause"), [("darwin", "System Settings"), ("win32", "allow desktop apps"), ("linux", "group video")]
)
def test_a_camera_that_is_there_but_does_not_open_names_the_likely_cause(
    monkeypatch: pytest.MonkeyPatch, platform: str, cause: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: _NotOpened())
    with pytest.raises(SourceError) as refused:
        open_camera(0, (640, 480))
    assert cause in str(refused.value)


class _NotOpened(FakeCapture):
    def __init__(self) -> None:
        super().__init__([])

    def isOpened(self) -> bool:  # noqa: N802
        return False


class _Settable(FakeCapture):
    """Remembers what it was asked for."""

    def __init__(self, hang: threading.Event) -> None:
        super().__init__([_grey(1), hang])
        self.asked: dict[int, float] = {}

    def set(self, prop: int, value: float) -> bool:
        self.asked[prop] = value
        return True


def test_a_camera_is_asked_for_motion_jpeg_size_and_a_short_buffer(
    monkeypatch: pytest.MonkeyPatch, hang: threading.Event
) -> None:
    capture = _Settable(hang)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: capture)
    source = open_camera(3, (640, 480))
    assert source.info.name == "camera 3"
    hang.set()
    source.close()
    assert capture.asked == {
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
        cv2.CAP_PROP_FRAME_WIDTH: 640,
        cv2.CAP_PROP_FRAME_HEIGHT: 480,
        cv2.CAP_PROP_BUFFERSIZE: 1,
    }


def test_a_stream_that_does_not_open_names_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: _NotOpened())
    with pytest.raises(SourceError, match="stream rtsp://nowhere/1: does not open; check the address"):
        open_stream("rtsp://nowhere/1", None)


def test_cameras_are_listed_by_path_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has device files")
    names = ["/dev/video10", "/dev/video2", "/dev/video1", "/dev/video0"]

    def read(path: Path) -> str:
        return "Front camera\n" if path.name == "name" else str(int(path.parent.name == "video1"))

    monkeypatch.setattr(Path, "glob", lambda *_: [Path(name) for name in names])
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    monkeypatch.setattr(Path, "read_text", read)
    assert list_cameras() == [f"{name}  Front camera" for name in ("/dev/video0", "/dev/video2", "/dev/video10")]
