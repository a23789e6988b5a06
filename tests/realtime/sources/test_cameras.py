"""Tests of cameras by name, with a scripted driver and a folder in the place of /sys and /dev.

Must not need a camera.
"""

import math
import struct
import sys
import threading
from pathlib import Path

import pytest
from fakes import FakeCapture, FakeSource, solid

from realtime.errors import SourceError
from realtime.options import RunOptions
from realtime.show_options import ShowOptions
from realtime.sources import camera, cameras
from realtime.sources.cameras import Camera, Mode, device_now, find_camera, found_cameras, modes_by_ioctl
from realtime.sources.selection import open_source

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has device files")


class Machine:
    """Cameras that are plugged in and out."""

    def __init__(self, folder: Path) -> None:
        self.sysfs, self.dev = folder / "sys", folder / "dev"
        self.sysfs.mkdir()
        self.dev.mkdir()

    def plug_in(self, number: int, name: str, index: int = 0) -> str:
        about, node = self.sysfs / f"video{number}", self.dev / f"video{number}"
        about.mkdir()
        (about / "name").write_text(f"{name}\n")
        (about / "index").write_text(f"{index}\n")
        node.touch()
        return str(node)

    def pull_out(self, number: int) -> None:
        about = self.sysfs / f"video{number}"
        for file in about.iterdir():
            file.unlink()
        about.rmdir()
        (self.dev / f"video{number}").unlink()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(cameras, "_SYSFS", made.sysfs)
    monkeypatch.setattr(cameras, "_DEV", made.dev)
    return made


@needs_linux
def test_cameras_have_names_and_nodes_for_metadata_are_none(machine: Machine) -> None:
    nodes = [machine.plug_in(2, "Logitech BRIO"), machine.plug_in(10, "Front camera")]
    machine.plug_in(3, "Logitech BRIO", index=1)
    assert found_cameras() == [Camera(nodes[0], "Logitech BRIO"), Camera(nodes[1], "Front camera")]
    # The files are no devices, so that no driver tells sizes.
    assert cameras.list_cameras() == [f"{nodes[0]}  Logitech BRIO", f"{nodes[1]}  Front camera"]


def test_a_line_has_sizes_and_rates() -> None:
    modes = (Mode((1280, 720), 30.0), Mode((640, 480), 59.94))
    assert Camera("/dev/video0", "Front", modes).line == "/dev/video0  Front  1280x720 at 30 fps, 640x480 at 59.94 fps"
    assert Camera("0", "").line == "0"


@needs_linux
def test_part_of_a_name_finds_one_camera(machine: Machine) -> None:
    brio = machine.plug_in(0, "Logitech BRIO")
    other = machine.plug_in(2, "Logitech BRIO 4K")
    front = machine.plug_in(4, "Front camera")
    assert find_camera("front").device == front
    assert find_camera("4k").device == other
    assert find_camera("Logitech BRIO").device == brio, "its whole name goes before others"
    with pytest.raises(SourceError) as refused:
        find_camera("logitech")
    assert str(refused.value) == (
        f"source 'logitech': 2 cameras have it; name one of: {brio}  Logitech BRIO, {other}  Logitech BRIO 4K"
    )
    with pytest.raises(SourceError, match=r"no camera has it; name one of: .*Front camera"):
        find_camera("infrared")


