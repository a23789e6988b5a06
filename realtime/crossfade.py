"""Owns crossfading: a switch of style goes by way of vectors between the two, which the network itself stylizes."""

from dataclasses import replace

import numpy as np

from realtime.look import Look
from realtime.style import Style

_BETTERED_S = 1.0
"""How long a style takes to its better vector: the next one comes a second later."""


class Crossfade:
    """Gives each frame its look; for a moment after a switch of style that is a mixture of both.

    The first frame after a switch already shows some of the new style, so a switch is seen as soon as without.
    Styles whose network takes no vectors, and those of another network, are switched to at once. So are the
    shares of a blend: they follow a slider. A style that gets a better vector fades into it within a second.

    Args:
        duration_s: of a crossfade, in seconds of the video; 0 switches at once.
    """

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self._from: Style | None = None
        self._wanted: Style | None = None
        self._shown: Style | None = None
        self._start_s = self._last_s = self._length_s = 0.0

    def shown(self, look: Look, media_time_s: float) -> Look:
        """The look of the next frame: the wanted one, or one on the way to it.

        Args:
            look: that is wanted.
            media_time_s: of the frame.
        """
        style = look.style
        if self._shown is None or not _can_mix(self._shown, style):
            self._from = None
        elif style != self._wanted and not _same_blend(self._wanted, style):
            self._begin(self._duration_s)
        elif _is_bettered(self._wanted, style):
            self._begin(_BETTERED_S)
        share = (media_time_s - self._start_s) / self._length_s if self._length_s else 1.0
        if self._from is None or not 0 <= share < 1:
            self._from, self._shown = None, style
        else:
            self._shown = _mixed(self._from, style, share)
        self._wanted, self._last_s = style, media_time_s
        return look if self._shown is style else replace(look, style=self._shown)

    def _begin(self, length_s: float) -> None:
        self._from, self._start_s, self._length_s = self._shown, self._last_s, length_s


def _can_mix(first: Style, second: Style) -> bool:
    by_vector = first.fades_by_vector and second.fades_by_vector
    return by_vector and (first.checkpoint, first.model_file) == (second.checkpoint, second.model_file)


def _same_blend(first: Style | None, second: Style) -> bool:
    return first is not None and bool(second.parts) and first.parts == second.parts


def _is_bettered(first: Style | None, second: Style) -> bool:
    """Whether a style is the same but for its vector; that of a blend is computed again each time."""
    return first == second and first is not None and first.vector is not second.vector and not second.parts


def _mixed(first: Style, second: Style, share: float) -> Style:
    """The second style, with a vector so far on the way to it."""
    assert first.vector is not None
    assert second.vector is not None
    return replace(second, vector=np.asarray((1.0 - share) * first.vector + share * second.vector, np.float32))
