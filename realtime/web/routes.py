"""Owns what the server's addresses answer: the page's files, its styles, commands, offers and images."""

import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from realtime.engines.protocol import Engine
from realtime.errors import EngineError, SourceError, StyleError
from realtime.web import image_routes, style_routes
from realtime.web.bodies import address_of, read_json
from realtime.web.connections import Connections, TooManyConnectionsError
from realtime.web.guard import problem, role_of
from realtime.web.image_routes import ImageRoutes
from realtime.web.kept_images import BusyError, ReplacedError, UnknownImageError
from realtime.web.messages import MessageError, command_in, look_as_json, state_as_json
from realtime.web.offers import read_offer
from realtime.web.style_routes import StyleRoutes, visitor_of
from realtime.web.uploads import LeftError
from realtime.web.visitor_styles import UnknownVisitorError
from realtime.web.webrtc import ONLY_OPERATOR

_MAX_OFFER_BYTES = 2**17
LIMITS_BYTES = {
    "/api/offer": _MAX_OFFER_BYTES,
    "/api/command": 2**13,
    **image_routes.LIMITS_BYTES,
    **style_routes.LIMITS_BYTES,
}
"""The largest body that each address takes; others take none."""

_PAGE = Path(__file__).with_name("page")
_FILES = tuple(sorted(path.name for path in _PAGE.iterdir() if path.suffix in (".css", ".js")))
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_STATUS = {
    400: (MessageError, StyleError, SourceError),
    404: (UnknownImageError,),
    409: (ReplacedError,),
    410: (UnknownVisitorError,),
    500: (EngineError,),
    503: (TooManyConnectionsError, BusyError),
}
_RETRY_AFTER_S = 1


class Routes:
    """Answers requests.

    Args:
        engine: stylizes uploads, one at a time beside the live images.
        connections: takes offers of browsers; commands are for its own broadcast.
        failed: takes the error of an engine that hangs.
    """

    def __init__(self, engine: Engine, connections: Connections, failed: Callable[[BaseException], None]) -> None:
        self._engine, self._connections = engine, connections
        self._visitors, self._broadcast = connections.service.styles, connections.service.broadcast
        self._images = ImageRoutes(engine, self._visitors, lambda: self._broadcast.controls.look.style, failed)
        self._styles = StyleRoutes(self._visitors, self._images.thumbnail)
        self._start = secrets.token_hex(8)  # tells pages that come back whether it is the server that they knew

    def app(self) -> Starlette:
        """The application that answers."""
        routes = [
            Route("/", _file("index.html"), methods=["GET"]),
            Route("/output", _file("output.html"), methods=["GET"]),
            *(Route(f"/{name}", _file(name), methods=["GET"]) for name in _FILES),
            Route("/api/state", self._get_state),
            Route("/api/command", self._post_command, methods=["POST"]),
            Route("/api/offer", self._post_offer, methods=["POST"]),
            *self._styles.routes(),
            *self._images.routes(),
        ]
        problems = {kind: partial(_as_problem, status) for status, kinds in _STATUS.items() for kind in kinds}
        nobody = {ClientDisconnect: _as_nothing, LeftError: _as_nothing}
        return Starlette(routes=routes, exception_handlers={HTTPException: _as_http_problem, **problems, **nobody})

    def close(self) -> None:
        """Takes no more images."""
        self._images.close()
        self._styles.close()

    async def _get_state(self, request: Request) -> JSONResponse:
        broadcast, info = self._broadcast, self._engine.info
        return JSONResponse(
            {
                **state_as_json(broadcast.controls, broadcast.stats),
                "source": broadcast.source,
                **{name: getattr(info, name) for name in ("engine", "device", "precision", "provider")},
                "connections": self._connections.count,
                "viewers": self._connections.viewers,
                "start": self._start,
                "role": role_of(request),
                "open_stage": self._connections.service.open_stage,
                "look_is_given": self._connections.service.look_is_given,
            }
        )

    async def _post_command(self, request: Request) -> JSONResponse:
        if not self._connections.may_command(role_of(request)):
            raise HTTPException(403, ONLY_OPERATOR)
        own = self._visitors.of(visitor_of(request))
        command = command_in(await read_json(request), self._visitors.catalogue, own)
        self._broadcast.send(command)
        return JSONResponse({"look": look_as_json(self._broadcast.controls.look)})

    async def _post_offer(self, request: Request) -> JSONResponse:
        offer = read_offer(await read_json(request, _MAX_OFFER_BYTES))
        return JSONResponse(await self._connections.answer(offer, role_of(request), address_of(request)))


def _file(name: str) -> Response:
    """A file of the page, read once."""
    path = _PAGE / name
    return Response(path.read_bytes(), media_type=_MEDIA_TYPES[path.suffix])


async def _as_http_problem(_: Request, error: Any) -> JSONResponse:
    return problem(error.status_code, error.detail, error.headers)


async def _as_problem(status: int, _: Request, error: Exception) -> JSONResponse:
    return problem(status, str(error), {"Retry-After": str(_RETRY_AFTER_S)} if status == 503 else None)


async def _as_nothing(_: Request, __: Exception) -> Response:
    """Who asked has left, and reads no answer."""
    return Response(status_code=400)
