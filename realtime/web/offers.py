"""Owns reading the offer of a browser's connection: what it lacks is told before anything opens."""

from dataclasses import dataclass
from typing import Any

from aiortc.sdp import MediaDescription, SessionDescription

from realtime.web.messages import MessageError

MAX_OFFER_CHARACTERS = 64_000
_MAX_CANDIDATES = 64
_DIGESTS = ("sha-256", "sha-384", "sha-512")
CODECS = ("VP8", "H264")
"""Of the video, the first that a browser has."""


@dataclass(frozen=True)
class Offer:
    """What a browser wants.

    Attributes:
        sdp: its session description.
        sends: it sends its camera, and sees that stylized; else it sees the server's own source.
        codec: what the video is coded with, of `CODECS`.
    """

    sdp: str
    sends: bool
    codec: str


def read_offer(message: dict[str, Any]) -> Offer:
    """Reads {"sdp": ..., "mode": "send" or "view"}.

    Raises:
        MessageError: it is malformed, has more or less than one video, or could not be connected to.
    """
    sdp, mode = message.get("sdp"), message.get("mode")
    if mode not in ("send", "view"):
        raise MessageError('mode: must be "send" or "view"')
    if not isinstance(sdp, str) or not sdp.startswith("v=0") or len(sdp) > MAX_OFFER_CHARACTERS:
        raise MessageError(f"sdp: must be a session description of at most {MAX_OFFER_CHARACTERS} characters")
    try:
        description = SessionDescription.parse(sdp)
    except Exception as error:
        raise not_accepted(error) from error
    media = description.media
    if sorted(each.kind for each in media) not in (["video"], ["application", "video"]):
        raise MessageError("sdp: must offer exactly one video stream, and nothing else but a data channel")
    mids = [each.rtp.muxId for each in media]
    bundled = {item for group in description.group if group.semantic == "BUNDLE" for item in group.items}
    if len(set(mids)) < len(mids) or not bundled <= set(mids):
        raise MessageError("sdp: each stream must have a mid of its own, and BUNDLE may name no others")
    for each in media:
        _check(each)
    video = next(each for each in media if each.kind == "video")
    offered = {codec.name.upper() for codec in video.rtp.codecs}
    codec = next((name for name in CODECS if name in offered), None)
    if codec is None:
        raise MessageError(f"sdp: offers no video codec that is known here; allowed: {', '.join(CODECS)}")
    return Offer(sdp, mode == "send", codec)


def _check(media: MediaDescription) -> None:
    """Refuses a stream without what its connection needs, where it would fail later with nobody to tell."""
    prints = media.dtls.fingerprints if media.dtls is not None else []
    if not any(each.algorithm.lower() in _DIGESTS for each in prints):
        raise MessageError(f"sdp: {media.kind} has no fingerprint; give one of {', '.join(_DIGESTS)}")
    if media.ice is None or not (media.ice.usernameFragment and media.ice.password):
        raise MessageError(f"sdp: {media.kind} has no ice-ufrag or no ice-pwd; give both")
    if len(media.ice_candidates) > _MAX_CANDIDATES:
        raise MessageError(f"sdp: has {len(media.ice_candidates)} candidates; at most {_MAX_CANDIDATES} are taken")
    if media.kind == "application" and media.profile != "DTLS/SCTP" and media.sctp_port is None:
        raise MessageError("sdp: the data channel has no sctp-port; give one")


def not_accepted(error: Exception) -> MessageError:
    """What is said of an offer that a library stumbled over."""
    return MessageError(f"sdp: cannot be accepted ({type(error).__name__}: {ascii(str(error))[:200]})")
