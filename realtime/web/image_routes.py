"""Owns what the server's addresses for images answer: uploads, kept or not, and what they are stylized to."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from realtime.engines.protocol import Engine, KeepsShapes
from realtime.errors import EngineTimeoutError
from realtime.flow import EngineStage
from realtime.look import Look
from realtime.stroke_size import StrokeEngine
from realtime.style import Style
from realtime.web.bodies import Places, address_of, read_body, read_json
from realtime.web.kept_images import KeptImage, KeptImages
from realtime.web.memory import memory_given_back
from realtime.web.messages import MAX_MESSAGE_LENGTH, MessageError, is_share, is_whole_number
from realtime.web.style_routes import visitor_of
from realtime.web.uploads import MAX_UPLOAD_BYTES, read_upload, stylize_upload, thumbnail
from realtime.web.visitor_styles import VisitorStyles

LIMITS_BYTES = {
    "/api/image": MAX_UPLOAD_BYTES,
    "/api/images": MAX_UPLOAD_BYTES,
    "/api/images/*/stylized": MAX_MESSAGE_LENGTH,
}
"""The largest body that each address takes."""

_UPLOADS_OF_ADDRESS, _UPLOADS_IN_ALL = 3, 8
_RELEASE_AFTER_S = 5.0
_MIN_SIDE_PX, _MAX_SIDE_PX = 16, 16384

Result = TypeVar("Result")


class ImageRoutes:
    """Answers requests for images.

    Args:
        engine: stylizes uploads, one at a time beside the live images.
        styles: to choose from: everybody's, and those of visitors.
        default_style: where a request names none.
        failed: takes the error of an engine that hangs.
    """

    def __init__(
        self,
        engine: Engine,
        styles: VisitorStyles,
        default_style: Callable[[], Style],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._styles, self._default_style, self._failed = styles, default_style, failed
        self._engine = engine
        self._releasing: asyncio.TimerHandle | None = None
        self._stage: EngineStage[None] = EngineStage(StrokeEngine(engine, 1.0), prepares=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="uploads")
        self._places = Places(_UPLOADS_OF_ADDRESS, _UPLOADS_IN_ALL, "other images are sent; try again in a moment")
        self._kept = KeptImages()

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/image", self._post_image, methods=["POST"]),
            Route("/api/images", self._post_kept, methods=["POST"]),
            Route("/api/images/{handle}", self._delete_kept, methods=["DELETE"]),
            Route("/api/images/{handle}/stylized", self._post_stylized, methods=["POST"]),
        ]

    def close(self) -> None:
        """Stylizes no more images."""
        self._stage.abort()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def thumbnail(self, style: Style) -> bytes:
        """A small JPEG of the sample clip's first frame in a style."""
        return await self._in_thread(partial(thumbnail, self._stage, style))

    async def _post_image(self, request: Request) -> Response:
        """Stylizes an image once, for scripts: the settings are in the query."""
        with self._places.taken(request):
            query: dict[str, Any] = dict(request.query_params)
            for name, read in (("strength", float), ("max_side", int)):
                if name in query:
                    query[name] = _number(name, query[name], read)
            if "keep_colors" in query:
                query["keep_colors"] = query["keep_colors"] == "true"
            asked = self._asked(query, visitor_of(request))
            upload = await self._in_thread(partial(read_upload, await read_body(request)))
            return await self._stylized(request, KeptImage("", address_of(request), upload), *asked)

    async def _post_kept(self, request: Request) -> Response:
        with self._places.taken(request):
            upload = await self._in_thread(partial(read_upload, await read_body(request)))
        kept = self._kept.keep(upload, address_of(request))
        width, height = upload.size_wh
        return JSONResponse({"handle": kept.handle, "width": width, "height": height}, 201)

    async def _delete_kept(self, request: Request) -> Response:
        self._kept.drop(request.path_params["handle"])
        return Response(status_code=204)

    async def _post_stylized(self, request: Request) -> Response:
        kept = self._kept.find(request.path_params["handle"])
        return await self._stylized(request, kept, *self._asked(await read_json(request), visitor_of(request)))

    async def _stylized(self, request: Request, kept: KeptImage, look: Look, max_side_px: int | None) -> Response:
        async def work(left: threading.Event) -> bytes:
            return await self._in_thread(partial(stylize_upload, kept.upload, self._stage, look, max_side_px, left))

        kind = "full" if max_side_px is None else f"preview {look.style.name}"
        return Response(await self._kept.in_turn(kept, kind, work, partial(_left, request)), media_type="image/png")

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        """Does work in the one thread for it, so that images are decoded and stylized one after the other."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, partial(_giving_back, work))
        except EngineTimeoutError as error:
            self._failed(error)
            raise
        finally:
            if self._releasing is not None:
                self._releasing.cancel()
            self._releasing = loop.call_later(_RELEASE_AFTER_S, self._release)

    def _release(self) -> None:
        """Has the engine give back what it keeps for the sizes of images, when nobody has asked for one lately."""
        if isinstance(self._engine, KeepsShapes):
            with suppress(RuntimeError):  # the server has ended
                self._thread.submit(_giving_back, self._engine.release_unprepared)

    def _asked(self, message: dict[str, Any], visitor: str) -> tuple[Look, int | None]:
        """The look and the largest side in px that a visitor asks for."""
        name = message.get("style")
        if not (name is None or isinstance(name, str)):
            raise MessageError("style: must be a name, or a blend as in candy:0.6+udnie:0.4")
        style = self._styles.for_everybody(self._default_style()) if name is None else self._styles.find(name, visitor)
        strength, max_side_px = message.get("strength", 1.0), message.get("max_side")
        if not is_share(strength):
            raise MessageError("strength: must be a number from 0 to 1")
        is_side = is_whole_number(max_side_px) and _MIN_SIDE_PX <= max_side_px <= _MAX_SIDE_PX
        if not (max_side_px is None or is_side):
            raise MessageError(f"max_side: must be a number of pixels from {_MIN_SIDE_PX} to {_MAX_SIDE_PX}")
        keep_colors = message.get("keep_colors", False)
        if not isinstance(keep_colors, bool):
            raise MessageError("keep_colors: must be true or false")
        return Look(style, float(strength), keep_colors, smoothing=0.0), max_side_px


def _giving_back(work: Callable[[], Result]) -> Result:
    with memory_given_back():
        return work()


def _number(name: str, text: str, read: Callable[[str], float]) -> float:
    try:
        return read(text)
    except ValueError as error:
        raise MessageError(f"{name}: must be a number") from error


async def _left(request: Request) -> None:
    """Ends when who asked has left; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
