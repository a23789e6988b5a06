"""How stages hand things over: newest wins when live, nothing is lost for files."""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class MailboxClosedError(Exception):
    """Nothing more will come, or nothing more is taken. Never reaches a user."""


class BoundedMailbox(Generic[Item]):
    """A few slots for files: a full mailbox makes its writer wait, and nothing is dropped.

    Attributes:
        dropped: items that were replaced before anybody took them; 0 here.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def wait_for_room(self) -> None:
        """Waits until `put` would not wait.

        A writer that waits before it captures, and not after, hands over fresh frames.

        Raises:
            MailboxClosedError: the mailbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._capacity or self._closed)
            if self._closed:
                raise MailboxClosedError

    def put(self, item: Item) -> None:
        """Puts an item in, waiting for room.

        Raises:
            MailboxClosedError: the mailbox is closed.
        """
        with self._changed:
            self.wait_for_room()
            self._items.append(item)
            self._changed.notify_all()

    def peek(self) -> Item:
        """Waits for the oldest item, and leaves it in its slot.

        Raises:
            MailboxClosedError: the mailbox is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            if not self._items:
                raise MailboxClosedError
            return self._items[0]

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
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout_s):
                return None
            item = self.peek()
            self._items.popleft()
            self._changed.notify_all()
            return item

    @property
    def waiting(self) -> int:
        """How many items are there to be taken."""
        return len(self._items)

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


class LatestMailbox(BoundedMailbox[Item]):
    """Slots for live frames: a new item replaces the oldest that nobody took, so there is always room.

    Args:
        kept: how many items wait at most; as many as the taker wants together.
    """

    def __init__(self, kept: int = 1) -> None:
        super().__init__(capacity=kept + 1)  # those inside, and the one that takes a place
        self._kept = kept

    def put(self, item: Item) -> None:
        """Puts an item in, without ever waiting.

        Raises:
            MailboxClosedError: the mailbox is closed.
        """
        with self._changed:
            if len(self._items) >= self._kept and not self._closed:
                self._items.popleft()
                self.dropped += 1
            super().put(item)
