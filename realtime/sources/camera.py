"""Cameras and network streams: sources that go on whether somebody reads or not."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2

from realtime.errors import SourceError
from realtime.frame import Frame, from_bgr, resize_to_fit
from realtime.mailbox import LatestMailbox, MailboxClosedError
from realtime.sources.cameras import device_now, list_cameras, name_of
from realtime.sources.protocol import Source, SourceInfo
from realtime.sources.video_file import VideoFileSource

SILENT_AFTER_S = 5.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 8.0
GIVE_UP_AFTER_S = 60.0


_log = logging.getLogger(__name__)


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used; tests hand in a fake."""

    def read(self) -> tuple[bool, Any]:
        """Whether an image came, and the image, uint8 (H, W, 3) BGR (OpenCV promises no dtype)."""

    def isOpened(self) -> bool:  # noqa: N802
        """Whether the device answers."""

    def get(self, prop: int) -> float:
        """A property of the device."""

    def release(self) -> None:
        """Lets go of the device."""


class CameraSource:
    """Reads a camera or stream in a thread of its own; who reads gets the newest frame.

    When nothing has come for a while (the camera was pulled out, or its driver hangs), the
    device is opened again, after waits that grow, until `give_up_after_s` is over.

    Args:
        name: for people.
        open_capture: opens the device, or raises SourceError; called again for every new try.
        size_wh: frames are resized to fit inside; None keeps their own size.
        silent_after_s: how long without a frame counts as silent.
        give_up_after_s: how long reconnecting is tried.

    Attributes:
        info: see `Source.info`.

    Raises:
        SourceError: the device does not open, or gives no image.
    """

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        size_wh: tuple[int, int] | None = None,
        silent_after_s: float = SILENT_AFTER_S,
        give_up_after_s: float = GIVE_UP_AFTER_S,
    ) -> None:
        self._name, self._open_capture, self._size_wh = name, open_capture, size_wh
        self._silent_after_s, self._give_up_after_s = silent_after_s, give_up_after_s
        self._stopped = threading.Event()
        self._index = 0
        self._failure: Exception | None = None
        self._first_s: float | None = None
        capture = open_capture()
        self._start_thread(capture)
        self._waiting: Frame | None = self._wait_for_frame()
        if self._waiting is None:
            self.close()
            raise SourceError(f"{name}: opened, but gives no image; another program may be using it")
        rate_fps = capture.get(cv2.CAP_PROP_FPS) or 30.0
        self.info = SourceInfo(
            _with_format(name, capture),
            self._waiting.size_wh,
            rate_fps if 1 <= rate_fps <= 1000 else 30.0,
            can_pause=False,
        )

    def read(self) -> Frame | None:
        """See `Source.read`; reconnects when the device has fallen silent."""
        if self._waiting is not None:  # from when it was opened; an engine was opened meanwhile
            first, self._waiting = self._waiting, None
            return self._newer() or first
        newest = self._wait_for_frame()
        return newest if newest is not None or self._stopped.is_set() else self._reconnect()

    def close(self) -> None:
        """See `Source.close`."""
        self._stopped.set()
        self._mailbox.close()
        self._thread.join(timeout=0.5)

    def _start_thread(self, capture: Capture) -> None:
        """Each connection has its own mailbox, so a driver that hung cannot disturb the next one."""
        self._mailbox: LatestMailbox[Frame] = LatestMailbox()
        self._thread = threading.Thread(
            target=self._grab, args=(capture, self._mailbox), name=f"{self._name} reader", daemon=True
        )
        self._thread.start()

    def _grab(self, capture: Capture, mailbox: LatestMailbox[Frame]) -> None:
        try:
            while not self._stopped.is_set():
                came, bgr = capture.read()
                now_s = time.perf_counter()
                if not came:
                    return
                self._first_s = now_s if self._first_s is None else self._first_s
                pixels = resize_to_fit(from_bgr(bgr), self._size_wh)
                mailbox.put(Frame(pixels, self._index, now_s, now_s - self._first_s))
                self._index += 1
        except MailboxClosedError:
            return
        except Exception as error:  # noqa: BLE001
            self._failure = error
        finally:
            mailbox.close()
            capture.release()

    def _wait_for_frame(self) -> Frame | None:
        """The newest frame, or None when the device is silent, has ended or failed."""
        try:
            return self._mailbox.get(self._silent_after_s)
        except MailboxClosedError:
            return None

    def _newer(self) -> Frame | None:
        """A frame that is there already; None where none is."""
        try:
            return self._mailbox.get(0.0)
        except MailboxClosedError:
            return None

    def _reconnect(self) -> Frame | None:
        _log.warning("%s: gives no more images; trying to reach it again", self._name)
        self._mailbox.close()
        started_s, retry_s = time.perf_counter(), FIRST_RETRY_S
        while time.perf_counter() - started_s < self._give_up_after_s:
            if self._stopped.wait(min(retry_s, self._give_up_after_s)):
                return None
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)
            try:
                self._start_thread(self._open_capture())
            except SourceError:
                continue
            frame = self._wait_for_frame()
            if frame is not None or self._stopped.is_set():
                return frame
        raise SourceError(
            f"{self._name}: gives no more images, and could not be reached again for "
            f"{self._give_up_after_s:.0f} s; check its cable or network"
        ) from self._failure


