"""Owns who may talk to the server: host, origin, token, size of what is sent, and the headers of every answer."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime.web.addresses import is_this_machine

COOKIE = "token"
Role = Literal["operator", "visitor"]
"""The operator commands the show; a visitor watches it, and commands what they send themselves."""

_ROLE = "stylizing.role"
_IMAGE_PARTS = 5
_SAFE = ("GET", "HEAD")
_FORWARDED = ("forwarded", "x-forwarded-for", "via")
"""What proxies add: such a request is of another machine, though it comes from this one."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Tokens:
    """What is needed in the address once, and then kept in a cookie; "" is none, where only this machine gets in.

    Attributes:
        operator: of who commands the show.
        visitor: of who watches it.
    """

    operator: str = ""
    visitor: str = ""

    @staticmethod
    def new() -> "Tokens":
        """Tokens that nobody can guess."""
        return Tokens(secrets.token_urlsafe(24), secrets.token_urlsafe(24))

    def role(self, token: str) -> Role | None:
        """Whose token it is; None when nobody's."""
        if self.operator and secrets.compare_digest(token.encode(), self.operator.encode()):
            return "operator"
        if self.visitor and secrets.compare_digest(token.encode(), self.visitor.encode()):
            return "visitor"
        return None


class Guard:
    """Lets through only requests for this server from its own page, with one of its tokens where it has them.

    A page of somebody else that a visitor's browser has open can send requests here, and a name of
    somebody else can be made to point here (DNS rebinding). Neither has our host and origin. Whose request
    was let through stands in its scope: see `role_of`.

    Args:
        app: what is guarded.
        hosts: exact values of `Host` that mean this server.
        scheme: "http" or "https", of the origins that are ours.
        tokens: of operator and visitors.
        limits_bytes: the largest body for each path; any other path takes none.
    """

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], scheme: str, tokens: Tokens, limits_bytes: dict[str, int]
    ) -> None:
        self._app, self._hosts, self._scheme = app, hosts, scheme
        self._tokens, self._limits_bytes = tokens, limits_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":  # there are no WebSockets here, and nothing happens at start and end
            return
        request = Request(scope)
        in_query = request.query_params.getlist(COOKIE)
        in_address = in_query[0] if len(in_query) == 1 else ""
        in_cookie = request.cookies.get(COOKIE, "")
        role = self._tokens.role(in_address) or self._tokens.role(in_cookie)
        refusal = self._refusal(request, role)
        scope[_ROLE] = "operator" if _is_own(request) else role or "visitor"
        new = in_address if refusal is None and self._tokens.role(in_address) and in_address != in_cookie else ""
        guarded = self._with_headers(send, new)
        limit = limit_of(scope["path"], self._limits_bytes)
        stated = request.headers.get("content-length", "0")
        if refusal is None and stated.isdecimal() and int(stated) > limit:
            refusal = problem(413, _too_large(limit))
        await (refusal or self._app)(scope, _counted(receive, limit), guarded)

    def _refusal(self, request: Request, role: Role | None) -> JSONResponse | None:
        headers = request.headers
        host = headers.get("host")
        if headers.getlist("host") != [host] or host not in self._hosts:
            return problem(421, "this address is not one of this server; use the one that it printed")
        origin, is_safe = headers.get("origin"), request.method in _SAFE
        is_foreign_site = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if origin not in (None, f"{self._scheme}://{host}") or (is_foreign_site and not is_safe):
            return problem(403, "another page asked for this; only this server's own page may")
        if origin is None and role is None and not is_safe:
            return problem(403, "the header Origin is missing; send the address of this server's page in it")
        if self._tokens.visitor and role is None:
            return problem(401, "the token is missing or wrong; open the whole address that the server printed")
        return None

    def _with_headers(self, send: Send, token: str) -> Send:
        """The same, with our headers; and with a cookie where there is a token to keep."""
        cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/" + ("; Secure" * (self._scheme == "https"))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if token:
                    headers.append("Set-Cookie", cookie)
            await send(message)

        return guarded


def role_of(request: Request) -> Role:
    """Whose request it is, of those that the guard let through."""
    role: Role = request.scope[_ROLE]
    return role


def limit_of(path: str, limits_bytes: dict[str, int]) -> int:
    """The largest body that a path takes; "/api/images/*/stylized" stands for those of every image."""
    parts = path.split("/")
    if len(parts) == _IMAGE_PARTS and path.startswith("/api/images/"):
        path = "/".join([*parts[:3], "*", *parts[4:]])
    return limits_bytes.get(path, 0)


def _is_own(request: Request) -> bool:
    """Whether it is of this machine, and not of one that a proxy or tunnel beside the server speaks for."""
    client = request.client.host if request.client is not None else ""
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    return not is_forwarded and is_this_machine(client, request.headers.get("host", ""))


def _counted(receive: Receive, limit: int) -> Receive:
    """The same body, until it becomes larger than the limit."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(413, _too_large(limit))
        return message

    return counted


def _too_large(limit: int) -> str:
    return f"at most {limit} bytes are taken here; send less"


def problem(status: int, words: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An answer that says in words why a request was refused."""
    return JSONResponse({"error": words}, status, headers)
