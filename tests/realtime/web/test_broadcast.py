"""Tests of a live video for all who watch it: newest frame, many watchers, threads, the end."""

import asyncio
import threading

from fakes import make_catalogue, make_stylized, solid

from realtime.controls import Controls
from realtime.options import LookOptions
from realtime.sinks.protocol import StylizedFrame
from realtime.web.broadcast import Broadcast

FRAMES = [make_stylized(solid((1, 2, 3)), index) for index in range(500)]


def _broadcast() -> Broadcast:
    return Broadcast("a wall", Controls(make_catalogue("a"), 0, LookOptions()), lambda _: None)


def test_who_comes_late_gets_the_newest_frame_once() -> None:
    broadcast = _broadcast()
    for stylized in FRAMES[:3]:
        broadcast.publish(stylized)

    async def watch() -> StylizedFrame | None:
        newest = await broadcast.newer(None)
        waiting = asyncio.create_task(broadcast.newer(newest))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        broadcast.close()
        assert await asyncio.wait_for(waiting, 5) is None
        return newest

    assert asyncio.run(watch()) is FRAMES[2]


def test_a_frame_that_is_stylized_again_is_shown_again() -> None:
    broadcast = _broadcast()
    once, again = FRAMES[0], StylizedFrame(FRAMES[0].frame, FRAMES[0].pixels, FRAMES[0].shown)
    broadcast.publish(once)
    assert asyncio.run(broadcast.newer(None)) is once
    broadcast.publish(again)
    assert asyncio.run(broadcast.newer(once)) is again


def test_all_who_wait_are_woken_by_another_thread_and_none_misses_the_last_frame() -> None:
    broadcast = _broadcast()

    def publish() -> None:
        for stylized in FRAMES:
            broadcast.publish(stylized)

    async def seen_in_order() -> bool:
        seen: list[int] = []
        newest = None
        while newest is not FRAMES[-1]:
            newest = await broadcast.newer(newest)
            assert newest is not None
            seen.append(newest.frame.index)
        return seen == sorted(set(seen))

    async def watch() -> list[bool]:
        thread = threading.Thread(target=publish)
        thread.start()
        in_order = await asyncio.wait_for(asyncio.gather(*(seen_in_order() for _ in range(3))), 20)
        thread.join()
        return in_order

    assert asyncio.run(watch()) == [True] * 3


def test_frames_after_the_end_of_the_loop_are_let_go() -> None:
    broadcast = _broadcast()
    broadcast.publish(FRAMES[0])
    asyncio.run(broadcast.newer(None))
    broadcast.publish(FRAMES[1])
    broadcast.close()
    assert broadcast.stats.live().fps > 0
