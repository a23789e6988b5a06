"""Owns the web server: its address, its certificate, and the thread that it runs in."""

import asyncio
import logging
import socket
import ssl
from typing import Any

import uvicorn

from realtime.controls import Controls
from realtime.engines.protocol import Engine
from realtime.errors import SinkError
from realtime.flow import StageThreads
from realtime.options import LookOptions, WebOptions
from realtime.style_catalogue import Catalogue
from realtime.web.addresses import hosts_of, is_loopback, reachable_as
from realtime.web.broadcast import Broadcast
from realtime.web.connections import Connections, Service
from realtime.web.door import GuardedServer
from realtime.web.guard import COOKIE, Guard, Tokens
from realtime.web.routes import LIMITS_BYTES, Routes
from realtime.web.senders import SenderStage
from realtime.web.visitor_styles import VisitorStyles

_END_S = 1.5

_log = logging.getLogger(__name__)


class WebServer:
    """Serves the page from a thread of its own.

    Args:
        options: address, port and certificate.
        engine: stylizes for senders and uploads.
        catalogue: the styles to choose from.
        look: settings that a new sender begins with.
        broadcast: the server's own source.

    Attributes:
        addresses: where the page is, with the operator's token where one is needed; the first is of this machine.
        visitor_addresses: alike for visitors, who cannot change the show; none where only this machine gets in.
        broadcast: as given.
        connections: of browsers.
        threads: hold what ended the server: an engine that hangs on what a visitor sent, or an error of its own.

    Raises:
        SinkError: the address or the certificate cannot be used.
    """

    def __init__(
        self, options: WebOptions, engine: Engine, catalogue: Catalogue, look: LookOptions, broadcast: Broadcast
    ) -> None:
        _check_certificate(options)
        self._socket = _listening(options)
        (address, port), local = self._socket.getsockname()[:2], is_loopback(options.host)
        scheme = "https" if options.tls_cert is not None else "http"
        tokens = Tokens() if local else Tokens.new()
        bases = [f"{scheme}://{name}:{port}/" for name in reachable_as(options.host, address)]
        self.addresses = bases if local else [f"{base}?{COOKIE}={tokens.operator}" for base in bases]
        elsewhere = bases[1:] or bases  # the first is this machine's, unless only one address was asked for
        self.visitor_addresses = [] if local else [f"{base}?{COOKIE}={tokens.visitor}" for base in elsewhere]
        self.threads = StageThreads(self._stop)
        self.broadcast, self._styles, self._look = broadcast, VisitorStyles(catalogue), look
        self._senders = SenderStage(engine, self.threads.fail)
        service = Service(
            self._senders,
            self._styles,
            self._sender_controls,
            broadcast,
            local,
            open_stage=options.open_stage,
            look_is_given=options.look_is_given,
        )
        self.connections = Connections(service)
        self._routes = Routes(engine, self.connections, self.threads.fail)
        config = uvicorn.Config(
            Guard(self._routes.app(), hosts_of(options.host, port), scheme, tokens, LIMITS_BYTES),
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=16_384,
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
        self._server = GuardedServer(config)

    def start(self) -> None:
        """Begins to serve; who opens the page before the thread is ready waits in the socket's queue."""
        self.threads.start([self._run])

    def close(self) -> None:
        """Ends all connections, and serves no more."""
        self._stop()
        self.threads.join(_END_S)

    def _stop(self) -> None:
        self._server.should_exit = True
        self._routes.close()

    def _run(self) -> None:
        """Thread: serves."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_log_in_a_line)
        try:
            await self._server.serve([self._socket])
        finally:
            self.broadcast.close()
            await self.connections.close()
            self._senders.close()

    def _sender_controls(self) -> Controls:
        """A sender begins with the style that is shown, or with the first part of a blend that is in no catalogue."""
        style, catalogue = self._styles.for_everybody(self.broadcast.controls.look.style), self._styles.catalogue
        name = style.name if style.name in catalogue.names else style.parts[0]
        return Controls(catalogue, catalogue.index_of(name), self._look)


def _log_in_a_line(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a task of a library raised that nobody waits for: a client that sends nonsense is no reason for pages."""
    error = context.get("exception")
    said = "" if error is None else f": {type(error).__name__}: {ascii(str(error))[:200]}"
    _log.warning("web: %s%s", str(context.get("message", ""))[:200], said)


def _check_certificate(options: WebOptions) -> None:
    if options.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.tls_cert, options.tls_key)
    except (OSError, ValueError) as error:
        raise SinkError(
            f"tls-cert {options.tls_cert}, tls-key {options.tls_key}: cannot be used ({error}); give a certificate "
            "and its key as PEM files"
        ) from error


def _listening(options: WebOptions) -> socket.socket:
    """A socket that listens where it was asked for; `::` means every address of both families, where the OS can."""
    is_v6 = ":" in options.host
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    both = is_v6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((options.host, options.port), family=family, backlog=128, dualstack_ipv6=both)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]  # Python adds the address, named here already
        raise SinkError(
            f"web: cannot listen on {options.host} port {options.port} ({reason}); choose another --port or --host"
        ) from error
