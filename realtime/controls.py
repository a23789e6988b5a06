"""The commands, the keys that mean them, and the settings they change."""

import threading
import time
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol

from realtime.errors import StyleError
from realtime.look import Look
from realtime.options import LookOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue, find_style
from realtime.style_list import list_lines, matching

STRENGTH_STEP = 0.1
_MESSAGE_S = 2.0
"""How long a message is shown."""


class Action(Enum):
    """A command without a value; the text is what the help shows."""

    NEXT_STYLE = "next style"
    PREVIOUS_STYLE = "previous style"
    LIST = "list of styles: type a name"
    STRENGTH_UP = "more style"
    STRENGTH_DOWN = "less style"
    KEEP_COLORS = "original colours"
    MIRROR = "mirror"
    HELP = "help"
    OVERLAY = "overlay"
    SNAPSHOT = "snapshot"
    RECORD = "record on or off"
    FREEZE = "freeze"
    FULL_SCREEN = "full screen"
    NEXT_CAMERA = "next camera"
    KEEP_STYLE = "keep the style of an image"
    QUIT = "quit"


@dataclass(frozen=True)
class SelectStyle:
    """Go to a style by its number, counted from 1."""

    number: int


@dataclass(frozen=True)
class TypeStyle:
    """What a person has typed into the list of styles.

    Attributes:
        text: so far; None closes the list.
        chosen: go to the style that it means, and close the list.
    """

    text: str | None
    chosen: bool = False


@dataclass(frozen=True)
class ChangeLook:
    """Set what is given, and leave the rest; for whoever has sliders instead of keys.

    Attributes:
        style: a name or a blend such as "candy:0.6+udnie:0.4"; or a style that is in no catalogue.
        strength: 0..1.
        keep_colors: stylize with the colours of the camera's image.
        smoothing: 0..1.
        mirror: swap left and right.
    """

    style: str | Style | None = None
    strength: float | None = None
    keep_colors: bool | None = None
    smoothing: float | None = None
    mirror: bool | None = None


@dataclass(frozen=True)
class StartAgain:
    """Go back to the look and the panel of the start."""


@dataclass(frozen=True)
class SetCycle:
    """Go through the styles by itself, one in so many seconds; 0 stops that."""

    seconds: float


@dataclass(frozen=True)
class AddStyle:
    """Put a style into the catalogue; one of its name there is replaced, and so is the current one.

    Attributes:
        style: of a network that the engine has.
        is_refined: as of `Catalogue.put`.
    """

    style: Style
    is_refined: bool = False


Command = Action | SelectStyle | TypeStyle | ChangeLook | StartAgain | SetCycle | AddStyle


class Controller(Protocol):
    """Asks for commands beside a person, and hears of everybody's. Called from the main thread."""

    def commands(self) -> list[Command]:
        """What should be done now; asked for many times a second."""

    def hear(self, command: Command) -> str:
        """Takes each command of others when it has been carried out; returns a few words to show, or ""."""


KEYS: dict[Action, tuple[str, ...]] = {
    Action.NEXT_STYLE: ("n", "right"),
    Action.PREVIOUS_STYLE: ("p", "left"),
    Action.LIST: ("l",),
    Action.STRENGTH_UP: ("]",),
    Action.STRENGTH_DOWN: ("[",),
    Action.KEEP_COLORS: ("c",),
    Action.MIRROR: ("m",),
    Action.HELP: ("h",),
    Action.OVERLAY: ("o",),
    Action.SNAPSHOT: ("s",),
    Action.RECORD: ("r",),
    Action.FREEZE: ("space",),
    Action.FULL_SCREEN: ("f",),
    Action.NEXT_CAMERA: ("v",),
    Action.KEEP_STYLE: ("k",),
    Action.QUIT: ("q", "escape"),
}
_ACTIONS = {key: action for action, keys in KEYS.items() for key in keys}
_LOOK_SWITCHES = {Action.KEEP_COLORS: "keep_colors", Action.MIRROR: "mirror"}
_PANEL_SWITCHES = {Action.HELP: "help", Action.OVERLAY: "overlay", Action.FREEZE: "frozen"}


def command_for_key(key: str) -> Command | None:
    """What a key means: a character, or "left", "right", "space", "escape"; None when nothing."""
    if len(key) == 1 and key in "123456789":
        return SelectStyle(int(key))
    return _ACTIONS.get(key.lower())


def help_lines() -> list[str]:
    """The keys, a line for each meaning."""
    return ["1-9  style by number", *(f"{' '.join(keys)}  {action.value}" for action, keys in KEYS.items())]


@dataclass(frozen=True)
class Panel:
    """What is shown around the image, and whether it stands still.

    Attributes:
        overlay: the figures.
        help: the keys.
        frozen: the image stands still.
        typed: into the list of styles; None while it is closed.
    """

    overlay: bool = True
    help: bool = False
    frozen: bool = False
    typed: str | None = None


