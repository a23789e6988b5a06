"""The sinks: where frames leave."""

from realtime.sinks.protocol import Display, Sink, StylizedFrame

__all__ = ["Display", "Sink", "StylizedFrame"]
