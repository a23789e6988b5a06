"""Owns switching between cameras while frames flow: the last camera goes on until the next gives its first frame."""

import threading
from collections.abc import Callable
from dataclasses import replace

from neural_style.errors import StylizationError
from realtime.controls import Action, Command
from realtime.errors import SourceError
from realtime.frame import Frame
from realtime.sources.cameras import Camera, found_cameras
from realtime.sources.protocol import Source, SourceInfo


class SwitchingSource:
    """A source in whose place `Action.NEXT_CAMERA` puts the next camera of this machine.

    Numbers and times of frames go on as if it was one source.

    Args:
        source: the first; closed with this one.
        device: of its camera, as `Camera.device` has it; "" where it is none.
        open_device: opens a camera by its device.
        say: takes a few words for people.
        cameras: those that are there now.
    """

    def __init__(
        self,
        source: Source,
        device: str,
        open_device: Callable[[str], Source],
        say: Callable[[str], None],
        cameras: Callable[[], list[Camera]] = found_cameras,
    ) -> None:
        self._source, self._device, self._open_device = source, device, open_device
        self._say, self._cameras = say, cameras
        self._changing, self._opening, self._closed = threading.Lock(), False, False
        self._read_of = source
        self._last: Frame | None = None
        self._shift, self._shift_s = 0, 0.0

    @property
    def info(self) -> SourceInfo:
        """See `Source.info`; of the camera that gives frames now."""
        return self._source.info

    def read(self) -> Frame | None:
        """See `Source.read`."""
        source, frame = self._read()
        if frame is None:
            return None
        if source is not self._read_of and self._last is not None:
            self._read_of, last = source, self._last
            passed_s = frame.capture_time_s - last.capture_time_s
            self._shift = last.index + 1 - frame.index
            self._shift_s = last.media_time_s + passed_s - frame.media_time_s
        index, media_time_s = frame.index + self._shift, frame.media_time_s + self._shift_s
        self._last = replace(frame, index=index, media_time_s=media_time_s)
        return self._last

    def _read(self) -> tuple[Source, Frame | None]:
        """The next frame, and who gave it; what becomes of a source that has been replaced does not matter."""
        while True:
            source = self._source
            try:
                frame = source.read()
            except SourceError:
                if source is self._source:
                    raise
                continue
            if source is self._source:
                return source, frame

    def close(self) -> None:
        """See `Source.close`."""
        with self._changing:
            self._closed = True
            self._source.close()

    def commands(self) -> list[Command]:
        """See `Controller.commands`: it asks for nothing."""
        return []

    def hear(self, command: Command) -> str:
        """See `Controller.hear`."""
        if command is not Action.NEXT_CAMERA:
            return ""
        if self._opening:
            return "a camera is being opened"
        devices = self._cameras()
        following = [camera for camera in devices if camera.device != self._device]
        if not following:
            return "there is no other camera"
        known = [camera.device for camera in devices]
        place = known.index(self._device) if self._device in known else -1
        chosen = devices[(place + 1) % len(devices)]
        self._opening, self._device = True, chosen.device  # one that does not open is passed over next time
        threading.Thread(target=self._open, args=(chosen,), name="switching reader", daemon=True).start()
        return f"opening {chosen.name or chosen.device}"

    def _open(self, camera: Camera) -> None:
        """Thread: opens a camera, which waits for its first frame, and puts it in the place of the last."""
        try:
            opened = self._open_device(camera.device)
        except StylizationError as error:
            self._say(str(error))
        else:
            with self._changing:
                before = opened if self._closed else self._source
                if not self._closed:
                    self._source = opened
                    self._say(f"camera {camera.name or camera.device}")
            before.close()
        finally:
            self._opening = False
