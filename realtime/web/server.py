"""Owns the HTTP side: the page, its styles, uploads, offers, and the thread that serves them.

Must not know pipelines; what it shows is handed in.
"""

import asyncio
import contextlib
import secrets
import socket
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from realtime.controls import Controls
from realtime.engines.protocol import Engine
from realtime.errors import EngineError, EngineTimeoutError, SinkError, SourceError, StyleError
from realtime.flow import EngineStage
from realtime.look import Look
from realtime.options import LookOptions, WebOptions
from realtime.stroke_size import StrokeEngine
from realtime.style_catalogue import Catalogue, find_style
from realtime.web.broadcast import Broadcast
from realtime.web.guard import Guard, hosts_of, is_loopback, problem
from realtime.web.messages import MessageError, command_in, look_as_json, read_message, state_as_json, styles_as_json
from realtime.web.senders import Studio
from realtime.web.uploads import MAX_UPLOAD_BYTES, stylize_upload, thumbnail
from realtime.web.webrtc import MAX_PEERS, OfferError, Peers, PeersFullError, Show, stay_on_loopback

_PAGE = Path(__file__).with_name("page")
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/images.js": ("images.js", "text/javascript; charset=utf-8"),
}
_LIMITS_BYTES = {"/api/offer": 2**17, "/api/command": 2**13, "/api/image": MAX_UPLOAD_BYTES}
_UPLOAD_S = 60.0
_UPLOADS_AT_ONCE = 4
_START_S = 10.0
_END_S = 1.5


@dataclass(frozen=True)
class Shown:
    """What the page is about.

    Attributes:
        engine: stylizes for senders and uploads.
        catalogue: the styles to choose from.
        look: where a new sender begins.
        source: name of the server's own source.
        show: its settings and figures.
    """

    engine: Engine
    catalogue: Catalogue
    look: LookOptions
    source: str
    show: Show


