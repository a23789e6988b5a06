"""The sources: where frames enter."""

from realtime.sources.protocol import Source, SourceInfo
from realtime.sources.selection import open_default_source, open_source

__all__ = ["Source", "SourceInfo", "open_default_source", "open_source"]
