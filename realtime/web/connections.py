"""Owns who is connected by WebRTC: places for those who are, and how many may be about to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from realtime.controls import Controls
from realtime.web.broadcast import Broadcast
from realtime.web.guard import Role
from realtime.web.offers import Offer
from realtime.web.senders import SenderStage
from realtime.web.video_coding import CodedVideos
from realtime.web.visitor_styles import VisitorStyles
from realtime.web.webrtc import Connection, Setting

MAX_CONNECTIONS = 8
_OPERATORS_PLACES = 1
"""Beyond the others, so that visitors cannot keep the operator out."""

_MAX_COMING_OF_ADDRESS, _MAX_COMING = 8, 16
"""Offers that were answered and have not led to a connection; a newer one takes the place of the oldest."""


class TooManyConnectionsError(Exception):
    """No further connection is taken now."""


@dataclass(eq=False)
class _Place:
    """Who has come, or is about to."""

    connection: Connection
    address: str
    role: Role


@dataclass(frozen=True)
class Service:
    """What connections are given.

    Attributes:
        senders: stylizes what senders send.
        styles: to choose from: everybody's, and those of visitors.
        make_controls: settings of a new sender.
        broadcast: the server's own source.
        loopback: only this machine may connect, as it alone can open the page.
        open_stage: visitors may command the server's own source, too.
        look_is_given: the user said how the show looks; pages of an earlier run then do not set it to what it was.
    """

    senders: SenderStage
    styles: VisitorStyles
    make_controls: Callable[[], Controls]
    broadcast: Broadcast
    loopback: bool = False
    open_stage: bool = False
    look_is_given: bool = False


class Connections:
    """All connections.

    Args:
        service: what they are given.

    Attributes:
        service: as given.
    """

    def __init__(self, service: Service) -> None:
        self.service, self._videos = service, CodedVideos(service.broadcast)
        self._places: dict[Connection, _Place] = {}

    @property
    def viewers(self) -> int:
        """How many watch the server's own source; from any thread."""
        return sum(each.stands and not each.sends for each in list(self._places))

    @property
    def count(self) -> int:
        """How many are connected."""
        return sum(each.stands for each in list(self._places))

    def may_command(self, role: Role) -> bool:
        """Whether they may change the server's own source."""
        return role == "operator" or self.service.open_stage

    async def answer(self, offer: Offer, role: Role, address: str) -> dict[str, str]:
        """Accepts an offer, and returns {"sdp": ..., "type": "answer"}.

        Args:
            offer: of a browser.
            role: whose.
            address: where it is, as far as limits go.

        Raises:
            MessageError: it cannot be accepted.
            TooManyConnectionsError: there are too many already.
        """
        self._check_room(role)
        self._make_room(address)
        service = self.service
        broadcast, videos = service.broadcast, self._videos
        if offer.sends:
            controls = service.make_controls()
            broadcast = Broadcast("camera", controls, controls.apply)
            videos = CodedVideos(broadcast)
        setting = Setting(
            service.senders,
            service.styles,
            service.loopback,
            may_command=self.may_command(role),
            has_place=self._has_place,
            left=self._left,
        )
        connection = Connection(offer, broadcast, videos, setting)
        self._places[connection] = _Place(connection, address, role)
        return await connection.answer()

    async def close(self) -> None:
        """Ends all connections."""
        await asyncio.gather(*(connection.close() for connection in list(self._places)))

    def _check_room(self, role: Role) -> None:
        most = MAX_CONNECTIONS + (_OPERATORS_PLACES if role == "operator" else 0)
        if self.count >= most:
            raise TooManyConnectionsError(f"{self.count} are connected already; try again later")

    def _has_place(self, connection: Connection) -> bool:
        """Whether one that has connected may stay; more may have been on their way than there were places."""
        place = self._places.get(connection)
        try:
            self._check_room(place.role if place is not None else "visitor")
        except TooManyConnectionsError:
            return False
        return True

    def _left(self, connection: Connection) -> None:
        self._places.pop(connection, None)

    def _make_room(self, address: str) -> None:
        """Gives up the oldest of those that have not connected, where there are too many: nobody waits for the dead."""
        coming = [place for place in self._places.values() if not place.connection.stands]
        of_address = [place for place in coming if place.address == address]
        if len(of_address) >= _MAX_COMING_OF_ADDRESS:
            of_address[0].connection.close_soon()
        elif len(coming) >= _MAX_COMING:
            coming[0].connection.close_soon()
