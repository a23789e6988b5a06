"""Owns what the server's addresses for styles answer: everybody's styles, and those of a visitor's own."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from realtime.errors import StyleError
from realtime.style import Style
from realtime.style_keeper import keep_style
from realtime.web.bodies import Places, address_of, read_body
from realtime.web.guard import role_of
from realtime.web.memory import memory_given_back
from realtime.web.messages import styles_as_json
from realtime.web.visitor_styles import MAX_STYLE_BYTES, VisitorStyles, read_style

LIMITS_BYTES = {"/api/styles": MAX_STYLE_BYTES}
"""The largest body that each address takes."""

_IMAGES_OF_ADDRESS, _IMAGES_IN_ALL = 3, 8
_STYLE_DIGITS = 6


class StyleRoutes:
    """Answers requests for styles.

    Args:
        styles: everybody's, and those of visitors.
        make_thumbnail: gives a small JPEG of a style.
    """

    def __init__(self, styles: VisitorStyles, make_thumbnail: Callable[[Style], Awaitable[bytes]]) -> None:
        self._styles, self._make_thumbnail = styles, make_thumbnail
        self._thumbnails: dict[int, tuple[Style, bytes]] = {}
        self._places = Places(_IMAGES_OF_ADDRESS, _IMAGES_IN_ALL, "other images are sent; try again in a moment")
        # Not that of uploads: a style should not wait until large images of others are stylized.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="visitor_styles")

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/styles", self._get_styles, methods=["GET"]),
            Route("/api/styles", self._post_style, methods=["POST"]),
            Route("/api/styles", self._delete_all, methods=["DELETE"]),
            Route("/api/styles/{number}.jpg", self._get_thumbnail, methods=["GET"]),
            Route("/api/styles/{name}/kept", self._post_kept, methods=["POST"]),
            Route("/api/styles/{name}", self._delete_style, methods=["DELETE"]),
        ]

    def close(self) -> None:
        """Takes no more images."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _get_styles(self, request: Request) -> JSONResponse:
        own = [{"name": style.name} for style in self._styles.of(visitor_of(request))]
        version = self._styles.catalogue.version  # before the list: what comes between them is told once more
        shared = styles_as_json(self._styles.catalogue)
        takes_images = self._styles.like is not None
        return JSONResponse({"styles": shared, "version": version, "own": own, "takes_images": takes_images})

    async def _get_thumbnail(self, request: Request) -> Response:
        text, styles = request.path_params["number"], self._styles.catalogue.styles
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= _STYLE_DIGITS else 0
        if not 1 <= number <= len(styles):
            raise HTTPException(404, f"there are {len(styles)} styles, numbered from 1")
        style = styles[number - 1]
        made_of, thumbnail = self._thumbnails.get(number, (None, b""))
        if made_of is not style:  # it was not made yet, or the style was put in the place of another
            thumbnail = await self._make_thumbnail(style)
            self._thumbnails[number] = style, thumbnail
        return Response(thumbnail, media_type="image/jpeg")

    async def _post_style(self, request: Request) -> JSONResponse:
        """Predicts the style of an image, and keeps it for who sent it."""
        like, visitor = self._styles.like, visitor_of(request)
        if like is None:
            raise StyleError("this server's network takes no images as styles; choose one of its styles")
        with self._places.taken(request):
            self._styles.of(visitor)  # before an image is sent in vain
            content, name = await read_body(request), request.query_params.get("name", "")
            work = partial(_read_style, content, name, like)
            style, thumbnail = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        visitor, name = self._styles.add(visitor, address_of(request), style)
        own = [each.name for each in self._styles.of(visitor)]
        picture = f"data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}"
        return JSONResponse({"visitor": visitor, "name": name, "thumbnail": picture, "own": own}, 201)

    async def _post_kept(self, request: Request) -> JSONResponse:
        """Writes one of an operator's own styles, or one of an image in the show, to a file, as the key "k" does."""
        if role_of(request) != "operator":
            raise HTTPException(403, "only the operator keeps styles")
        name = request.path_params["name"]
        own = self._styles.of(visitor_of(request))
        style = next((each for each in (*own, *self._styles.catalogue.styles) if each.name == name), None)
        if style is None:
            raise HTTPException(404, f"style {name[:40]!r}: is none of yours, and none of the show")
        # An own style has no file: this one is for the name, and not read.
        named = replace(style, file=Path(f"{name}.jpg")) if style in own else style
        try:
            path = await asyncio.get_running_loop().run_in_executor(self._thread, keep_style, named)
        except OSError as error:
            raise HTTPException(500, f"style {name}: cannot be written ({error.strerror or error})") from error
        return JSONResponse({"name": path.stem}, 201)

    async def _delete_style(self, request: Request) -> Response:
        try:
            self._styles.remove(visitor_of(request), request.path_params["name"])
        except StyleError as error:
            raise HTTPException(404, str(error)) from error
        return Response(status_code=204)

    async def _delete_all(self, request: Request) -> Response:
        """The visitor leaves."""
        self._styles.drop(visitor_of(request))
        return Response(status_code=204)


def visitor_of(request: Request) -> str:
    """The handle of who asks, where they have styles of their own."""
    return request.headers.get("visitor", "")


def _read_style(content: bytes, name: str, like: Style) -> tuple[Style, bytes]:
    with memory_given_back():
        return read_style(content, name, like)