class Controls:
    """The settings of a run; threads read whole snapshots of them.

    Args:
        catalogue: the styles to switch between.
        first_style: the place of the style to begin with.
        look: strength and the rest at the start.
        overlay: whether the figures are shown at the start.
    """

    def __init__(self, catalogue: Catalogue, first_style: int, look: LookOptions, overlay: bool = True) -> None:
        self._catalogue = catalogue
        self._style_index = first_style
        self._lock = threading.Lock()
        self._look = Look(catalogue.styles[first_style], look.strength, look.keep_colors, look.smoothing)
        self._panel = Panel(overlay=overlay)
        self._start = (first_style, self._look, self._panel)
        self._message, self._message_until_s = "", 0.0

    @property
    def look(self) -> Look:
        """The look of the next image."""
        with self._lock:
            return self._look

    @property
    def panel(self) -> Panel:
        """What is shown around it."""
        with self._lock:
            return self._panel

    @property
    def lines(self) -> list[str]:
        """What is shown over the whole image: the list of styles while it is open, or the help, or nothing."""
        with self._lock:
            if self._panel.typed is not None:
                return list_lines(self._catalogue.names, self._panel.typed, self._look.style.name)
            return help_lines() if self._panel.help else []

    @property
    def message(self) -> str:
        """What was said in the last seconds, or ""."""
        return self._message if time.perf_counter() < self._message_until_s else ""

    def say(self, message: str) -> None:
        """Shows a few words for a moment; "" leaves what is shown."""
        if message:
            self._message, self._message_until_s = message, time.perf_counter() + _MESSAGE_S

    def apply(self, command: Command) -> str | None:
        """Carries out a command that changes a setting.

        Returns:
            A few words to show, "" where the change shows itself, or None when the command changes no setting.
        """
        with self._lock:
            match command:
                case SelectStyle():
                    said: str | None = self._select(command.number - 1)
                case TypeStyle():
                    said = self._type(command)
                case ChangeLook():
                    said = self._set(command)
                case StartAgain():
                    self._style_index, self._look, self._panel = self._start
                    said = ""
                case Action.LIST:
                    said = self._type(TypeStyle(""))
                case Action.NEXT_STYLE | Action.PREVIOUS_STYLE:
                    step = 1 if command is Action.NEXT_STYLE else -1
                    said = self._select((self._style_index + step) % len(self._catalogue))
                case Action.STRENGTH_UP | Action.STRENGTH_DOWN:
                    step = 1 if command is Action.STRENGTH_UP else -1
                    strength = round(self._look.strength + step * STRENGTH_STEP, 2)
                    said = self._set(ChangeLook(strength=min(1.0, max(0.0, strength))))
                case AddStyle():
                    said = self._add(command)
                case SetCycle():
                    said = None
                case _:
                    said = self._switch(command)
            return said

    def _select(self, index: int) -> str:
        if not 0 <= index < len(self._catalogue):
            return f"there are {len(self._catalogue)} styles"
        self._style_index = index
        self._look = replace(self._look, style=self._catalogue.styles[index])
        return f"style {self._look.style.name}"

    def _add(self, command: AddStyle) -> str:
        style = command.style
        self._catalogue.put(style, command.is_refined)
        place, start, panel = self._start
        if start.style == style:  # but for its vector
            self._start = place, replace(start, style=style), panel
        if self._look.style == style:
            self._look = replace(self._look, style=style)
        return ""

    def _type(self, command: TypeStyle) -> str:
        text = command.text or ""
        self._panel = replace(self._panel, typed=None if command.chosen else command.text)
        if not command.chosen:
            return ""
        found = matching(self._catalogue.names, text)
        return self._select(found[0]) if found else f"style {text!r}: there is no such style"

    def _set(self, change: ChangeLook) -> str:
        values = {name: value for name, value in vars(change).items() if value is not None}
        if isinstance(change.style, str):
            try:
                values["style"] = style = find_style(change.style, self._catalogue)
            except StyleError as error:
                return str(error)
            if style.name in self._catalogue.names:
                self._style_index = self._catalogue.index_of(style.name)
        self._look = replace(self._look, **values)
        return ", ".join(f"{name.replace('_', ' ')} {getattr(value, 'name', value)}" for name, value in values.items())

    def _switch(self, action: Action) -> str | None:
        """Turns a setting of the look or of the panel on or off, if the action means one."""
        on: dict[str, Any] = {}
        if name := _LOOK_SWITCHES.get(action):
            on = {name: not getattr(self._look, name)}
            self._look = replace(self._look, **on)
        elif name := _PANEL_SWITCHES.get(action):
            on = {name: not getattr(self._panel, name)}
            self._panel = replace(self._panel, **on)
        return f"{action.value} {'on' if all(on.values()) else 'off'}" if on else None