def _with_format(name: str, capture: Capture) -> str:
    """Adds the pixel format that the device really gives: "camera 0 (MJPG)"."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)) if code > 0 else ""
    return f"{name} ({letters})" if letters.isalnum() and letters.isascii() else name


def open_camera(device: int | str, size_wh: tuple[int, int], give_up_after_s: float = GIVE_UP_AFTER_S) -> CameraSource:
    """Opens a camera by number or by path, asked for MJPG, a size and a buffer of one frame.

    Plugged in again, it is found by its name, whatever number it has got.

    Raises:
        SourceError: it does not open; the message names the likely cause.
    """
    first_node = str(_node(device))
    maker_name = name_of(first_node)

    def open_capture() -> Capture:
        node = device_now(first_node, maker_name)
        # Linux says without opening the driver whether there is a camera, so ask first.
        is_there = sys.platform != "linux" or Path(node).exists()
        capture = cv2.VideoCapture(device if node == first_node else node) if is_there else None
        if capture is None or not capture.isOpened():
            raise SourceError(f"camera {device}: does not open; {_likely_cause(device)}")
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size_wh[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size_wh[1])
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture

    return CameraSource(f"camera {device}", open_capture, size_wh, give_up_after_s=give_up_after_s)


def open_stream(url: str, size_wh: tuple[int, int] | None) -> Source:
    """Opens a network stream by its URL; a URL of a video with an end is played like a file.

    Raises:
        SourceError: it does not open.
    """

    def open_capture() -> Capture:
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise SourceError(f"stream {url}: does not open; check the address, and that the sender runs")
        return capture

    connected = [open_capture()]
    if connected[0].get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        connected.pop().release()
        return VideoFileSource(url, url, size_wh)
    return CameraSource(f"stream {url}", lambda: connected.pop() if connected else open_capture(), size_wh)


def _node(device: int | str) -> Path:
    return Path(f"/dev/video{device}" if isinstance(device, int) else device)


def _likely_cause(device: int | str) -> str:
    if sys.platform == "darwin":
        return "allow this terminal to use the camera in System Settings, Privacy & Security, or close other programs"
    if sys.platform == "win32":
        return "allow desktop apps to use the camera in Settings, Privacy, or close other programs that use it"
    path = _node(device)
    if not path.exists():
        others = ", ".join(list_cameras())
        return f"there is no {path} on this machine; " + (f"there is {others}" if others else "no camera is connected")
    return f"{path} is there, so another program uses it, or this user may not (group video)"
