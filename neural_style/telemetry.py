"""Owns keeping the packages that run networks from telling their makers about it.

Must be asked before any of them is imported, so every package of this project asks it first thing.
"""

import os
import sys
from typing import Any


def switch_off_telemetry() -> None:
    """Lets neither ONNX Runtime nor OpenVINO write identifiers, or send who runs what.

    ONNX Runtime reads a variable as it is imported; what the user set it to stays. OpenVINO has only a file in
    the user's home to say no with, but does without its telemetry package where that cannot be imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    modules: dict[str, Any] = sys.modules  # None in it is the import system's way to say "not to be had"
    modules.setdefault("openvino_telemetry", None)
