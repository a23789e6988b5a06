"""Owns the engines: a batch of frames goes in, the same batch stylized comes out.

Must not know sources, sinks or keys. Importing this package imports no engine's library.
"""

from realtime.engines.protocol import Engine, EngineInfo
from realtime.engines.selection import open_engine, runs_on_gpu

__all__ = ["Engine", "EngineInfo", "open_engine", "runs_on_gpu"]
