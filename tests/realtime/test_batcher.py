"""Tests of batches: their size, their sizes in pixels, waiting and ending.

Must not need a source or an engine.
"""

import threading

import pytest
from fakes import RED, make_frame, solid

from realtime.batcher import Batcher
from realtime.frame import Frame, FrameBatch
from realtime.mailbox import BoundedMailbox, MailboxClosedError

LONG_MS, SHORT_MS = 10_000.0, 30.0


def _mailbox(*sizes_wh: tuple[int, int], closed: bool = True) -> BoundedMailbox[Frame]:
    mailbox: BoundedMailbox[Frame] = BoundedMailbox(max(1, len(sizes_wh)))
    for index, size_wh in enumerate(sizes_wh):
        mailbox.put(make_frame(solid(RED, size_wh), index))
    if closed:
        mailbox.close()
    return mailbox


def _indices(batch: FrameBatch) -> list[int]:
    return [frame.index for frame in batch.frames]


def test_batches_are_full_and_in_order_and_the_last_is_the_rest() -> None:
    batcher = Batcher(_mailbox(*[(4, 4)] * 7), 3, LONG_MS)
    assert [_indices(batcher.next_batch()) for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    with pytest.raises(MailboxClosedError):
        batcher.next_batch()


def test_an_incomplete_batch_leaves_when_its_time_is_over() -> None:
    batcher = Batcher(_mailbox((4, 4), (4, 4), closed=False), 3, SHORT_MS)
    assert _indices(batcher.next_batch()) == [0, 1]


def test_a_batch_waits_for_its_next_frame() -> None:
    mailbox = _mailbox((4, 4), closed=False)
    timer = threading.Timer(0.05, lambda: mailbox.put(make_frame(solid(RED, (4, 4)), 1)))
    timer.start()
    assert _indices(Batcher(mailbox, 2, LONG_MS).next_batch()) == [0, 1]
    timer.join()


def test_without_waiting_a_batch_takes_what_is_there() -> None:
    assert _indices(Batcher(_mailbox((4, 4), (4, 4), closed=False), 5, 0.0).next_batch()) == [0, 1]


def test_another_size_ends_the_batch_and_begins_the_next() -> None:
    batcher = Batcher(_mailbox((4, 4), (4, 4), (8, 4), (4, 4), (4, 4)), 4, LONG_MS)
    assert [_indices(batcher.next_batch()) for _ in range(3)] == [[0, 1], [2], [3, 4]]
    with pytest.raises(MailboxClosedError):
        batcher.next_batch()


def test_a_frame_held_back_comes_before_the_end() -> None:
    batcher = Batcher(_mailbox((4, 4), (8, 4)), 2, LONG_MS)
    assert _indices(batcher.next_batch()) == [0]
    assert _indices(batcher.next_batch()) == [1]
    with pytest.raises(MailboxClosedError):
        batcher.next_batch()
