"""The sink that throws frames away, for measuring."""

from realtime.sinks.protocol import Sink, StylizedFrame


class NullSink(Sink):
    """Takes every frame and keeps none."""

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""

    def close(self) -> str:
        """See `Sink.close`."""
        return ""
