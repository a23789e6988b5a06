"""Owns how single frames become batches.

Must not know what an engine does with a batch.
"""

import time

from realtime.frame import Frame, FrameBatch
from realtime.mailbox import Mailbox, MailboxClosedError


class Batcher:
    """Collects up to `max_batch_size` frames, waiting at most `max_wait_ms` after the first.

    A frame of another size ends the batch and begins the next one.
    """

    def __init__(self, mailbox: Mailbox[Frame], max_batch_size: int, max_wait_ms: float) -> None:
        self._mailbox = mailbox
        self._max_batch_size = max_batch_size
        self._max_wait_s = max_wait_ms / 1000
        self._held_back: Frame | None = None

    def next_batch(self, limit: int | None = None) -> FrameBatch:
        """Waits for the next batch.

        Args:
            limit: take at most so many frames, however large a batch may be.

        Raises:
            MailboxClosedError: no frame will come any more.
        """
        most = self._max_batch_size if limit is None else min(limit, self._max_batch_size)
        first = self._held_back or self._mailbox.get()
        self._held_back = None
        if first is None:
            raise MailboxClosedError
        frames = [first]
        deadline_s = time.perf_counter() + self._max_wait_s
        while len(frames) < most:
            try:
                frame = self._mailbox.get(max(0.0, deadline_s - time.perf_counter()))
            except MailboxClosedError:
                break
            if frame is None:
                break
            if frame.size_wh != first.size_wh:
                self._held_back = frame
                break
            frames.append(frame)
        return FrameBatch(tuple(frames))
