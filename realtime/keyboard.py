"""What keys mean one after another: commands, or while the list of styles is open, the letters of a name."""

from realtime.controls import Action, Command, TypeStyle, command_for_key

_LONGEST_TEXT = 40
_PASSED_ON = ("left", "right")
"""Keys that go through the styles while the list is open, too."""


class Keyboard:
    """Keys of one person."""

    def __init__(self) -> None:
        self._typed: str | None = None

    def press(self, key: str) -> Command | None:
        """What a key means after those before it.

        Args:
            key: a character, or "left", "right", "space", "escape", "enter", "backspace"; "" is no key of ours.
        """
        if self._typed is not None and key not in _PASSED_ON:
            return self._type(self._typed, key)
        command = command_for_key(key)
        if command is Action.LIST:
            self._typed = ""
        return command

    def _type(self, typed: str, key: str) -> Command | None:
        if key in ("escape", "enter"):
            self._typed = None
            return TypeStyle(typed, chosen=True) if key == "enter" and typed else TypeStyle(None)
        character = " " if key == "space" else key
        if key == "backspace":
            self._typed = typed[:-1]
        elif len(character) == 1 and len(typed) < _LONGEST_TEXT:
            self._typed = typed + character
        return TypeStyle(self._typed)
