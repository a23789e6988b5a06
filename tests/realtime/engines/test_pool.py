import threading
from collections.abc import Sequence

import pytest

from realtime.engines.pool import Pool


class Maker:
    """Gives workers with the name of their key."""

    def __init__(self, count: int) -> None:
        self.count, self.made = count, list[str]()

    def __call__(self, key: str) -> Sequence[list[str]]:
        self.made.append(key)
        return [[key] for _ in range(self.count)]


def test_workers_are_made_once_for_each_key() -> None:
    maker = Maker(1)
    pool = Pool(maker)
    for key in ("a", "b", "a", "a", "b"):
        with pool.taken(key) as worker:
            assert worker == [key]
    assert maker.made == ["a", "b"]


def test_only_the_last_few_keys_are_kept() -> None:
    maker = Maker(1)
    pool = Pool(maker)
    for key in ("a", "b", "c", "d", "a", "e", "a", "b"):  # "e" is one too many, and "b" was used least lately
        with pool.taken(key):
            pass
    assert maker.made == ["a", "b", "c", "d", "e", "b"]


def test_a_worker_is_with_one_thread_at_a_time() -> None:
    pool = Pool(Maker(2))
    busy: list[int] = []
    most, lock = 0, threading.Lock()

    def work() -> None:
        nonlocal most
        for _ in range(50):
            with pool.taken("a") as worker:
                with lock:
                    assert id(worker) not in busy
                    busy.append(id(worker))
                    most = max(most, len(busy))
                with lock:
                    busy.remove(id(worker))

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 1 <= most <= 2


def test_a_worker_comes_back_after_an_error() -> None:
    pool = Pool(Maker(1))
    with pytest.raises(ValueError, match="broken"), pool.taken("a"):
        raise ValueError("broken")
    with pool.taken("a") as worker:
        assert worker == ["a"]


def test_what_could_not_be_made_is_tried_again() -> None:
    tries = 0

    def make(_: str) -> list[str]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise MemoryError
        return ["worker"]

    pool = Pool(make)
    with pytest.raises(MemoryError), pool.taken("a"):
        pass
    with pool.taken("a") as worker:
        assert worker == "worker"


def test_a_cleared_pool_makes_anew() -> None:
    maker = Maker(1)
    pool = Pool(maker)
    for _ in range(2):
        with pool.taken("a"):
            pass
        pool.clear()
    assert maker.made == ["a", "a"]
