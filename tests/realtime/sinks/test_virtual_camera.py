"""Tests of the virtual camera with a driver that is a fake.

Must not need a driver.
"""

import sys
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from fakes import make_frame, solid
from numpy.typing import NDArray

from neural_style.errors import MissingPackageError
from realtime.errors import SinkError
from realtime.sinks.protocol import StylizedFrame
from realtime.sinks.virtual_camera import VirtualCameraSink


class FakeCamera:
    """What pyvirtualcam opens."""

    opened: ClassVar[list["FakeCamera"]] = []
    failure: ClassVar[Exception | None] = None

    def __init__(self, width: int, height: int, fps: float) -> None:
        if self.failure is not None:
            raise self.failure
        self.width, self.height, self.fps, self.device = width, height, fps, "/dev/video9"
        self.sent: list[NDArray[np.uint8]] = []
        self.closed = 0
        self.breaks = False
        self.opened.append(self)

    def send(self, pixels: NDArray[np.uint8]) -> None:
        if self.breaks:
            raise RuntimeError("the device is gone")
        assert pixels.shape == (self.height, self.width, 3)
        assert pixels.flags.c_contiguous
        self.sent.append(pixels)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch) -> type[FakeCamera]:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=FakeCamera))
    monkeypatch.setattr(FakeCamera, "opened", [])
    monkeypatch.setattr(FakeCamera, "failure", None)
    return FakeCamera


def _frame(size_wh: tuple[int, int], colour: tuple[int, int, int] = (200, 20, 30)) -> StylizedFrame:
    stylized = solid(colour, size_wh)
    return StylizedFrame(make_frame(stylized), stylized, 255 - stylized)


def test_other_programs_see_the_stylized_images_without_the_overlay(driver: type[FakeCamera]) -> None:
    sink = VirtualCameraSink(25.0)
    assert not driver.opened, "nothing is opened before the first frame"
    sink.write(_frame((65, 49)))
    sink.write(_frame((128, 96), (1, 2, 3)))
    (camera,) = driver.opened
    assert (camera.width, camera.height, camera.fps) == (64, 48, 25.0)
    assert [image[5, 5].tolist() for image in camera.sent] == [[200, 20, 30], [1, 2, 3]], "red is red"
    assert sink.close() == "virtual camera /dev/video9: closed"
    assert sink.close() == ""
    assert camera.closed == 1


@pytest.mark.parametrize(
    ("platform", "words"), [("linux", "v4l2loopback"), ("darwin", "OBS 30"), ("win32", "Unity Capture")]
)
def test_a_missing_driver_is_told_with_what_to_install(
    driver: type[FakeCamera], monkeypatch: pytest.MonkeyPatch, platform: str, words: str
) -> None:
    monkeypatch.setattr(driver, "failure", RuntimeError("no backend\nlong story"))
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(SinkError, match=f"virtual camera: cannot be opened .no backend.; .*{words}"):
        VirtualCameraSink(30.0).write(_frame((64, 48)))


def test_a_camera_that_breaks_is_a_sink_error(driver: type[FakeCamera]) -> None:
    sink = VirtualCameraSink(30.0)
    sink.write(_frame((64, 48)))
    driver.opened[0].breaks = True
    with pytest.raises(SinkError, match=r"/dev/video9: takes no more frames .the device is gone."):
        sink.write(_frame((64, 48)))
    sink.abandon()
    assert driver.opened[0].closed == 1


def test_without_the_package_the_command_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "pyvirtualcam", missing)
    with pytest.raises(MissingPackageError, match="pip install"):
        VirtualCameraSink(30.0)
