"""Owns how much of the time a process may run beside the live loop, by what it costs the loop in frames."""

AIMED_COST = 0.06
"""Share of the loop's frames a second that the process may cost; a tenth is promised, and measuring is not exact."""

_SLICE_S = 1.0
"""The shorter of running and resting: below, a rate of frames cannot be told from its noise."""

_LONGEST_SLICES = 12.0
_FIRST_SHARE = 0.25
_NEWEST_SHARE = 0.4


class SpareTime:
    """Lets a process run and rest by turns, and measures the loop's rate in both.

    A process that halves the rate while it runs may run an eighth of the time. However little it costs, it rests
    now and then, because what the loop reaches without it changes, too.
    """

    def __init__(self) -> None:
        self._running, self._share = False, _FIRST_SHARE
        self._rates: dict[bool, float] = {}
        self._from_s, self._from_frames, self._until_s = 0.0, 0, 0.0

    @property
    def cost(self) -> float:
        """The share of frames that it costs, as measured so far; 0 before."""
        return self._share * self._loss

    @property
    def _loss(self) -> float:
        """The share of frames that are lost while it runs."""
        resting, running = self._rates.get(False, 0.0), self._rates.get(True, 0.0)
        return max(0.0, 1.0 - running / resting) if len(self._rates) == 2 and resting > 0 else 0.0

    def may_run(self, now_s: float, frames: int) -> bool:
        """Whether the process may run now.

        Args:
            now_s: seconds that never go back.
            frames: that the loop has shown.
        """
        if self._until_s == 0.0:
            self._begin(now_s, frames, _SLICE_S)
        elif now_s >= self._until_s:
            self._measure((frames - self._from_frames) / (now_s - self._from_s))
            self._running = not self._running
            self._begin(now_s, frames, self._length_s())
        return self._running

    def _begin(self, now_s: float, frames: int, length_s: float) -> None:
        self._from_s, self._from_frames, self._until_s = now_s, frames, now_s + length_s

    def _measure(self, rate_fps: float) -> None:
        before = self._rates.get(self._running, rate_fps)
        self._rates[self._running] = before + _NEWEST_SHARE * (rate_fps - before)
        if len(self._rates) == 2:
            self._share = min(1.0, AIMED_COST / self._loss) if self._loss else 1.0

    def _length_s(self) -> float:
        """How long the slice is that begins: of running and resting the shorter takes one second."""
        own = self._share if self._running else 1.0 - self._share
        return _SLICE_S * min(_LONGEST_SLICES, max(1.0, own / max(1e-6, 1.0 - own)))
