"""Owns reading what is sent: within time, at no less than a least rate, and from no more at once than have a place."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from realtime.web.door import network_of
from realtime.web.messages import MAX_MESSAGE_LENGTH, MessageError, read_message

LONGEST_S = 60.0
GRACE_S = 3.0
LEAST_BYTES_PER_S = 16_384
"""A body may take `GRACE_S`, and a second more for each so many bytes that have come."""

_log = logging.getLogger(__name__)


class Places:
    """Gives places to those who ask at once: so many to an address, and so many in all.

    Args:
        of_address: places for one address.
        in_all: places.
        words: what is said where there is none.
    """

    def __init__(self, of_address: int, in_all: int, words: str) -> None:
        self._of_address, self._in_all, self._words = of_address, in_all, words
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, request: Request) -> Iterator[None]:
        """Takes a place; raises HTTPException 503 when none is free."""
        address = address_of(request)
        if self._taken[address] >= self._of_address or self._taken.total() >= self._in_all:
            raise HTTPException(503, self._words, {"Retry-After": "1"})
        self._taken[address] += 1
        try:
            yield
        finally:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]


def address_of(request: Request) -> str:
    """Whose request it is, as far as limits go."""
    return network_of(request.client.host) if request.client is not None else ""


async def read_body(request: Request) -> bytes:
    """Reads the body of a request.

    Raises:
        HTTPException: it comes too slowly: 408.
        ClientDisconnect: who sent it has left.
    """
    loop = asyncio.get_running_loop()
    start_s, taken, parts = loop.time(), 0, []
    try:
        async with asyncio.timeout_at(start_s + GRACE_S) as limit:
            async for part in request.stream():
                parts.append(part)
                taken += len(part)
                limit.reschedule(start_s + min(LONGEST_S, GRACE_S + taken / LEAST_BYTES_PER_S))
    except TimeoutError as error:
        raise HTTPException(408, f"it came too slowly: {taken} bytes in {loop.time() - start_s:.0f} s") from error
    except ClientDisconnect:
        _log.warning("who sent %d bytes to %s has left before the end", taken, ascii(request.url.path)[:60])
        raise
    return b"".join(parts)


async def read_json(request: Request, max_length: int = MAX_MESSAGE_LENGTH) -> dict[str, Any]:
    """The JSON object in a request.

    Another site's page may send any content type but this one without asking the server first, so no other is taken.

    Raises:
        MessageError: it is something else.
        HTTPException, ClientDisconnect: as `read_body`.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise MessageError("the content type must be application/json")
    return read_message(await read_body(request), max_length)
