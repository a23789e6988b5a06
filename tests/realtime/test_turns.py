import threading
import time
from collections.abc import Callable

import pytest

from realtime.mailbox import MailboxClosedError
from realtime.turns import Turns


def run_threads(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_work_is_handed_over_in_the_order_in_which_it_was_taken(count: int) -> None:
    turns, numbers, handed_over = Turns(count), iter(range(60)), []
    at_once, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        while True:
            with turns.take() as turn:
                number = next(numbers, None)
            if number is None:
                break
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.004 if number % 3 == 0 else 0.001)
            with lock:
                at_once -= 1
            with turns.hand_over(turn):
                handed_over.append(number)

    run_threads(work, count)
    assert handed_over == list(range(60))
    assert most == count


def test_only_the_last_to_leave_is_told_so() -> None:
    turns = Turns(3)
    assert [turns.leave() for _ in range(3)] == [False, False, True]


def test_taking_that_fails_takes_no_turn() -> None:
    turns = Turns(1)
    with pytest.raises(MailboxClosedError), turns.take():
        raise MailboxClosedError
    with turns.take() as turn:
        assert turn == 0


@pytest.mark.parametrize("fails_while_handing_over", [False, True])
def test_a_thread_that_fails_wakes_the_others(fails_while_handing_over: bool) -> None:
    turns, woken = Turns(2), threading.Event()
    with turns.take() as first:
        pass
    with turns.take() as second:
        pass

    def wait_for_turn() -> None:
        with pytest.raises(MailboxClosedError), turns.hand_over(second):
            raise AssertionError("it is not its turn")
        woken.set()

    thread = threading.Thread(target=wait_for_turn, daemon=True)
    thread.start()
    if fails_while_handing_over:
        with pytest.raises(ValueError, match="disk full"), turns.hand_over(first):
            raise ValueError("disk full")
    else:
        turns.abort()
    assert woken.wait(20)
    thread.join(20)
