"""Owns who may talk to the server: host, origin, token, size of what is sent, and the headers of every answer."""

import secrets
import socket
from ipaddress import ip_address

import psutil
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "token"
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


class Guard:
    """Lets through only requests for this server from its own page, with its token where it has one.

    A page of somebody else that a visitor's browser has open can send requests here, and a name of
    somebody else can be made to point here (DNS rebinding). Neither has our host and origin.

    Args:
        app: what is guarded.
        hosts: exact values of `Host` that mean this server.
        scheme: "http" or "https", of the origins that are ours.
        token: needed in the address once, and then kept in a cookie; "" is none.
        limits_bytes: the largest body for each path; any other path takes none.
    """

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], scheme: str, token: str, limits_bytes: dict[str, int]
    ) -> None:
        self._app, self._hosts, self._scheme = app, hosts, scheme
        self._token, self._limits_bytes = token, limits_bytes
        self._cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/" + ("; Secure" * (scheme == "https"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":  # there are no WebSockets here, and nothing happens at start and end
            return
        request = Request(scope)
        has_cookie = self._is_token(request.cookies.get(COOKIE, ""))
        refusal = self._refusal(request, has_cookie)
        guarded = self._with_headers(send, gives_cookie=bool(self._token) and refusal is None and not has_cookie)
        limit = self._limits_bytes.get(scope["path"], 0)
        stated = request.headers.get("content-length", "0")
        if refusal is None and stated.isdecimal() and int(stated) > limit:
            refusal = problem(413, _too_large(limit))
        await (refusal or self._app)(scope, _counted(receive, limit), guarded)

    def _refusal(self, request: Request, has_cookie: bool) -> JSONResponse | None:
        headers = request.headers
        host = headers.get("host")
        if headers.getlist("host") != [host] or host not in self._hosts:
            return problem(421, "this address is not one of this server; use the one that it printed")
        is_foreign_site = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if headers.get("origin") not in (None, f"{self._scheme}://{host}") or (
            is_foreign_site and request.method != "GET"
        ):
            return problem(403, "another page asked for this; only this server's own page may")
        in_query = request.query_params.getlist(COOKIE)
        if self._token and not has_cookie and not (len(in_query) == 1 and self._is_token(in_query[0])):
            return problem(401, "the token is missing or wrong; open the whole address that the server printed")
        return None

    def _is_token(self, value: str) -> bool:
        return secrets.compare_digest(value.encode(), self._token.encode())

    def _with_headers(self, send: Send, gives_cookie: bool) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if gives_cookie:
                    headers.append("Set-Cookie", self._cookie)
            await send(message)

        return guarded


def hosts_of(bind: str, port: int) -> frozenset[str]:
    """What `Host` may say of a server that listens on an address: its own names and addresses."""
    if is_loopback(bind):
        names = {"localhost", "127.0.0.1", "::1", bind}
    elif bind in ("0.0.0.0", "::"):
        found = [each for interface in psutil.net_if_addrs().values() for each in interface]
        addresses = {a.address.partition("%")[0] for a in found if a.family in (socket.AF_INET, socket.AF_INET6)}
        names = {"localhost", socket.gethostname(), socket.getfqdn()} | addresses
    else:
        names = {bind}
    bracketed = {f"[{name}]" if ":" in name else name.lower() for name in names}
    with_port = {f"{name}:{port}" for name in bracketed}
    return frozenset(with_port | bracketed if port in (80, 443) else with_port)


def is_loopback(bind: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


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


def problem(status: int, words: str) -> JSONResponse:
    """An answer that says in words why a request was refused."""
    return JSONResponse({"error": words}, status)
