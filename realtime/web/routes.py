"""Owns what the server's addresses answer: the page's files, its styles, commands, offers and uploads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from realtime.engines.protocol import Engine
from realtime.errors import EngineError, EngineTimeoutError, SourceError, StyleError
from realtime.flow import EngineStage
from realtime.look import Look
from realtime.stroke_size import StrokeEngine
from realtime.style_catalogue import Catalogue, find_style
from realtime.web.guard import problem
from realtime.web.messages import MessageError, command_in, look_as_json, read_message, state_as_json, styles_as_json
from realtime.web.uploads import MAX_UPLOAD_BYTES, stylize_upload, thumbnail
from realtime.web.webrtc import Connections, TooManyConnectionsError

_MAX_OFFER_BYTES = 2**17
LIMITS_BYTES = {"/api/offer": _MAX_OFFER_BYTES, "/api/command": 2**13, "/api/image": MAX_UPLOAD_BYTES}
"""The largest body that each address takes; others take none."""

_PAGE = Path(__file__).with_name("page")
_FILES = tuple(sorted(path.name for path in _PAGE.iterdir() if path.suffix in (".css", ".js")))
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_STATUS = {400: (MessageError, StyleError, SourceError), 500: (EngineError,), 503: (TooManyConnectionsError,)}
_UPLOAD_S = 60.0
_UPLOADS_AT_ONCE = 4


class Routes:
    """Answers requests.

    Args:
        engine: stylizes uploads, one at a time beside the live images.
        catalogue: the styles to choose from.
        connections: takes offers of browsers; commands are for its own broadcast.
        failed: takes the error of an engine that hangs.
    """

    def __init__(
        self, engine: Engine, catalogue: Catalogue, connections: Connections, failed: Callable[[BaseException], None]
    ) -> None:
        self._engine, self._catalogue, self._failed = engine, catalogue, failed
        self._connections, self._broadcast = connections, connections.broadcast
        self._stage: EngineStage[None] = EngineStage(StrokeEngine(engine, 1.0), prepares=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="uploads")
        self._thumbnails: dict[int, bytes] = {}
        self._uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    def app(self) -> Starlette:
        """The application that answers."""
        routes = [
            Route("/", _file("index.html"), methods=["GET"]),
            Route("/output", _file("output.html"), methods=["GET"]),
            *(Route(f"/{name}", _file(name), methods=["GET"]) for name in _FILES),
            Route("/api/styles", self._get_styles),
            Route("/api/styles/{number:int}.jpg", self._get_thumbnail),
            Route("/api/state", self._get_state),
            Route("/api/command", self._post_command, methods=["POST"]),
            Route("/api/offer", self._post_offer, methods=["POST"]),
            Route("/api/image", self._post_image, methods=["POST"]),
        ]
        problems = {kind: partial(_as_problem, status) for status, kinds in _STATUS.items() for kind in kinds}
        return Starlette(routes=routes, exception_handlers={HTTPException: _as_http_problem, **problems})

    def close(self) -> None:
        """Stylizes no more images."""
        self._stage.abort()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _get_styles(self, _: Request) -> JSONResponse:
        return JSONResponse({"styles": styles_as_json(self._catalogue)})

    async def _get_thumbnail(self, request: Request) -> Response:
        number, styles = request.path_params["number"], self._catalogue.styles
        if not 1 <= number <= len(styles):
            raise HTTPException(404, f"there are {len(styles)} styles")
        if number not in self._thumbnails:
            self._thumbnails[number] = await self._stylized(partial(thumbnail, self._stage, styles[number - 1]))
        return Response(self._thumbnails[number], media_type="image/jpeg")

    async def _get_state(self, _: Request) -> JSONResponse:
        broadcast, info = self._broadcast, self._engine.info
        return JSONResponse(
            {
                **state_as_json(broadcast.controls, broadcast.stats),
                "source": broadcast.source,
                **{name: getattr(info, name) for name in ("engine", "device", "precision", "provider")},
                "connections": self._connections.count,
                "viewers": self._connections.viewers,
            }
        )

    async def _post_command(self, request: Request) -> JSONResponse:
        self._broadcast.send(command_in(await _message(request)))
        return JSONResponse({"look": look_as_json(self._broadcast.controls.look)})

    async def _post_offer(self, request: Request) -> JSONResponse:
        return JSONResponse(await self._connections.answer(await _message(request, _MAX_OFFER_BYTES)))

    async def _post_image(self, request: Request) -> Response:
        if self._uploads.locked():
            raise HTTPException(503, "other images are being stylized; try again in a moment")
        async with self._uploads:
            look, max_side_px = self._asked(request)
            content = await _body(request)
            stylized = await self._stylized(partial(stylize_upload, content, self._stage, look, max_side_px))
        return Response(stylized, media_type="image/png")

    async def _stylized(self, stylize: Callable[[], bytes]) -> bytes:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, stylize)
        except EngineTimeoutError as error:
            self._failed(error)
            raise

    def _asked(self, request: Request) -> tuple[Look, int | None]:
        """The look and the largest side in px that an upload's query asks for."""
        query = request.query_params
        style = find_style(query.get("style", self._broadcast.controls.look.style.name), self._catalogue)
        try:
            strength = float(query.get("strength", "1"))
            max_side_px = int(query["max_side"]) if "max_side" in query else None
        except ValueError as error:
            raise MessageError("strength and max_side must be numbers") from error
        if not 0 <= strength <= 1 or not (max_side_px is None or 16 <= max_side_px <= 16384):
            raise MessageError("strength must be 0 to 1, and max_side 16 to 16384")
        return Look(style, strength, query.get("keep_colors") == "true", smoothing=0.0), max_side_px


def _file(name: str) -> Response:
    """A file of the page, read once."""
    path = _PAGE / name
    return Response(path.read_bytes(), media_type=_MEDIA_TYPES[path.suffix])


async def _body(request: Request) -> bytes:
    try:
        return await asyncio.wait_for(request.body(), _UPLOAD_S)
    except TimeoutError as error:
        raise HTTPException(408, f"the upload took longer than {_UPLOAD_S:.0f} s") from error


async def _message(request: Request, max_length: int = 4096) -> dict[str, Any]:
    """The JSON object in a request.

    Another site's page may send any content type but this one without asking the server first, so no other is taken.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise MessageError("the content type must be application/json")
    return read_message(await _body(request), max_length)


async def _as_http_problem(_: Request, error: Any) -> JSONResponse:
    return problem(error.status_code, error.detail)


async def _as_problem(status: int, _: Request, error: Exception) -> JSONResponse:
    return problem(status, str(error))
