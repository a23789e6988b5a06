"""The list of styles that a person types into: what matches, and the lines that show it."""

from collections.abc import Sequence

_PER_LINE = 2


def matching(names: Sequence[str], typed: str) -> list[int]:
    """Places of the styles that a typed text means, the likeliest first.

    A number is that of a style, counted from 1. Else names that begin with the text come first, then those of
    which a word does, then those that hold it; capitals and the characters between words don't matter.
    """
    text = _plain(typed)
    if text.isdecimal():
        number = int(text)
        return [number - 1] if 1 <= number <= len(names) else []
    ranks = {place: _rank(_plain(name), text) for place, name in enumerate(names)}
    return sorted((place for place, rank in ranks.items() if rank < 3), key=lambda place: (ranks[place], place))


def list_lines(names: Sequence[str], typed: str, current: str) -> list[str]:
    """What the list shows: what to do and what was typed, then the styles that match, a few in each line."""
    found = matching(names, typed)
    fields = [f"{place + 1} {names[place]}{' *' if names[place] == current else ''}" for place in found]
    if fields and typed:
        fields[0] = f"> {fields[0]}"
    rows = ["   ".join(fields[first : first + _PER_LINE]) for first in range(0, len(fields), _PER_LINE)]
    asked = f"style: {typed}_" if typed else "style: type a name or a number, Enter takes it, Esc closes"
    return [asked, *(rows or ["there is none"])]


def _rank(name: str, text: str) -> int:
    if name.startswith(text):
        return 0
    if f" {text}" in name:
        return 1
    return 2 if text in name else 3


def _plain(text: str) -> str:
    return text.lower().replace("_", " ").replace("-", " ").strip()
