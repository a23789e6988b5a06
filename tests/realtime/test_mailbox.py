"""Tests of handing over: order, drops, closing, and both ends waiting.

Must not measure speed; time-outs only detect hangs.
"""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest

from realtime.mailbox import BoundedMailbox, LatestMailbox, MailboxClosedError

HANGS_AFTER_S = 10.0
SHORT_S = 0.05

Result = TypeVar("Result")


@pytest.fixture(params=[LatestMailbox, lambda: BoundedMailbox(2)], ids=["latest", "bounded"])
def mailbox(request: pytest.FixtureRequest) -> BoundedMailbox[int]:
    made: BoundedMailbox[int] = request.param()
    return made


def _in_thread(work: Callable[[], Result]) -> "Future[Result]":
    """Runs something in a thread of its own, long enough that it waits."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    time.sleep(SHORT_S)
    return future


def test_latest_keeps_the_newest_and_counts_the_rest() -> None:
    mailbox: LatestMailbox[int] = LatestMailbox()
    for number in range(5):
        mailbox.wait_for_room()
        mailbox.put(number)
    mailbox.wait_for_room()
    assert mailbox.waiting == 1, "whoever waits for room has not put anything in yet"
    assert mailbox.get() == 4
    assert mailbox.dropped == 4
    assert mailbox.get(timeout_s=0) is None


def test_bounded_keeps_order_and_drops_nothing() -> None:
    mailbox: BoundedMailbox[int] = BoundedMailbox(3)
    for number in range(3):
        mailbox.put(number)
    assert [mailbox.get() for _ in range(3)] == [0, 1, 2]
    assert mailbox.dropped == 0


def test_bounded_makes_its_writer_wait_until_there_is_room() -> None:
    mailbox: BoundedMailbox[int] = BoundedMailbox(1)
    mailbox.put(1)
    writer = _in_thread(lambda: mailbox.put(2))
    assert not writer.done()
    assert mailbox.get() == 1
    writer.result(HANGS_AFTER_S)
    assert mailbox.get() == 2


def test_wait_for_room_waits_as_long_as_put_would() -> None:
    mailbox: BoundedMailbox[int] = BoundedMailbox(1)
    mailbox.wait_for_room()
    mailbox.put(1)
    waiting = _in_thread(mailbox.wait_for_room)
    assert not waiting.done()
    mailbox.get()
    waiting.result(HANGS_AFTER_S)


def test_peeking_leaves_the_item_and_its_slot(mailbox: BoundedMailbox[int]) -> None:
    reader = _in_thread(mailbox.peek)
    assert not reader.done()
    mailbox.put(7)
    assert reader.result(HANGS_AFTER_S) == mailbox.peek() == 7
    assert (mailbox.waiting, mailbox.get()) == (1, 7)
    mailbox.close()
    with pytest.raises(MailboxClosedError):
        mailbox.peek()


def test_closing_drains_what_is_inside(mailbox: BoundedMailbox[int]) -> None:
    mailbox.put(7)
    mailbox.close()
    with pytest.raises(MailboxClosedError):
        mailbox.put(8)
    assert mailbox.get() == 7
    for _ in range(2):
        with pytest.raises(MailboxClosedError):
            mailbox.get()


def test_closing_wakes_a_reader(mailbox: BoundedMailbox[int]) -> None:
    reader = _in_thread(mailbox.get)
    assert not reader.done()
    mailbox.close()
    with pytest.raises(MailboxClosedError):
        reader.result(HANGS_AFTER_S)


def test_abort_throws_away_what_is_inside(mailbox: BoundedMailbox[int]) -> None:
    mailbox.put(7)
    mailbox.abort()
    with pytest.raises(MailboxClosedError):
        mailbox.get()
    with pytest.raises(MailboxClosedError):
        mailbox.put(8)


def test_abort_wakes_writers_and_readers() -> None:
    full: BoundedMailbox[int] = BoundedMailbox(1)
    full.put(1)
    empty: BoundedMailbox[int] = BoundedMailbox(1)
    writer, waiting, reader = _in_thread(lambda: full.put(2)), _in_thread(full.wait_for_room), _in_thread(empty.get)
    assert not any(future.done() for future in (writer, waiting, reader))
    full.abort()
    empty.abort()
    for future in (writer, waiting, reader):
        with pytest.raises(MailboxClosedError):
            future.result(HANGS_AFTER_S)


def test_a_reader_gives_up_when_its_time_is_over(mailbox: BoundedMailbox[int]) -> None:
    started_s = time.perf_counter()
    assert mailbox.get(timeout_s=SHORT_S) is None
    assert time.perf_counter() - started_s >= 0.9 * SHORT_S
    mailbox.put(3)
    assert mailbox.get(timeout_s=SHORT_S) == 3


def test_many_threads_get_every_item_exactly_once() -> None:
    mailbox: BoundedMailbox[int] = BoundedMailbox(4)
    writers, readers, each = 4, 4, 250

    def write(first: int) -> None:
        for number in range(first, first + each):
            mailbox.put(number)

    def read() -> list[int]:
        got: list[int] = []
        while True:
            try:
                item = mailbox.get()
            except MailboxClosedError:
                return got
            assert item is not None
            got.append(item)

    with ThreadPoolExecutor(writers + readers) as pool:
        reading = [pool.submit(read) for _ in range(readers)]
        writing = [pool.submit(write, writer * each) for writer in range(writers)]
        for future in writing:
            future.result(HANGS_AFTER_S)
        mailbox.close()
        got = [future.result(HANGS_AFTER_S) for future in reading]
    assert sorted(itertools.chain.from_iterable(got)) == list(range(writers * each))
    for items in got:
        for first in range(0, writers * each, each):
            of_one_writer = [item for item in items if first <= item < first + each]
            assert of_one_writer == sorted(of_one_writer)


def test_latest_counts_right_while_a_reader_races() -> None:
    mailbox: LatestMailbox[int] = LatestMailbox()
    taken: list[int] = []

    def read() -> None:
        try:
            while (item := mailbox.get(HANGS_AFTER_S)) is not None:
                taken.append(item)
        except MailboxClosedError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2000):
        mailbox.put(number)
    mailbox.close()
    reader.join(HANGS_AFTER_S)
    assert taken == sorted(set(taken))
    assert taken[-1] == 1999
    assert len(taken) + mailbox.dropped == 2000
