"""Owns what decides the frames of a result: a run with the same settings gives the same frames."""

import hashlib
from collections.abc import Sequence
from typing import Any

from realtime.engines.protocol import EngineInfo
from realtime.look import Look
from realtime.options import FileOptions


def look_settings(options: FileOptions, looks: Sequence[Look]) -> dict[str, Any]:
    """What the user chose of a video's frames, in JSON types."""
    vectors = [look.style.vector for look in looks]
    return {
        "style": [look.style.name for look in looks],
        "weights": [look.style.content_hash for look in looks],
        "vector": [hashlib.sha256(v.tobytes()).hexdigest() if v is not None else "" for v in vectors],
        "strength": looks[0].strength,
        "keep-colors": looks[0].keep_colors,
        "smoothing": looks[0].smoothing,
        "codec": options.codec or "",
        "start": options.start_s,
        "end": options.end_s,
        "max-side": options.max_side_px,
        "stroke": options.stroke,
        "batch-size": options.engine.batch_size or 1,
    }


def engine_settings(info: EngineInfo) -> dict[str, Any]:
    """What really computes them."""
    return {"engine": [info.engine, info.device, info.precision]}
