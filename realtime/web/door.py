"""Owns which connections are let in: so many of an address and in all, and none that says nothing for long."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_OF_ADDRESS, MAX_CONNECTIONS = 32, 256
"""Open connections. Of too many the one that has waited longest with nothing to answer makes room for the new one:
whoever asks for something at once gets in, however many others only hold their place."""

HEAD_S = 5.0
"""In which the whole head of a request must come, and before it the handshake of HTTPS."""

_LINGER_S = 1.0
"""How long the rest of a body that was refused is read, so that the answer reaches the one who sends it."""

_NO_DESCRIPTORS_S = 0.2


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the first 64 bits, because one household has all of the rest."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped is not None else parsed.exploded[:19]
    return str(parsed)


@dataclass(eq=False)
class Guest:
    """One connection.

    Attributes:
        address: whose, as `network_of` gives it.
        drop: ends it at once.
        waits: it has sent no whole head of a request that is not answered.
    """

    address: str
    drop: Callable[[], object] = lambda: None
    waits: bool = True
    came_s: float = field(default_factory=time.monotonic)


class Door:
    """Counts the connections that are open, and makes room for new ones."""

    def __init__(self) -> None:
        self._guests: dict[Guest, None] = {}

    def enter(self, address: str) -> Guest | None:
        """Lets a new connection in, if need be in place of one that only waits; None when there is no place."""
        guest = Guest(network_of(address))
        of_address = [each for each in self._guests if each.address == guest.address]
        if len(of_address) >= MAX_OF_ADDRESS and not self._drop_oldest(of_address, waiting_only=True):
            return None
        if len(self._guests) >= MAX_CONNECTIONS:
            [(crowded, _)] = Counter(each.address for each in self._guests).most_common(1)
            self._drop_oldest([each for each in self._guests if each.address == crowded], waiting_only=False)
        self._guests[guest] = None
        return guest

    def leave(self, guest: Guest) -> None:
        """It is closed."""
        self._guests.pop(guest, None)

    def _drop_oldest(self, guests: list[Guest], waiting_only: bool) -> bool:
        waiting = [each for each in guests if each.waits]
        among = waiting or ([] if waiting_only else guests)
        if not among:
            return False
        oldest = min(among, key=lambda each: each.came_s)
        self.leave(oldest)
        oldest.drop()
        return True


class _Protocol(H11Protocol):
    """HTTP of one connection, which is closed when the head of a request is not there in time."""

    def __init__(self, guest: Guest, door: Door, config: uvicorn.Config, state: Any) -> None:
        super().__init__(config, state, {})
        self._guest, self._door = guest, door
        self._time_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._guest.drop = transport.abort
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._set_limit(None)
        if self.conn.their_state is h11.SEND_BODY:
            self._set_limit(_LINGER_S)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_limit(None)
        self._door.leave(self._guest)
        super().connection_lost(exc)

    def _look(self) -> None:
        """Sets the time limit of a head that is to come, and lifts it when it has come."""
        answered = self.cycle is None or self.cycle.response_complete
        waits = self.conn.their_state is h11.IDLE
        if waits and self._time_limit is None:
            self._set_limit(HEAD_S)
        elif not waits and not answered:
            self._set_limit(None)
        if waits and not self._guest.waits:
            self._guest.came_s = time.monotonic()
        self._guest.waits = waits

    def _set_limit(self, seconds: float | None) -> None:
        if self._time_limit is not None:
            self._time_limit.cancel()
        self._time_limit = None if seconds is None else self.loop.call_later(seconds, self.transport.close)


class GuardedServer(uvicorn.Server):
    """Serves HTTP to those whom a door lets in.

    Args:
        config: of the server.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._door = Door()
        self._accepting: list[asyncio.Task[None]] = []
        self._connecting: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`; accepts by itself, where uvicorn would take every connection that comes."""
        self.servers = []
        for listener in sockets or []:
            listener.setblocking(False)
            self._accepting.append(asyncio.get_running_loop().create_task(self._accept(listener)))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        for task in (*self._accepting, *self._connecting):
            task.cancel()
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError:  # no descriptors are left, or who came has gone
                await asyncio.sleep(_NO_DESCRIPTORS_S)
                continue
            guest = self._door.enter(str(address[0]))
            if guest is None:
                connection.close()
                continue
            connecting = loop.create_task(self._connect(connection, guest))
            self._connecting.add(connecting)
            connecting.add_done_callback(partial(self._connected, connection, guest))
            guest.drop = connecting.cancel

    async def _connect(self, connection: socket.socket, guest: Guest) -> None:
        tls = self.config.ssl
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: _Protocol(guest, self._door, self.config, self.server_state),
            connection,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else HEAD_S,
        )

    def _connected(self, connection: socket.socket, guest: Guest, connecting: asyncio.Task[None]) -> None:
        """Closes a connection that was dropped, perhaps before its task began, or whose handshake failed."""
        self._connecting.discard(connecting)
        if connecting.cancelled() or connecting.exception() is not None:
            self._door.leave(guest)
            connection.close()
