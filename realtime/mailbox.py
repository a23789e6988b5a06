"""Owns how stages hand things over: newest wins when live, nothing is lost for files."""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class MailboxClosedError(Exception):
    """Nothing more will come (`get`), or nothing more is taken (`put`). Never reaches a user."""


class _Mailbox(Generic[Item]):
    """Hands items from one thread to another, in order."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def get(self, timeout_s: float | None = None) -> Item | None:
        """Takes the oldest item, waiting for one.

        Args:
            timeout_s: how long to wait; None waits for ever.

        Returns:
            The item, or None when the time is over.

        Raises:
            MailboxClosedError: the mailbox is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout_s)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._closed:
                raise MailboxClosedError
            return None

    @property
    def waiting(self) -> bool:
        """Whether an item is there to be taken."""
        return bool(self._items)

    def close(self) -> None:
        """Takes no more items; those inside can still be taken out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Closes and throws away what is inside, so that both ends stop at once."""
        with self._changed:
            self._items.clear()
        self.close()


class LatestMailbox(_Mailbox[Item]):
    """One slot for live frames: a new item replaces the one that nobody took.

    Attributes:
        dropped: items that were replaced.
    """

    def __init__(self) -> None:
        super().__init__(capacity=1)
        self.dropped = 0

    def wait_for_room(self) -> None:
        """Returns at once: there is always room."""

    def put(self, item: Item) -> None:
        """Puts an item in, without ever waiting.

        Raises:
            MailboxClosedError: the mailbox is closed.
        """
        with self._changed:
            if self._closed:
                raise MailboxClosedError
            if self._items:
                self._items.clear()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()


class BoundedMailbox(_Mailbox[Item]):
    """A few slots for files: a full mailbox makes its writer wait, and nothing is dropped.

    Attributes:
        dropped: always 0.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.dropped = 0

    def wait_for_room(self) -> None:
        """Waits until `put` would not wait, or the mailbox is closed.

        A writer that waits before it captures, and not after, hands over fresh frames.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._capacity or self._closed)

    def put(self, item: Item) -> None:
        """Puts an item in, waiting for room.

        Raises:
            MailboxClosedError: the mailbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._capacity or self._closed)
            if self._closed:
                raise MailboxClosedError
            self._items.append(item)
            self._changed.notify_all()


Mailbox = LatestMailbox[Item] | BoundedMailbox[Item]
