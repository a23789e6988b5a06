"""Frames in, stylized frames out: `source -> mailbox -> batcher -> engine -> postprocess -> sinks`.

`Stylizer` is the interface for other Python code, and `StylizationError` what it raises:

    from realtime import Stylizer

    with Stylizer("candy") as stylizer:
        stylized = stylizer(image)  # uint8 (H, W, 3), RGB
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neural_style.telemetry import switch_off_telemetry

if TYPE_CHECKING:
    from neural_style.errors import StylizationError
    from realtime.stylizer import Stylizer

__all__ = ["StylizationError", "Stylizer"]

switch_off_telemetry()


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for (PEP 562), so that commands that need none start at once."""
    modules = {"Stylizer": "realtime.stylizer", "StylizationError": "neural_style.errors"}
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(modules[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
