"""Owns how much of the time a process may run beside the live loop, by what it costs the loop in frames."""

AIMED_COST = 0.05
"""Share of the loop's frames a second that the process may cost; a tenth is promised, and measuring is not exact."""

_SLICE_S, _SLICE_FRAMES = 1.0, 15
"""The shorter of running and resting lasts so long and has so many frames: of fewer, a rate cannot be told."""

_LONGEST_RUN, _LONGEST_REST = 6.0, 19.0
"""In shorter slices."""

_FIRST_SHARE = 0.25
_MOST_GROWTH = 2.0
"""Of the share from one turn to the next: what was measured once may have been chance."""

_KEPT = 0.7
"""Of what was measured before, with each slice that is added."""


class SpareTime:
    """Lets a process run and rest by turns, and measures the loop's rate in both.

    A process that halves the rate while it runs may run a tenth of the time. However little it costs, it rests
    now and then, because what the loop reaches without it changes, too.
    """

    def __init__(self) -> None:
        self._running, self._share = False, _FIRST_SHARE
        self._frames, self._seconds = {False: 0.0, True: 0.0}, {False: 0.0, True: 0.0}
        self._from_s, self._from_frames, self._length_s = 0.0, 0, 0.0

    def may_run(self, now_s: float, frames: int) -> bool:
        """Whether the process may run now.

        Args:
            now_s: seconds that never go back.
            frames: that the loop has shown.
        """
        if self._length_s == 0.0:
            self._from_s, self._from_frames, self._length_s = now_s, frames, self._next_length_s()
        elif now_s - self._from_s >= self._length_s:
            self._measure(frames - self._from_frames, now_s - self._from_s)
            self._running = not self._running
            self._from_s, self._from_frames, self._length_s = now_s, frames, self._next_length_s()
        return self._running

    def _measure(self, frames: int, seconds: float) -> None:
        running = self._running
        self._frames[running] = _KEPT * self._frames[running] + frames
        self._seconds[running] = _KEPT * self._seconds[running] + seconds
        if running:
            loss = 1.0 - self._rate_fps(True) / max(1e-6, self._rate_fps(False))
            fitting = AIMED_COST / loss if loss > AIMED_COST else 1.0
            self._share = min(fitting, _MOST_GROWTH * self._share)

    def _rate_fps(self, running: bool) -> float:
        return self._frames[running] / self._seconds[running] if self._seconds[running] else 0.0

    def _next_length_s(self) -> float:
        """How long the slice is that begins: of running and resting the shorter one is a slice of the least length."""
        resting_fps = self._rate_fps(False)
        least_s = max(_SLICE_S, min(5 * _SLICE_S, _SLICE_FRAMES / resting_fps if resting_fps else 0.0))
        own = self._share if self._running else 1.0 - self._share
        longest = _LONGEST_RUN if self._running else _LONGEST_REST
        return least_s * min(longest, max(1.0, own / max(1e-6, 1.0 - own)))
