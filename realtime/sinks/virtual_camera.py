"""The virtual camera: other programs, such as video calls, see the stylized images as a webcam."""

import sys
from typing import Any

import numpy as np

from neural_style.packages import optional_packages
from realtime.errors import SinkError
from realtime.media.resize import resize
from realtime.sinks.protocol import Sink, StylizedFrame

_DRIVERS = {
    "linux": "install v4l2loopback: sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback devices=1 "
    "exclusive_caps=1 card_label=Stylized",
    "darwin": "install OBS 30 or newer, and press Start Virtual Camera in it once",
    "win32": "install OBS, or Unity Capture for images of any size",
}


class VirtualCameraSink(Sink):
    """A camera for other programs. The size is that of the first frame; later ones are fitted into it.

    Args:
        rate_fps: frames per second that are announced.

    Raises:
        MissingPackageError: pyvirtualcam is not installed.
    """

    def __init__(self, rate_fps: float) -> None:
        with optional_packages("virtual camera"):
            import pyvirtualcam
        self._make, self._rate_fps = pyvirtualcam.Camera, rate_fps
        self._camera: Any = None

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        height, width = stylized.pixels.shape[:2]
        if self._camera is None:
            self._camera = self._opened(width // 2 * 2, height // 2 * 2)
        pixels = resize(stylized.pixels, (self._camera.width, self._camera.height))
        try:
            self._camera.send(np.ascontiguousarray(pixels))
        except (RuntimeError, OSError) as error:
            raise SinkError(f"virtual camera {self._camera.device}: takes no more frames ({error})") from error

    def close(self) -> str:
        """See `Sink.close`."""
        if self._camera is None:
            return ""
        camera, self._camera = self._camera, None
        camera.close()
        return f"virtual camera {camera.device}: closed"

    def _opened(self, width: int, height: int) -> Any:
        try:
            return self._make(width=width, height=height, fps=self._rate_fps)
        except (RuntimeError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            help_here = _DRIVERS.get(sys.platform, _DRIVERS["linux"])
            raise SinkError(f"virtual camera: cannot be opened ({reason}); {help_here}") from error
