"""Owns what aiortc has no option for: a codec for packets that are coded already, loopback only, and who still answers.

Neither aiortc nor aioice has an option for some of it, so methods of a connection's own objects are replaced.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aioice
from aiortc import RTCPeerConnection, RTCRtpSender
from aiortc.rtp import RTCP_PSFB_APP, RTCP_PSFB_FIR, RTCP_PSFB_PLI, RtcpPsfbPacket, unpack_remb_fci

from realtime.web.offers import CODECS
from realtime.web.video_track import StylizedTrack

_Gather = Callable[[int, list[str]], Awaitable[list[aioice.Candidate]]]


def send_coded(peer: RTCPeerConnection, track: StylizedTrack, codec: str, receives: bool) -> None:
    """Has a connection send a track, in a codec; before its remote description is set.

    `RTCRtpSender` sends packets of a track as they are, and tells nobody which rate and which whole images the
    browser asks for.
    """
    transceiver = peer.addTransceiver(track, direction="sendrecv" if receives else "sendonly")
    if codec == CODECS[0]:  # else the offer has only the other one
        known = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([each for each in known if each.mimeType in (f"video/{codec}", "video/rtx")])
    sender: Any = transceiver.sender
    sender._handle_rtcp_packet = partial(_tell_track, track, sender._handle_rtcp_packet)


async def _tell_track(track: StylizedTrack, handle: Callable[[Any], Awaitable[None]], packet: Any) -> None:
    await handle(packet)
    if not isinstance(packet, RtcpPsfbPacket):
        return
    if packet.fmt in (RTCP_PSFB_FIR, RTCP_PSFB_PLI):
        track.want_key()
    elif packet.fmt == RTCP_PSFB_APP:
        try:
            rate_bps, _ = unpack_remb_fci(packet.fci)
        except ValueError:
            return
        track.can_receive(rate_bps)


async def received_bytes(peer: RTCPeerConnection) -> int:
    """How many bytes have come from the browser: video, answers to figures, reports."""
    report = await peer.getStats()
    return sum(each.bytesReceived for each in report.values() if each.type == "transport")


def stay_on_loopback(peer: RTCPeerConnection) -> None:
    """Has a connection use an address that only this machine reaches; before its local description is set."""
    transports = [transceiver.receiver.transport for transceiver in peer.getTransceivers()]
    if peer.sctp is not None:
        transports.append(peer.sctp.transport)
    for ice_transport in {transport.transport for transport in transports}:
        ice: Any = ice_transport.iceGatherer._connection
        ice.get_component_candidates = partial(_loopback_candidates, ice.get_component_candidates)


async def _loopback_candidates(gather: _Gather, component: int, addresses: list[str]) -> list[aioice.Candidate]:
    return await gather(component, ["127.0.0.1"])
