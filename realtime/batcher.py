"""How single frames become batches."""

import time

from realtime.frame import Frame, FrameBatch
from realtime.mailbox import BoundedMailbox, MailboxClosedError


class Batcher:
    """Collects up to `max_batch_size` frames, waiting at most `max_wait_ms` after the first.

    A frame of another size ends the batch and begins the next one.
    """

    def __init__(self, mailbox: BoundedMailbox[Frame], max_batch_size: int, max_wait_ms: float) -> None:
        self._mailbox = mailbox
        self._max_batch_size = max_batch_size
        self._max_wait_s = max_wait_ms / 1000
        self._held_back: Frame | None = None

    def next_batch(self) -> FrameBatch:
        """Waits for the next batch.

        Raises:
            MailboxClosedError: no frame will come any more.
        """
        first = self._held_back or self._mailbox.get()
        self._held_back = None
        if first is None:
            raise MailboxClosedError
        frames = [first]
        deadline_s = time.perf_counter() + self._max_wait_s
        while len(frames) < self._max_batch_size:
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
