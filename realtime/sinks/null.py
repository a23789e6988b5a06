"""Owns the sink that throws frames away, for measuring.

Must not know why.
"""

from realtime.sinks.protocol import StylizedFrame


class NullSink:
    """Takes every frame and keeps none."""

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""

    def close(self) -> str:
        """See `Sink.close`."""
        return ""

    def abandon(self) -> str:
        """See `Sink.abandon`."""
        return ""
