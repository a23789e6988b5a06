"""Owns the page's words: JSON to commands, and the settings and styles as JSON.

Must not know connections.
"""

import json
import math
from typing import Any

from realtime.controls import Action, ChangeLook, Command, Controls, SelectStyle
from realtime.look import Look
from realtime.stats import Stats
from realtime.style_catalogue import Catalogue

MAX_MESSAGE_CHARACTERS = 4096

_ACTIONS = {action.name.lower(): action for action in Action}
_OWN = (Action.QUIT, Action.RECORD, Action.SNAPSHOT, Action.FULL_SCREEN, Action.HELP, Action.OVERLAY, Action.LIST)
"""What belongs to the server's own screen, disk and life; a page does the same for itself."""


class MessageError(Exception):
    """A message that means nothing; the text says why."""


def read_message(text: str, most: int = MAX_MESSAGE_CHARACTERS) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        MessageError: it is something else, or too long.
    """
    if len(text) > most:
        raise MessageError(f"a message has {len(text)} characters; at most {most} are read")
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
        if action is None or action in _OWN:
            known = ", ".join(name for name, action in _ACTIONS.items() if action not in _OWN)
            raise MessageError(f"command {message['command']!r}: unknown; allowed: {known}")
        return action
    if isinstance(message.get("select"), int):
        return SelectStyle(message["select"])
    look = message.get("look")
    if not isinstance(look, dict) or not look:
        raise MessageError("a message has no command, select or look")
    return ChangeLook(**{name: _value(name, value) for name, value in look.items()})


def _value(name: str, value: object) -> Any:
    if name == "style" and isinstance(value, str):
        return value
    if name in ("keep_colors", "mirror") and isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if name in ("strength", "smoothing") and is_number and 0 <= value <= 1:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    raise MessageError(f"look {name}: {value!r} is not allowed")


def look_as_json(look: Look) -> dict[str, Any]:
    """The settings."""
    return {
        "style": look.style.name,
        "strength": look.strength,
        "keep_colors": look.keep_colors,
        "smoothing": look.smoothing,
        "mirror": look.mirror,
    }


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