class WebServer:
    """Serves the page from a thread of its own.

    Args:
        options: address, port and certificate.
        shown: what it is about.

    Attributes:
        url: what to open, with the token where one is needed.
        failure: an engine that hangs on what a visitor sent.

    Raises:
        SinkError: the address cannot be had, or the certificate is no good.
    """

    def __init__(self, options: WebOptions, shown: Shown) -> None:
        self._shown = shown
        self._socket = _bound(options)
        port = self._socket.getsockname()[1]
        scheme = "https" if options.tls_cert is not None else "http"
        local = is_loopback(options.host)
        if local:
            stay_on_loopback()
        token = "" if local else secrets.token_urlsafe(24)
        name = "127.0.0.1" if local else socket.gethostname() if options.host in ("0.0.0.0", "::") else options.host
        self.url = f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/" + (f"?token={token}" if token else "")
        self.broadcast: Broadcast | None = None
        self.failure: BaseException | None = None
        self._peers: Peers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._thumbnails: dict[int, bytes] = {}
        self._stylizers = ThreadPoolExecutor(1, thread_name_prefix="_uploads")
        self._stage: EngineStage[None] = EngineStage(StrokeEngine(shown.engine, 1.0), prepares=False)
        self._uploads = 0
        guarded = Guard(self._app(), hosts_of(options.host, port), scheme, token, _LIMITS_BYTES)
        config = uvicorn.Config(
            guarded,
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
        try:
            config.load()
        except (OSError, ValueError) as error:
            self._socket.close()
            raise SinkError(
                f"tls-cert {options.tls_cert}, tls-key {options.tls_key}: cannot be used ({error}); give a certificate "
                "and its key as PEM files"
            ) from error
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="_web", daemon=True)

    def start(self) -> None:
        """Begins to serve; returns when the page can be opened."""
        self._thread.start()
        if not self._started.wait(_START_S):
            raise SinkError(f"web: the server did not start within {_START_S:.0f} s")

    @property
    def viewers(self) -> int:
        """How many watch the server's own source."""
        return self._peers.viewers if self._peers is not None else 0

    def close(self) -> None:
        """Ends all connections, and serves no more."""
        self._server.should_exit = True
        self._stage.abort()
        self._stylizers.shutdown(wait=False, cancel_futures=True)
        self._thread.join(_END_S)

    def _serve(self) -> None:
        self._server.run([self._socket])

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        shown = self._shown
        self._loop = asyncio.get_running_loop()
        self.broadcast = Broadcast(self._loop)
        studio = Studio(shown.engine, self._fail)
        self._peers = Peers(
            studio, lambda: Controls(shown.catalogue, self._first_style(), shown.look), shown.show, self.broadcast
        )
        self._started.set()
        yield
        self.broadcast.close()
        await self._peers.close()
        studio.close()

    def _fail(self, error: BaseException) -> None:
        self.failure = error

    def _first_style(self) -> int:
        """Where a new sender begins: with what is shown, or with the first part of a blend that is in no catalogue."""
        style, catalogue = self._shown.show.controls.look.style, self._shown.catalogue
        return catalogue.index_of(style.name if style.name in catalogue.names else style.parts[0])

    def _app(self) -> FastAPI:
        app = FastAPI(lifespan=self._lifespan, openapi_url=None, docs_url=None, redoc_url=None)
        app.add_exception_handler(HTTPException, _as_problem)
        for path, (name, kind) in _FILES.items():
            content = (_PAGE / name).read_bytes()
            app.add_api_route(path, partial(_file, content, kind), methods=["GET"])
        app.add_api_route("/api/styles", self._get_styles, methods=["GET"])
        app.add_api_route("/api/styles/{number}.jpg", self._get_thumbnail, methods=["GET"])
        app.add_api_route("/api/state", self._get_state, methods=["GET"])
        app.add_api_route("/api/command", self._post_command, methods=["POST"])
        app.add_api_route("/api/offer", self._post_offer, methods=["POST"])
        app.add_api_route("/api/image", self._post_image, methods=["POST"])
        return app

    async def _get_styles(self) -> JSONResponse:
        return JSONResponse({"styles": styles_as_json(self._shown.catalogue)})

    async def _get_thumbnail(self, number: int) -> Response:
        styles = self._shown.catalogue.styles
        if not 1 <= number <= len(styles):
            return problem(404, f"there are {len(styles)} styles")
        if number not in self._thumbnails:
            stylize = partial(thumbnail, self._stage, styles[number - 1])
            try:
                self._thumbnails[number] = await self._stylized(stylize)
            except EngineError as error:
                return problem(500, str(error))
        return Response(self._thumbnails[number], media_type="image/jpeg")

    async def _get_state(self) -> JSONResponse:
        show, info = self._shown.show, self._shown.engine.info
        return JSONResponse(
            {
                **state_as_json(show.controls, show.stats),
                "source": self._shown.source,
                "engine": info.engine,
                "device": info.device,
                "precision": info.precision,
                "provider": info.provider,
                "connections": self._peers.count if self._peers else 0,
                "viewers": self.viewers,
            }
        )

    async def _post_command(self, request: Request) -> JSONResponse:
        try:
            self._shown.show.send(command_in(await _message(request)))
        except MessageError as error:
            return problem(400, str(error))
        return JSONResponse({"look": look_as_json(self._shown.show.controls.look)})

    async def _post_offer(self, request: Request) -> JSONResponse:
        assert self._peers is not None
        try:
            return JSONResponse(await self._peers.answer(await _message(request, 2**17)))
        except (MessageError, OfferError) as error:
            return problem(400, str(error))
        except PeersFullError:
            return problem(503, f"{MAX_PEERS} are connected already; try again later")

    async def _post_image(self, request: Request) -> Response:
        if self._uploads >= _UPLOADS_AT_ONCE:
            return problem(503, "other images are being stylized; try again in a moment")
        self._uploads += 1
        try:
            look, max_side_px = self._asked(request)
            content = await _body(request)
            stylized = await self._stylized(partial(stylize_upload, content, self._stage, look, max_side_px))
        except (MessageError, StyleError, SourceError) as error:
            return problem(400, str(error))
        except EngineError as error:
            if isinstance(error, EngineTimeoutError):
                self._fail(error)
            return problem(500, str(error))
        finally:
            self._uploads -= 1
        return Response(stylized, media_type="image/png")

    async def _stylized(self, stylize: Any) -> bytes:
        """Runs one stylized image at a time beside the live images."""
        assert self._loop is not None
        stylized: bytes = await self._loop.run_in_executor(self._stylizers, stylize)
        return stylized

    def _asked(self, request: Request) -> tuple[Look, int | None]:
        """The look and the largest side in px that an upload's query asks for."""
        query = request.query_params
        style = find_style(query.get("style", self._shown.show.controls.look.style.name), self._shown.catalogue)
        try:
            strength = float(query.get("strength", "1"))
            max_side_px = int(query["max_side"]) if "max_side" in query else None
        except ValueError as error:
            raise MessageError("strength and max_side must be numbers") from error
        if not 0 <= strength <= 1 or not (max_side_px is None or 16 <= max_side_px <= 16384):
            raise MessageError("strength must be 0 to 1, and max_side 16 to 16384")
        return Look(style, strength, query.get("keep_colors") == "true", smoothing=0.0), max_side_px


async def _file(content: bytes, kind: str) -> Response:
    return Response(content, media_type=kind)


async def _body(request: Request) -> bytes:
    try:
        return await asyncio.wait_for(request.body(), _UPLOAD_S)
    except TimeoutError as error:
        raise HTTPException(408, f"the upload took longer than {_UPLOAD_S:.0f} s") from error


async def _message(request: Request, most: int = 4096) -> dict[str, Any]:
    """The JSON object in a request; only a page of ours can send its content type without being asked first."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise MessageError("the content type must be application/json")
    try:
        text = (await _body(request)).decode()
    except UnicodeDecodeError as error:
        raise MessageError("a message is not UTF-8") from error
    return read_message(text, most)


async def _as_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail))


def _bound(options: WebOptions) -> socket.socket:
    """A socket that listens where it was asked for."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((options.host, options.port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise SinkError(
            f"web: cannot listen on {options.host} port {options.port} ({reason}); choose another --port or --host"
        ) from error
    return listening
