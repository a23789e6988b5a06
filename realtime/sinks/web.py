"""Owns the web page as a sink: every viewer sees the newest painting, and asks for changes.

Must not know HTTP or WebRTC.
"""

import time
from collections.abc import Callable

from realtime.controls import Command, Controls
from realtime.engines.protocol import Engine
from realtime.errors import MissingPackageError
from realtime.options import LookOptions, WebOptions
from realtime.sinks.protocol import StylizedFrame
from realtime.stats import Stats
from realtime.styles import Catalogue

_IDLE_S = 0.2


class WebSink:
    """A page for any number of viewers, who may also send their own cameras and pictures.

    While nobody watches and nothing else takes the frames, it takes five a second: the rest of
    the machine is free for those who send their own.

    Args:
        options: where it is served.
        engine: paints for senders and uploads, beside the pipeline.
        catalogue: the styles.
        look: where senders begin.
        alone: whether no other sink takes the frames.

    Raises:
        MissingPackageError: a package that it needs is not installed.
        SinkError: the address cannot be had.
    """

    def __init__(
        self, options: WebOptions, engine: Engine, catalogue: Catalogue, look: LookOptions, alone: bool = False
    ) -> None:
        try:
            from realtime.web import server
        except ImportError as error:
            raise MissingPackageError(
                f"web: {error.name} is not installed; run pip install -r requirements.txt"
            ) from error
        self._module, self._options = server, options
        self._engine, self._catalogue, self._look, self._alone = engine, catalogue, look, alone
        self._stats = Stats()
        self._server: server.WebServer | None = None

    def open(self, source: str, controls: Controls, send: Callable[[Command], None]) -> str:
        """Begins to serve, and returns the address to open.

        Args:
            source: name of what is shown.
            controls: its settings.
            send: takes what viewers ask for.

        Raises:
            SinkError: the address cannot be had.
        """
        from realtime.web.peers import Show

        show = Show(controls, send, self._stats)
        shown = self._module.Shown(self._engine, self._catalogue, self._look, source, show)
        self._server = self._module.WebServer(self._options, shown)
        self._server.start()
        return self._server.url

    def write(self, stylized: StylizedFrame) -> None:
        """See `Sink.write`."""
        if self._server is None or self._server.hub is None:
            return
        self._server.hub.publish(stylized.frame.pixels, stylized.pixels)
        self._stats.frame_out(stylized.frame.capture_time_s)
        if self._alone and not self._server.viewers:
            time.sleep(_IDLE_S)

    def close(self) -> str:
        """See `Sink.close`."""
        if self._server is not None:
            self._server.close()
        return ""

    def abandon(self) -> str:
        """See `Sink.abandon`."""
        return self.close()
