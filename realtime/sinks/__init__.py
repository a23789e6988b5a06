"""Owns the sinks: where frames leave.

Must not know sources, engines or mailboxes.
"""

from realtime.sinks.protocol import Display, Sink, StylizedFrame

__all__ = ["Display", "Sink", "StylizedFrame"]
