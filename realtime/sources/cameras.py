"""Owns which cameras this machine has: their names, sizes and rates, without opening them for images."""

import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import SourceError

_SYSFS = Path("/sys/class/video4linux")
_DEV = Path("/dev")

# Of linux/videodev2.h: numbers of requests, and what a driver fills in.
_QUERYCAP, _CAPABILITY = 0x80685600, struct.Struct("=16s32s32s6I")
_ENUM_FMT, _FORMAT = 0xC0405602, struct.Struct("=3I32sII12x")
_ENUM_FRAMESIZES, _FRAME_SIZE = 0xC02C564A, struct.Struct("=9I8x")
_ENUM_FRAMEINTERVALS, _FRAME_INTERVAL = 0xC034564B, struct.Struct("=11I8x")
_CAPTURES, _HAS_DEVICE_CAPS, _DISCRETE, _VIDEO_CAPTURE = 0x1, 0x80000000, 1, 1
_MOST = 64
"""Entries of a list that are asked for; drivers end theirs with an error, long before."""

Ioctl = Callable[[int, int, bytearray], object]


@dataclass(frozen=True)
class Mode:
    """What a camera can give: (width, height) in px, and the most frames a second."""

    size_wh: tuple[int, int]
    rate_fps: float


@dataclass(frozen=True)
class Camera:
    """A camera of this machine.

    Attributes:
        device: as `--source` takes it: "/dev/video0", or a number where the system has no paths.
        name: what its maker calls it; "" where the system does not say.
        modes: what it can give, the largest first; empty where it does not say.
    """

    device: str
    name: str
    modes: tuple[Mode, ...] = ()

    @property
    def line(self) -> str:
        """For people: "/dev/video0  Front camera  1280x720 at 30 fps, 640x480 at 60 fps"."""
        modes = ", ".join(f"{m.size_wh[0]}x{m.size_wh[1]} at {m.rate_fps:g} fps" for m in self.modes)
        return "  ".join(filter(None, (self.device, self.name, modes)))


def found_cameras(with_modes: bool = False) -> list[Camera]:
    """The cameras that are connected now, in the system's order.

    Args:
        with_modes: also ask their drivers for sizes and rates; only Linux tells them.
    """
    if sys.platform == "linux":
        nodes = sorted(_DEV.glob("video*"), key=lambda path: (len(path.name), path.name))
        found = [node for node in nodes if _about(node, "index") in ("", "0")]
        return [Camera(str(node), name_of(str(node)), _modes(node) if with_modes else ()) for node in found]
    named = _names_by_ffmpeg()
    return [Camera(str(number), name) for number, name in enumerate(named)] or _opened_by_number()


def list_cameras() -> list[str]:
    """A line for people for each camera; `--source` takes its beginning, or part of the name."""
    return [camera.line for camera in found_cameras(with_modes=True)]


def cameras_named(text: str) -> list[Camera]:
    """The cameras whose name holds a text, whatever its capitals; one of exactly that name goes before others."""
    cameras = [camera for camera in found_cameras() if text.lower() in camera.name.lower()] if text else []
    return [camera for camera in cameras if camera.name == text] or cameras


def find_camera(text: str) -> Camera:
    """The one camera that a part of a name means.

    Raises:
        SourceError: there is none, or several.
    """
    cameras = cameras_named(text)
    if len(cameras) == 1:
        return cameras[0]
    others = ", ".join(camera.line for camera in cameras or found_cameras()) or "no camera is connected"
    what = f"{len(cameras)} cameras have it" if cameras else "no camera has it"
    raise SourceError(f"source {text!r}: {what}; name one of: {others}")


def name_of(device: str) -> str:
    """What the maker calls a camera, or "" where the system does not say or it is not there."""
    return _about(Path(device), "name") if sys.platform == "linux" else ""


