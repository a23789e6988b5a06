"""Owns the web server: its address, its certificate, and the thread that it runs in."""

import asyncio
import secrets
import socket
import ssl

import uvicorn

from realtime.controls import Controls
from realtime.engines.protocol import Engine
from realtime.errors import SinkError
from realtime.flow import StageThreads
from realtime.options import LookOptions, WebOptions
from realtime.style_catalogue import Catalogue
from realtime.web.broadcast import Broadcast
from realtime.web.guard import Guard, hosts_of, is_loopback
from realtime.web.routes import LIMITS_BYTES, Routes
from realtime.web.senders import SenderStage
from realtime.web.webrtc import Connections

_END_S = 1.5


class WebServer:
    """Serves the page from a thread of its own.

    Args:
        options: address, port and certificate.
        engine: stylizes for senders and uploads.
        catalogue: the styles to choose from.
        look: settings that a new sender begins with.
        broadcast: the server's own source.

    Attributes:
        url: what to open, with the token where one is needed.
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
        token = "" if local else secrets.token_urlsafe(24)
        name = address if local else socket.gethostname() if options.host in ("0.0.0.0", "::") else options.host
        self.url = f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/" + (f"?token={token}" if token else "")
        self.threads = StageThreads(self._stop)
        self.broadcast, self._catalogue, self._look = broadcast, catalogue, look
        self._senders = SenderStage(engine, self.threads.fail)
        self.connections = Connections(self._senders, self._sender_controls, broadcast, local)
        self._routes = Routes(engine, catalogue, self.connections, self.threads.fail)
        config = uvicorn.Config(
            Guard(self._routes.app(), hosts_of(options.host, port), scheme, token, LIMITS_BYTES),
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=64,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=16_384,
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
        self._server = uvicorn.Server(config)

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
        try:
            await self._server.serve([self._socket])
        finally:
            self.broadcast.close()
            await self.connections.close()
            self._senders.close()

    def _sender_controls(self) -> Controls:
        """A sender begins with the style that is shown, or with the first part of a blend that is in no catalogue."""
        style = self.broadcast.controls.look.style
        name = style.name if style.name in self._catalogue.names else style.parts[0]
        return Controls(self._catalogue, self._catalogue.index_of(name), self._look)


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
