"""Tests of what browsers send: whatever it is, it is read, or refused in one line."""

import json
import math

import pytest
from fakes import make_catalogue
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.controls import Action, ChangeLook, Command, SelectStyle
from realtime.errors import StyleError
from realtime.web.messages import MAX_MESSAGE_LENGTH, MessageError, command_in, read_message
from realtime.web.offers import read_offer

STYLES = make_catalogue("red", "green", "blue", identity=99.0)
HUGE = int("9" * 400)

_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["red", "red:0.5+blue:0.5", "red+" * 300 + "blue", "next_style", HUGE, -HUGE, "\ud800", ""])
)
_values = st.recursive(_leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
_names = st.sampled_from(["style", "strength", "smoothing", "keep_colors", "mirror", "\udfff", "__class__", "x" * 999])
_messages = st.fixed_dictionaries(
    {},
    optional={
        "command": _values,
        "select": _values,
        "look": _values | st.dictionaries(_names, _values),
        "split": _values,
    },
)


def _command(text: str | bytes) -> Command:
    return command_in(read_message(text), STYLES)


@settings(max_examples=100, deadline=None)
@given(_messages)
@example({"look": {"strength": HUGE}})
@example({"look": {"strength": math.nan}})
@example({"look": {"\ud800": 1}})
@example({"select": True})
def test_every_message_is_a_command_or_refused_in_one_line(message: object) -> None:
    try:
        command = _command(json.dumps(message))
    except (MessageError, StyleError) as error:
        assert "\n" not in str(error)
        str(error).encode()  # it can be sent
    else:
        assert isinstance(command, Action | SelectStyle | ChangeLook)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200) | st.text(alphabet='[{"0123456789', max_size=MAX_MESSAGE_LENGTH))
@example("1" * 4000)
@example('{"look": {"strength": ' + "1" * 4000 + "}}")
@example("[" * 4000)
@example('{"look": {"strength": NaN}}')
def test_every_text_is_a_message_or_refused(text: str | bytes) -> None:
    try:
        read_message(text)
    except MessageError as error:
        str(error).encode()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('{"look": {"strength": ' + "9" * 400 + "}}", "0 to 1"),
        ('{"look": {"strength": -1}}', "0 to 1"),
        ('{"look": {"strength": true}}', "0 to 1"),
        ('{"look": {"strength": Infinity}}', "not JSON"),
        ('{"select": -1}', "1 to 3"),
        ('{"select": 4}', "1 to 3"),
        ('{"command": ["next_style"]}', "allowed: next_style"),
        ('{"look": {"colour": "red"}}', "allowed: a style"),
    ],
)
def test_a_value_that_is_not_allowed_is_told_with_what_is(message: str, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        _command(message)


@pytest.mark.parametrize(
    ("style", "words"), [("nothing", "available: red, green"), ("+".join(["red"] * 300), "at most 8 styles")]
)
def test_a_style_that_there_is_not_is_refused(style: str, words: str) -> None:
    with pytest.raises(StyleError, match=words):
        _command(json.dumps({"look": {"style": style}}))


def test_what_is_allowed_is_understood() -> None:
    assert _command('{"select": 3}') == SelectStyle(3)
    assert _command('{"command": "freeze"}') is Action.FREEZE
    eight = "+".join(["red", "green"] * 4)
    change = _command(json.dumps({"look": {"style": eight, "strength": 1, "mirror": False}}))
    assert change == ChangeLook(style=eight, strength=1.0, mirror=False)


OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
m=video 9 UDP/TLS/RTP/SAVPF 96 98
c=IN IP4 0.0.0.0
a=mid:0
a=recvonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtpmap:98 H264/90000
a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 """ + ":".join(["AB"] * 32) + """
a=setup:actpass
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:1
a=sctp-port:5000
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 """ + ":".join(["AB"] * 32) + """
a=setup:actpass
"""  # fmt: skip
LINES = OFFER.splitlines()


def _sdp(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n"


def test_an_offer_is_understood() -> None:
    offer = read_offer({"sdp": _sdp(LINES), "mode": "send"})
    assert (offer.sends, offer.codec) == (True, "VP8")
    without_vp8 = [line for line in LINES if "VP8" not in line]
    assert read_offer({"sdp": _sdp(without_vp8), "mode": "view"}).codec == "H264"
    neither = [line.replace("VP8", "AV1X").replace("H264", "VP9") for line in LINES]
    with pytest.raises(MessageError, match="allowed: VP8, H264"):
        read_offer({"sdp": _sdp(neither), "mode": "view"})


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ("a=fingerprint", "fingerprint"),
        ("a=ice-ufrag", "ice-ufrag"),
        ("a=ice-pwd", "ice-pwd"),
        ("a=sctp-port", "sctp-port"),
        ("m=video", "exactly one video"),
        ("a=mid:1", "BUNDLE"),
    ],
)
def test_what_an_offer_lacks_is_told(left_out: str, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        read_offer({"sdp": _sdp([line for line in LINES if not line.startswith(left_out)]), "mode": "view"})


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_offer_is_understood_or_refused(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(1, len(lines) - 1))
        change = data.draw(st.sampled_from(["drop", "double", "cut", "garble"]))
        if change == "drop":
            del lines[place]
        elif change == "double":
            lines.insert(place, lines[place])
        elif change == "cut":
            lines[place] = lines[place][: data.draw(st.integers(0, len(lines[place])))]
        else:
            lines[place] = lines[place][:6] + data.draw(st.text(max_size=20))
    try:
        read_offer({"sdp": _sdp(lines), "mode": "view"})
    except MessageError as error:
        str(error).encode()
