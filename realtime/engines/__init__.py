"""Engines: a batch of frames goes in, the same batch stylized comes out.

Importing this package imports no engine's library.
"""

from realtime.engines.protocol import Engine, EngineInfo
from realtime.engines.selection import TYPICAL_SIZE_WH, open_engine, open_named_engine, runs_on_gpu

__all__ = ["TYPICAL_SIZE_WH", "Engine", "EngineInfo", "open_engine", "open_named_engine", "runs_on_gpu"]