def device_now(device: str, name: str) -> str:
    """Where a camera is now: plugged in again, it may have got another number.

    Args:
        device: where it was.
        name: its name then, or "".
    """
    if not name or name_of(device) == name:
        return device
    return next((camera.device for camera in found_cameras() if camera.name == name), device)


def _about(node: Path, what: str) -> str:
    """What Linux says of a camera, or "". Many cameras have a second node, for metadata; the first has index 0."""
    file = _SYSFS / node.name / what
    with suppress(OSError):  # it may be pulled out between two looks
        return file.read_text().strip() if file.is_file() else ""
    return ""


def _modes(node: Path) -> tuple[Mode, ...]:
    try:
        opened = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except OSError:  # this user may not, or it has gone
        return ()
    try:
        return modes_by_ioctl(opened, _ioctl)
    finally:
        os.close(opened)


def modes_by_ioctl(opened: int, ioctl: Ioctl) -> tuple[Mode, ...]:
    """Asks a driver (V4L2) for each size and the highest rate at it, in any pixel format.

    Args:
        opened: the device's file descriptor.
        ioctl: `fcntl.ioctl`, which changes the buffer; raises OSError where a list ends.
    """
    buffer = bytearray(_CAPABILITY.size)
    try:
        ioctl(opened, _QUERYCAP, buffer)
    except OSError:
        return ()
    *_, capabilities, device_capabilities, _, _, _ = _CAPABILITY.unpack(buffer)
    if not (device_capabilities if capabilities & _HAS_DEVICE_CAPS else capabilities) & _CAPTURES:
        return ()
    rates: dict[tuple[int, int], float] = {}
    for entry in _entries(ioctl, opened, _ENUM_FMT, _FORMAT, (_VIDEO_CAPTURE,)):
        pixel_format = entry[4]
        for size in _entries(ioctl, opened, _ENUM_FRAMESIZES, _FRAME_SIZE, (pixel_format,)):
            # A range of sizes (least, most, step of each side) counts as its largest.
            size_wh = (size[3], size[4]) if size[2] == _DISCRETE else (size[4], size[7])
            wanted = (pixel_format, *size_wh)
            for interval in _entries(ioctl, opened, _ENUM_FRAMEINTERVALS, _FRAME_INTERVAL, wanted):
                numerator, denominator = interval[5], interval[6]  # of a range the shortest comes first
                rate_fps = denominator / numerator if numerator else 0.0
                rates[size_wh] = max(rates.get(size_wh, 0.0), round(rate_fps, 2))
    return tuple(Mode(size_wh, rate) for size_wh, rate in sorted(rates.items(), reverse=True))


def _entries(
    ioctl: Ioctl, opened: int, request: int, layout: struct.Struct, wanted: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    """The entries of a driver's list: all start with their number and what is wanted of the list."""
    for number in range(_MOST):
        buffer = bytearray(layout.size)
        struct.pack_into(f"={1 + len(wanted)}I", buffer, 0, number, *wanted)
        try:
            ioctl(opened, request, buffer)
        except OSError:
            return
        yield layout.unpack(buffer)


def _ioctl(opened: int, request: int, buffer: bytearray) -> object:
    from fcntl import ioctl

    return ioctl(opened, request, buffer)


def _names_by_ffmpeg() -> list[str]:
    """Names by AVFoundation or DirectShow, in the order of their numbers."""
    import av
    from av.error import FFmpegError

    try:
        devices = av.enumerate_input_devices("avfoundation" if sys.platform == "darwin" else "dshow")
    except (FFmpegError, ValueError, OSError):
        return []
    return [device.description or device.name for device in devices if "video" in device.media_types]


def _opened_by_number() -> list[Camera]:
    """Cameras that can be opened, where nothing tells their names."""
    import cv2

    found = []
    for number in range(10):
        capture = cv2.VideoCapture(number)
        if capture.isOpened():
            found.append(Camera(str(number), ""))
        capture.release()
    return found
