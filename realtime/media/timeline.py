"""Owns the times of a file whose clock starts again, as where two recordings were joined: they go on rising."""

from contextlib import suppress
from fractions import Fraction
from typing import Any

from av.packet import Packet

_BACK_S = Fraction(1, 5)
"""A track's times of decoding always rise; going back by more than this is a clock that starts again."""


class Timeline:
    """Moves the times of packets; to be given all packets of a file, in their order."""

    def __init__(self) -> None:
        self._shifts_s = [Fraction(0)]
        """By which the times of each part of the file are moved; a part ends where the clock starts again."""
        self._parts: dict[int, int] = {}
        self._last_s: dict[int, Fraction] = {}
        self._end_s = Fraction(0)

    @property
    def restarts(self) -> int:
        """How often the clock started again so far."""
        return len(self._shifts_s) - 1

    def move(self, packet: "Packet[Any]") -> None:
        """Moves a packet's times to where they belong, seen from the file's beginning."""
        decoded = packet.dts if packet.dts is not None else packet.pts
        if decoded is None:
            return
        unit_s, track = packet.time_base, packet.stream.index
        decoded_s = decoded * unit_s
        shown_s = decoded_s if packet.pts is None else packet.pts * unit_s
        if track in self._last_s and decoded_s < self._last_s[track] - _BACK_S:
            self._parts[track] = self._parts.get(track, 0) + 1
            if self._parts[track] == len(self._shifts_s):
                self._shifts_s.append(self._end_s - shown_s)
        self._last_s[track] = decoded_s
        shift_s = self._shifts_s[self._parts.get(track, 0)]
        self._end_s = max(self._end_s, shown_s + shift_s + (packet.duration or 0) * unit_s)
        if shift_s:
            shift = round(shift_s / unit_s)
            with suppress(OverflowError):  # only a damaged file states such times
                packet.dts = None if packet.dts is None else packet.dts + shift
                packet.pts = None if packet.pts is None else packet.pts + shift
