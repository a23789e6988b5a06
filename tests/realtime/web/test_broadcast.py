"""Tests of a live video for all who watch it: newest image, many watchers, threads, the end."""

import asyncio
import threading

from fakes import make_catalogue, make_frame, solid

from realtime.controls import Controls
from realtime.options import LookOptions
from realtime.web.broadcast import Broadcast, StylizedImage


def _broadcast() -> Broadcast:
    return Broadcast("a wall", Controls(make_catalogue("a"), 0, LookOptions()), lambda _: None)


def _publish(broadcast: Broadcast, value: int) -> None:
    broadcast.publish(make_frame(solid((value, 0, 0))), solid((0, value, 0)))


def test_who_comes_late_gets_the_newest_image_once() -> None:
    broadcast = _broadcast()
    for value in (1, 2, 3):
        _publish(broadcast, value)

    async def watch() -> StylizedImage | None:
        newest = await broadcast.newer(0)
        assert newest is not None
        waiting = asyncio.create_task(broadcast.newer(newest.number))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        broadcast.close()
        assert await asyncio.wait_for(waiting, 5) is None
        return newest

    newest = asyncio.run(watch())
    assert newest is not None
    assert newest.number == 3
    assert newest.original[0, 0].tolist() == [3, 0, 0]
    assert newest.pixels[0, 0].tolist() == [0, 3, 0]


def test_all_who_wait_are_woken_by_another_thread_and_none_misses_the_last_image() -> None:
    broadcast = _broadcast()

    def publish() -> None:
        for _ in range(500):
            _publish(broadcast, 7)

    async def last_seen() -> int:
        seen = 0
        while seen < 500 and (image := await broadcast.newer(seen)) is not None:
            seen = image.number
        return seen

    async def watch() -> list[int]:
        thread = threading.Thread(target=publish)
        thread.start()
        seen = await asyncio.wait_for(asyncio.gather(*(last_seen() for _ in range(3))), 20)
        thread.join()
        return seen

    assert asyncio.run(watch()) == [500] * 3


def test_images_after_the_end_of_the_loop_are_let_go() -> None:
    broadcast = _broadcast()
    _publish(broadcast, 1)
    asyncio.run(broadcast.newer(0))
    _publish(broadcast, 2)
    broadcast.close()
    assert broadcast.stats.live().fps > 0
