"""Owns the order of threads that work at once: they take in turn, and hand over in the same order.

Must not know what the work is.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from realtime.mailbox import MailboxClosedError


class Turns:
    """Keeps the order of work that several threads share.

    Args:
        threads: how many there are.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._taking = threading.Lock()
        self._changed = threading.Condition()
        self._taken = self._handed_over = 0
        self._aborted = False

    @contextmanager
    def take(self) -> Iterator[int]:
        """Inside, no other thread takes work. Gives the number of the turn, which counts unless the block raises."""
        with self._taking:
            yield self._taken
            self._taken += 1

    @contextmanager
    def hand_over(self, turn: int) -> Iterator[None]:
        """Waits until all earlier turns have been handed over; a block that raises ends it for all.

        Raises:
            MailboxClosedError: a thread failed, and nothing is handed over any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._handed_over == turn or self._aborted)
            if self._aborted:
                raise MailboxClosedError
        try:
            yield
        except BaseException:
            self.abort()
            raise
        with self._changed:
            self._handed_over += 1
            self._changed.notify_all()

    def abort(self) -> None:
        """Wakes all that wait, because one will never hand over."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()

    def leave(self) -> bool:
        """Whether the thread that leaves is the last."""
        with self._changed:
            self._threads -= 1
            return self._threads == 0
