"""Pacing: frames of a file come when they are due."""

import threading
import time


class Pacer:
    """Waits until a media time is due, counted from the first one it was asked about.

    When a reader is more than half a second late, after a pause for example, the clock starts again,
    so that it does not hurry through what it missed.

    Args:
        paced: False waits for nothing.
    """

    _LATE_S = 0.5

    def __init__(self, paced: bool) -> None:
        self._paced = paced
        self._start_s: float | None = None
        self._stopped = threading.Event()

    def wait_until_due(self, media_time_s: float) -> bool:
        """Sleeps until `media_time_s` of the video is due, or `stop` is called; False where it was."""
        now_s = time.perf_counter()
        if self._start_s is None or now_s - self._start_s - media_time_s > self._LATE_S:
            self._start_s = now_s - media_time_s
        return not self._stopped.wait(max(0.0, self._start_s + media_time_s - now_s) if self._paced else 0.0)

    def stop(self) -> None:
        """Ends waiting, now and later."""
        self._stopped.set()
