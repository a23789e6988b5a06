"""Tests of switching between cameras while frames flow."""

import threading
from collections.abc import Callable

import pytest
from fakes import FakeSource

from realtime.controls import Action, SelectStyle
from realtime.errors import SourceError
from realtime.sources.cameras import Camera
from realtime.sources.protocol import Source
from realtime.sources.switching import SwitchingSource

pytestmark = [pytest.mark.usefixtures("no_threads_left"), pytest.mark.timeout(30)]

FRONT, BACK, SIDE = (Camera(f"/dev/video{number}", name) for number, name in ((0, "Front"), (2, "Back"), (4, "")))


class Room:
    """Cameras that give one colour each, and what was said."""

    def __init__(self, *cameras: Camera, device: str = FRONT.device) -> None:
        self.cameras, self.broken = list(cameras), set[str]()
        self.sources: dict[str, FakeSource] = {device: self._source(device)}
        self.said: list[str] = []
        self.happened = threading.Event()
        self.source = SwitchingSource(self.sources[device], device, self.open, self.say, lambda: self.cameras)

    def _source(self, device: str) -> FakeSource:
        value = int(device[-1]) if device else 9
        return FakeSource(colour=(value, value, value), interval_s=0.001)

    def open(self, device: str) -> Source:
        if device in self.broken:
            raise SourceError(f"camera {device}: does not open; its cable is cut")
        self.sources[device] = self._source(device)
        return self.sources[device]

    def say(self, line: str) -> None:
        self.said.append(line)
        self.happened.set()

    def press(self) -> str:
        self.happened.clear()
        answer = self.source.hear(Action.NEXT_CAMERA)
        if answer.startswith("opening"):
            assert self.happened.wait(10)
            _wait_until(lambda: not self.source._opening)
        return answer

    def colour(self) -> int:
        frame = self.source.read()
        assert frame is not None
        return int(frame.pixels[0, 0, 0])


def _wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("waited in vain")


def test_it_goes_through_the_cameras_and_around() -> None:
    room = Room(FRONT, BACK, SIDE)
    colours = [room.colour()]
    answers = []
    for _ in range(3):
        answers.append(room.press())
        colours.append(room.colour())
    assert colours == [0, 2, 4, 0]
    assert answers == ["opening Back", "opening /dev/video4", "opening Front"]
    assert room.said == ["camera Back", "camera /dev/video4", "camera Front"]
    assert room.sources[BACK.device].closed == 1


def test_numbers_and_times_go_on() -> None:
    room = Room(FRONT, BACK)
    frames = [room.source.read() for _ in range(5)]
    room.press()
    frames += [room.source.read() for _ in range(5)]
    assert [frame.index for frame in frames if frame] == list(range(10))
    times_s = [frame.media_time_s for frame in frames if frame]
    assert times_s == sorted(times_s)
    assert times_s[5] - times_s[4] < 5


def test_what_is_no_camera_gives_way_to_the_first_and_other_commands_do_nothing() -> None:
    room = Room(FRONT, BACK, device="")
    assert room.source.hear(SelectStyle(2)) == ""
    assert room.press() == "opening Front"
    assert room.colour() == 0


def test_a_lonely_camera_stays() -> None:
    room = Room(FRONT)
    assert room.press() == "there is no other camera"
    assert room.colour() == 0


def test_a_camera_that_does_not_open_is_said_and_passed_over() -> None:
    room = Room(FRONT, BACK, SIDE)
    room.broken.add(BACK.device)
    room.press()
    assert room.said == ["camera /dev/video2: does not open; its cable is cut"]
    assert room.colour() == 0
    room.press()
    assert room.colour() == 4


def test_one_is_opened_at_a_time_and_the_last_goes_on_meanwhile() -> None:
    room, may_open = Room(FRONT, BACK), threading.Event()
    opened = room.open

    def slow(device: str) -> Source:
        may_open.wait(10)
        return opened(device)

    room.source._open_device = slow
    assert room.source.hear(Action.NEXT_CAMERA) == "opening Back"
    assert room.source.hear(Action.NEXT_CAMERA) == "a camera is being opened"
    assert room.colour() == 0
    may_open.set()
    assert room.happened.wait(10)
    assert room.colour() == 2


def test_a_camera_that_opens_after_the_end_is_closed() -> None:
    room = Room(FRONT, BACK)
    room.source.close()
    room.source.hear(Action.NEXT_CAMERA)
    _wait_until(lambda: BACK.device in room.sources and room.sources[BACK.device].closed == 1)
    assert room.said == []


def test_a_camera_that_hangs_gives_way() -> None:
    room = Room(FRONT, BACK)
    hanging = FakeSource(stop_at=0)
    room.source._source = room.source._read_of = hanging
    got: list[int] = []
    reader = threading.Thread(target=lambda: got.append(room.colour()))
    reader.start()
    room.press()
    hanging.let_go.set()  # as a real source does when it is closed
    reader.join(10)
    assert got == [2]


def test_a_camera_that_gives_up_after_it_was_replaced_ends_nothing() -> None:
    room = Room(FRONT, BACK)
    gone = FakeSource(stop_at=0, error=SourceError("camera 0: gives no more images"))
    room.source._source = room.source._read_of = gone
    with pytest.raises(SourceError, match="gives no more images"):
        room.source.read()
    read = gone.read

    def replaced() -> object:
        room.source._source = room.open(BACK.device)
        return read()

    gone.read = replaced  # type: ignore[assignment, method-assign]
    assert room.colour() == 2
