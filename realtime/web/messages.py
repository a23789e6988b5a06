"""Owns what the page and the server tell each other: JSON to commands, and settings, styles and figures to JSON."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeGuard

from realtime.controls import Action, ChangeLook, Command, Controls, SelectStyle
from realtime.look import Look
from realtime.stats import Stats
from realtime.style import Style
from realtime.style_catalogue import Catalogue, find_style
from realtime.style_prediction import is_of_image

MAX_MESSAGE_LENGTH = 4096
_SHOWN_CHARACTERS = 60

_COMMANDS = ("next_style", "previous_style", "strength_up", "strength_down", "keep_colors", "mirror", "freeze")
"""What a page may ask for; the other actions are for the keyboard of the server's own window."""

_SWITCHES = ("keep_colors", "mirror")
_SHARES = ("strength", "smoothing")
_ACTIONS = {name: Action[name.upper()] for name in _COMMANDS}


class MessageError(Exception):
    """A message that means nothing; the text says why."""


def read_message(text: str | bytes, max_length: int = MAX_MESSAGE_LENGTH) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        MessageError: it is something else, or longer than so many characters or bytes.
    """
    if len(text) > max_length:
        raise MessageError(f"a message is {len(text)} long; at most {max_length} characters are read")
    try:
        message = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError("a message is not JSON") from error
    if not isinstance(message, dict):
        raise MessageError("a message is not a JSON object")
    return message


def _refuse_constant(name: str) -> NoReturn:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError(name)


def command_in(message: dict[str, Any], catalogue: Catalogue, own: Sequence[Style] = ()) -> Command:
    """The command in {"command": "next_style"}, {"select": 3} or {"look": {"style": "candy", "strength": 0.7}}.

    Args:
        message: as `read_message` gives it.
        catalogue: the styles that there are for everybody.
        own: those of who sent it.

    Raises:
        MessageError: there is none, or it has a value that is not allowed.
        StyleError: it names a style that there is not.
    """
    if "command" in message:
        action = _ACTIONS.get(message["command"]) if isinstance(message["command"], str) else None
        if action is None:
            raise MessageError(f"command {_shown(message['command'])}: unknown; allowed: {', '.join(_COMMANDS)}")
        return action
    if "select" in message:
        number = message["select"]
        if not is_whole_number(number) or not 1 <= number <= len(catalogue):
            raise MessageError(f"select {_shown(number)}: must be a number of a style, 1 to {len(catalogue)}")
        return SelectStyle(number)
    look = message.get("look")
    if not isinstance(look, dict) or not look:
        raise MessageError("a message has no command, select or look")
    change = ChangeLook(**{name: _value(name, value) for name, value in look.items()})
    if change.style is None:
        return change
    style = find_style(look["style"], Catalogue((*own, *catalogue.styles)))
    is_own = not {style.name, *style.parts}.isdisjoint(each.name for each in own)
    return replace(change, style=style) if is_own else change


def _value(name: str, value: object) -> Any:
    if (name == "style" and isinstance(value, str)) or (name in _SWITCHES and isinstance(value, bool)):
        return value
    if name in _SHARES and is_share(value):
        return float(value)
    allowed = "0 to 1" if name in _SHARES else "a style's name, strength, smoothing, keep_colors or mirror"
    raise MessageError(f"look {_shown(name)} {_shown(value)}: is not allowed; allowed: {allowed}")


def is_share(value: object) -> TypeGuard[int | float]:
    """Whether a value of a message is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def is_whole_number(value: object) -> TypeGuard[int]:
    """Whether a value of a message is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    """What somebody sent, in a few plain characters."""
    text = ascii(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def look_as_json(look: Look) -> dict[str, Any]:
    """The settings."""
    return {"style": look.style.name, **{name: getattr(look, name) for name in (*_SHARES, *_SWITCHES)}}


def styles_as_json(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Number, name, address of the thumbnail, whether it can be blended, and be kept, of every style."""
    return [
        {
            "number": number,
            "name": style.name,
            "blends": style.fades_by_vector,
            "of_image": is_of_image(style),
            "thumbnail": f"/api/styles/{number}.jpg?{catalogue.changes.get(style.name, 0)}",
        }
        for number, style in enumerate(catalogue.styles, start=1)
    ]


def state_as_json(controls: Controls, stats: Stats) -> dict[str, Any]:
    """Settings, whether the image stands still, and the figures of the last thirty frames."""
    live = stats.live()
    return {
        "look": look_as_json(controls.look),
        "frozen": controls.panel.frozen,
        "fps": round(live.fps, 1),
        "latency_ms": round(live.latency_p50_ms),
    }
