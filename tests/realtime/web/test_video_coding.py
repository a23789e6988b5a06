"""Tests of coded video: once for all who see the same, whole images when needed, rates that reach a browser."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from fakes import make_catalogue, make_stylized, solid

from realtime.controls import Controls
from realtime.options import LookOptions
from realtime.web import video_coding
from realtime.web.broadcast import Broadcast
from realtime.web.video_coding import CodedVideos, Packet, _Coder
from realtime.web.video_track import StylizedTrack

SIZE_WH = (96, 64)


class Show:
    """A broadcast that somebody publishes to, and how often its images were coded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broadcast = Broadcast("a wall", Controls(make_catalogue("a"), 0, LookOptions()), lambda _: None)
        self.videos = CodedVideos(self.broadcast)
        self.coded: list[tuple[int, float]] = []
        self.shown = 0
        code = _Coder.code

        def counted(coder: _Coder, stylized: Any, split: float, is_key: bool) -> list[Packet]:
            self.coded.append((coder._rate_bps, split))
            return code(coder, stylized, split, is_key)

        monkeypatch.setattr(_Coder, "code", counted)

    async def packets(self, *tracks: StylizedTrack) -> list[Packet]:
        """What the tracks give when one more image is shown."""
        waiting = [asyncio.ensure_future(track.recv()) for track in tracks]
        await asyncio.sleep(0)
        self.broadcast.publish(make_stylized(solid((10 * self.shown % 200, 90, 40), SIZE_WH), self.shown))
        self.shown += 1
        return list(await asyncio.wait_for(asyncio.gather(*waiting), 10))


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    monkeypatch.setattr(video_coding, "_KEY_INTERVAL_S", 0.0)
    return Show(monkeypatch)


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


def _red(codec: str, packets: list[Packet]) -> list[int]:
    """The red of each decoded image's middle."""
    decoder: Any = av.CodecContext.create({"VP8": "libvpx", "H264": "h264"}[codec], "r")
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(bytes(packet)))]
    return [int(frame.to_ndarray(format="rgb24")[32, 48, 0]) for frame in frames]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_all_who_see_the_same_get_the_same_packets(show: Show, codec: str) -> None:
    async def work() -> None:
        tracks = [StylizedTrack(show.videos, codec) for _ in range(4)]
        sent = [await show.packets(*tracks) for _ in range(5)]
        assert len(show.coded) == 5, "each image is coded once"
        assert all(len({id(packet) for packet in packets}) == 1 for packets in sent)
        times = [packets[0].pts or 0 for packets in sent]
        assert times == sorted(times)
        red = _red(codec, [packets[0] for packets in sent])
        assert np.abs(np.array(red) - [0, 10, 20, 30, 40][: len(red)]).max() < 12
        assert len(red) >= 4
        for track in tracks:
            track.stop()
        assert not show.videos._videos, "with the last viewer the coding ends"

    _run(work)


def test_who_comes_late_and_who_lost_something_gets_a_whole_image(show: Show) -> None:
    async def work() -> None:
        first, late = (StylizedTrack(show.videos, "VP8") for _ in range(2))
        kinds = [(await show.packets(first))[0].is_keyframe for _ in range(3)]
        assert kinds == [True, False, False]
        packets = await show.packets(first, late)
        assert [packet.is_keyframe for packet in packets] == [True, True]
        first.want_key()
        await show.packets(first, late)  # may be under way already
        assert show.shown == 5

    _run(work)


def test_whole_images_are_not_given_as_often_as_somebody_asks(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_coding, "_KEY_INTERVAL_S", 60.0)

    async def work() -> None:
        track = StylizedTrack(show.videos, "VP8")
        kinds = []
        for _ in range(5):
            track.want_key()
            kinds.append((await show.packets(track))[0].is_keyframe)
        assert kinds == [True, False, False, False, False]

    _run(work)


def test_who_compares_has_a_video_of_its_own(show: Show) -> None:
    async def work() -> None:
        plain, comparing = (StylizedTrack(show.videos, "VP8") for _ in range(2))
        comparing.split = 0.5
        await show.packets(plain, comparing)
        assert sorted(split for _, split in show.coded) == [0.0, 0.5]
        comparing.split = 0.0
        await show.packets(comparing)  # the last of the old
        show.coded.clear()
        await show.packets(plain, comparing)
        assert [split for _, split in show.coded] == [0.0]

    _run(work)


def test_the_rate_follows_what_reaches_a_browser_in_few_steps(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    track = StylizedTrack(show.videos, "VP8")
    now_s = 100.0
    monkeypatch.setattr("realtime.web.video_track.time.monotonic", lambda: now_s)
    rates = []
    for estimate in (2_900_000, 500_000, 3_100_000, 3_500_000, 90_000_000):
        now_s += 10
        track.can_receive(estimate)
        rates.append(track._rate_bps)
    assert rates == [2_000_000, 1_000_000, 2_000_000, 3_000_000, 12_000_000]
    track.can_receive(4_000_000)
    track.can_receive(90_000_000)
    assert track._rate_bps == 3_000_000, "not up and down at once"


def test_at_the_end_of_the_broadcast_the_track_ends(show: Show) -> None:
    async def work() -> None:
        track = StylizedTrack(show.videos, "VP8")
        await show.packets(track)
        waiting = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0.05)
        show.broadcast.close()
        with pytest.raises(MediaStreamError):
            await asyncio.wait_for(waiting, 5)

    _run(work)


def test_who_falls_behind_goes_on_with_a_whole_image() -> None:
    seat = video_coding.Seat()
    whole, part = cast(Packet, av.Packet(b"1")), cast(Packet, av.Packet(b"2"))
    whole.is_keyframe = True
    assert not seat.put(part), "nothing to show it on"
    assert seat.put(whole)
    for _ in range(video_coding._MAX_WAITING - 1):
        assert seat.put(part)
    assert not seat.put(part)
    assert seat.packets.empty()
    assert seat.put(whole)