@needs_linux
def test_a_source_may_be_part_of_a_cameras_name(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    node = machine.plug_in(4, "HD Pro Webcam C920")
    asked: list[tuple[object, float]] = []

    def open_fake(name: object, _: object, give_up_after_s: float) -> FakeSource:
        asked.append((name, give_up_after_s))
        return FakeSource()

    monkeypatch.setattr(camera, "open_camera", open_fake)
    # On a real machine nodes are in /dev, by which a path is known for a camera.
    monkeypatch.setattr(
        cameras, "cameras_named", lambda text: [Camera("/dev/video4", "HD Pro")] if "c920" in text else []
    )
    open_source("c920", RunOptions(), (640, 480))
    open_source("c920", RunOptions(show=ShowOptions(kiosk=2.0)), (640, 480))
    assert node.endswith("video4")
    assert asked == [("/dev/video4", camera.GIVE_UP_AFTER_S), ("/dev/video4", math.inf)]
    with pytest.raises(SourceError, match="no such file"):
        open_source("c921", RunOptions(), (640, 480))


@needs_linux
def test_plugged_in_again_a_camera_is_found_by_its_name(machine: Machine) -> None:
    node = machine.plug_in(0, "Logitech BRIO")
    assert device_now(node, "Logitech BRIO") == node
    machine.pull_out(0)
    assert device_now(node, "Logitech BRIO") == node, "it may come back"
    machine.plug_in(0, "Front camera")
    elsewhere = machine.plug_in(3, "Logitech BRIO")
    assert device_now(node, "Logitech BRIO") == elsewhere
    assert device_now("/dev/video7", "") == "/dev/video7"


@needs_linux
def test_a_camera_that_was_pulled_out_goes_on_where_it_is_plugged_in(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    monkeypatch.setattr(camera, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(camera, "_node", lambda device: machine.dev / f"video{device}")
    machine.plug_in(0, "Logitech BRIO")
    hang, pulled = threading.Event(), threading.Event()
    captures = {
        0: _Settable([solid((1, 1, 1), (8, 6)), pulled]),
        str(machine.dev / "video3"): _Settable([solid((2, 2, 2), (8, 6)), hang]),
    }
    opened: list[object] = []

    def open_capture(device: object) -> FakeCapture:
        opened.append(device)
        return captures[device]

    monkeypatch.setattr(cv2, "VideoCapture", open_capture)
    source = camera.open_camera(0, (8, 6))
    first = source.read()
    machine.pull_out(0)
    machine.plug_in(3, "Logitech BRIO")
    pulled.set()
    second = source.read()
    hang.set()
    source.close()
    assert opened == [0, str(machine.dev / "video3")]
    assert first is not None
    assert second is not None
    assert [int(frame.pixels[0, 0, 0]) for frame in (first, second)] == [1, 2]


class _Settable(FakeCapture):
    def set(self, _: int, __: float) -> bool:
        return True


class Driver:
    """A V4L2 driver, by its lists."""

    def __init__(self, captures: bool = True) -> None:
        self.captures = captures
        self.formats = {
            b"MJPG": {(1280, 720): [(1, 30), (1, 15)], (640, 480): [(1, 60)]},
            b"YUYV": {(640, 480): [(1, 30)]},
        }
        self.asked = 0

    def ioctl(self, _: int, request: int, buffer: bytearray) -> int:
        self.asked += 1
        size = request >> 16 & 0x3FFF
        assert size == len(buffer), "the request's number says how large its structure is"
        if request & 0xFF == 0:
            struct.pack_into("=3I", buffer, 84, 0x80000000, 1 if self.captures else 0x00800000, 0)
            return 0
        number, wanted = struct.unpack_from("=2I", buffer)
        codes = {int.from_bytes(code, "little"): code for code in self.formats}
        if request & 0xFF == 2:
            self._end_after(list(codes), number)
            struct.pack_into("=I", buffer, 44, list(codes)[number])
            return 0
        sizes = self.formats[codes[wanted]]
        if request & 0xFF == 74:
            self._end_after(list(sizes), number)
            struct.pack_into("=3I", buffer, 8, 1, *list(sizes)[number])
            return 0
        width, height = struct.unpack_from("=2I", buffer, 8)
        intervals = sizes[(width, height)]
        self._end_after(intervals, number)
        struct.pack_into("=3I", buffer, 16, 1, *intervals[number])
        return 0

    def _end_after(self, entries: list[object] | list[int] | list[tuple[int, int]], number: int) -> None:
        if number >= len(entries):
            raise OSError(22, "Invalid argument")


def test_a_driver_tells_each_size_and_the_highest_rate_at_it() -> None:
    assert modes_by_ioctl(7, Driver().ioctl) == (Mode((1280, 720), 30.0), Mode((640, 480), 60.0))


def test_a_device_that_gives_no_images_has_no_modes() -> None:
    driver = Driver(captures=False)
    assert modes_by_ioctl(7, driver.ioctl) == ()
    assert driver.asked == 1


def test_a_driver_that_knows_none_of_it_has_no_modes() -> None:
    def refuse(*_: object) -> object:
        raise OSError(25, "Inappropriate ioctl for device")

    assert modes_by_ioctl(7, refuse) == ()
