"""Owns switching off the telemetry of the packages that run networks.

It must be off before they are imported, so each package of this project does that first in its `__init__`.
"""

import os
import sys
from typing import Any


def switch_off_telemetry() -> None:
    """Keeps ONNX Runtime and OpenVINO from writing identifiers and from sending what is run.

    ONNX Runtime reads a variable as it is imported; a value that the user set stays. OpenVINO can be told no
    only by a file in the user's home, but does without telemetry where its telemetry package cannot be imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    modules: dict[str, Any] = sys.modules  # None in it is the import system's way to say "not to be had"
    modules.setdefault("openvino_telemetry", None)
