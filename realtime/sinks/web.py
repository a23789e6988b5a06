"""Owns the web page as a sink: every viewer sees the newest frame, and may change the settings."""

from collections.abc import Callable
from functools import partial

from neural_style.packages import optional_packages
from realtime.controls import Command, Controls
from realtime.engines.protocol import Engine
from realtime.options import LookOptions, WebOptions
from realtime.sinks.protocol import Sink, StylizedFrame
from realtime.style_catalogue import Catalogue


class WebSink(Sink):
    """A page for any number of viewers, who may also send their own cameras and images.

    Args:
        options: where it is served.
        engine: stylizes for senders and uploads, beside the pipeline.
        catalogue: the styles.
        look: where senders begin.

    Raises:
        MissingPackageError: a package that it needs is not installed.
    """

    def __init__(self, options: WebOptions, engine: Engine, catalogue: Catalogue, look: LookOptions) -> None:
        with optional_packages("web"):
            from realtime.web import server
        self._open_server = partial(server.WebServer, options, engine, catalogue, look)
        self._server: server.WebServer | None = None

    def open(self, source: str, controls: Controls, send: Callable[[Command], None]) -> str:
        """Begins to serve, and returns the address to open.

        Args:
            source: name of what is shown.
            controls: its settings.
            send: takes what viewers ask for.

        Raises:
            SinkError: the address cannot be used, or the certificate.
        """
        from realtime.web.broadcast import Broadcast

        self._server = self._open_server(Broadcast(source, controls, send))
        self._server.start()
        return self._server.addresses[0]

    @property
    def lines(self) -> list[str]:
        """Where the page is, for people: a line for each address that works."""
        if self._server is None:
            return []
        own, *others = self._server.addresses
        lines = [f"page {own}  (Ctrl-C ends it)"]
        lines += [f"page {each}  (yours, from another machine)" for each in others]
        return lines + [f"for visitors {each}  (they change only what they send)" for each in self.visitor_addresses]

    @property
    def visitor_addresses(self) -> list[str]:
        """What others open, who watch and may not change the show; none where only this machine gets in."""
        return [] if self._server is None else self._server.visitor_addresses

    @property
    def watched(self) -> bool:
        """Whether anybody watches the server's own source."""
        return self._server is not None and self._server.connections.viewers > 0

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`; raises what ended the server, such as an engine that hangs on a sender's frame."""
        if self._server is not None:
            self._server.threads.raise_failure()
            self._server.broadcast.publish(stylized)

    def close(self) -> str:
        """See `Sink.close`."""
        if self._server is not None:
            self._server.close()
        return ""
