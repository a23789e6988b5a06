"""Owns what the page and the server tell each other: JSON to commands, and settings, styles and figures to JSON."""

import json
from typing import Any

from realtime.controls import Action, ChangeLook, Command, Controls, SelectStyle
from realtime.look import Look
from realtime.stats import Stats
from realtime.style_catalogue import Catalogue

MAX_MESSAGE_LENGTH = 4096

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
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError("a message is not JSON") from error
    if not isinstance(message, dict):
        raise MessageError("a message is not a JSON object")
    return message


def command_in(message: dict[str, Any]) -> Command:
    """The command in {"command": "next_style"}, {"select": 3} or {"look": {"style": "candy", "strength": 0.7}}.

    Raises:
        MessageError: there is none, or it has a value that is not allowed.
    """
    if isinstance(message.get("command"), str):
        action = _ACTIONS.get(message["command"])
        if action is None:
            raise MessageError(f"command {message['command']!r}: unknown; allowed: {', '.join(_COMMANDS)}")
        return action
    if isinstance(message.get("select"), int):
        return SelectStyle(message["select"])
    look = message.get("look")
    if not isinstance(look, dict) or not look:
        raise MessageError("a message has no command, select or look")
    return ChangeLook(**{name: _value(name, value) for name, value in look.items()})


def _value(name: str, value: object) -> Any:
    if (name == "style" and isinstance(value, str)) or (name in _SWITCHES and isinstance(value, bool)):
        return value
    if name in _SHARES and isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise MessageError(f"look {name}: {value!r} is not allowed")


def look_as_json(look: Look) -> dict[str, Any]:
    """The settings."""
    return {"style": look.style.name, **{name: getattr(look, name) for name in (*_SHARES, *_SWITCHES)}}


def styles_as_json(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Number, name, and whether it can be blended, of every style."""
    return [
        {"number": number, "name": style.name, "blends": style.fades_by_vector}
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
