import threading
import time
import weakref
from collections.abc import Callable, Sequence

import pytest

from realtime.engines.shape_cache import CacheMemory, ShapeCache


def _warm_up(_: str, __: object) -> None:
    pass


class Maker:
    """Gives what makes workers with the name of their key."""

    def __init__(self, count: int) -> None:
        self.count, self.made = count, list[str]()

    def __call__(self, key: str) -> Sequence[Callable[[], list[str]]]:
        self.made.append(key)
        return [lambda: [key]] * self.count


def test_workers_are_made_once_for_each_key() -> None:
    maker = Maker(1)
    cache = ShapeCache(maker, _warm_up)
    for key in ("a", "b", "a", "a", "b"):
        with cache.taken(key) as worker:
            assert worker == [key]
    assert maker.made == ["a", "b"]


def test_only_the_last_few_keys_are_kept() -> None:
    maker = Maker(1)
    cache = ShapeCache(maker, _warm_up)
    for key in ("a", "b", "c", "d", "a", "e", "a", "b"):  # "e" is one too many, and "b" was used least lately
        with cache.taken(key):
            pass
    assert maker.made == ["a", "b", "c", "d", "e", "b"]


def test_a_worker_is_with_one_thread_at_a_time() -> None:
    cache = ShapeCache(Maker(2), _warm_up)
    busy: list[int] = []
    most, lock = 0, threading.Lock()

    def work() -> None:
        nonlocal most
        for _ in range(50):
            with cache.taken("a") as worker:
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
    cache = ShapeCache(Maker(1), _warm_up)
    with pytest.raises(ValueError, match="broken"), cache.taken("a"):
        raise ValueError("broken")
    with cache.taken("a") as worker:
        assert worker == ["a"]


def test_what_could_not_be_made_is_tried_again() -> None:
    tries = 0

    def make(_: str) -> list[Callable[[], str]]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise MemoryError
        return [lambda: "worker"]

    cache = ShapeCache(make, _warm_up)
    with pytest.raises(MemoryError), cache.taken("a"):
        pass
    with cache.taken("a") as worker:
        assert worker == "worker"


def test_a_cleared_cache_makes_anew() -> None:
    maker = Maker(1)
    cache = ShapeCache(maker, _warm_up)
    for _ in range(2):
        with cache.taken("a"):
            pass
        cache.clear()
    assert maker.made == ["a", "a"]


def test_every_worker_runs_once_before_it_is_lent_and_the_slowest_time_is_returned() -> None:
    ran: list[object] = []

    def warm_up(_: str, worker: object) -> None:
        ran.append(worker)
        time.sleep(0.05 if len(ran) == 2 else 0.0)

    cache = ShapeCache(Maker(3), warm_up)
    assert cache.prepare("a") >= 0.05
    assert len({id(worker) for worker in ran}) == 3
    with cache.taken("a") as worker:
        assert any(worker is each for each in ran)
    assert cache.prepare("a") >= 0.05
    assert len(ran) == 3


def test_one_key_is_prepared_at_a_time_and_ready_ones_do_not_wait() -> None:
    begun, go_on = threading.Event(), threading.Event()
    now, most = 0, 0

    def warm_up(key: str, _: object) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if key == "slow":
            begun.set()
            assert go_on.wait(20)
        now -= 1

    cache = ShapeCache(Maker(1), warm_up)
    cache.prepare("ready")
    threads = [threading.Thread(target=cache.prepare, args=(key,)) for key in ("slow", "slow", "other")]
    for thread in threads:
        thread.start()
    assert begun.wait(20)
    with cache.taken("ready") as worker:
        assert worker == ["ready"]
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert most == 1


OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 1 GiB"


class Card:
    """A GPU whose memory holds so many workers; each of them holds its part until it is let go of."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.held: list[str] = []

    def makers(self, key: str) -> list[Callable[[], "_OnCard"]]:
        return [lambda: _OnCard(self, key)] * 2


class _OnCard:
    def __init__(self, card: Card, key: str) -> None:
        if len(card.held) >= card.room:
            raise RuntimeError(OUT_OF_MEMORY)
        self.key = key
        card.held.append(key)
        weakref.finalize(self, card.held.remove, key)


def test_without_memory_other_keys_go_first() -> None:
    card = Card(5)
    cache = ShapeCache(card.makers, _warm_up)
    for key in "abab":
        cache.prepare(key)
    assert sorted(card.held) == ["a", "a", "b", "b"]
    cache.prepare("c")
    assert sorted(card.held) == ["b", "b", "c", "c"], "the one that was used least lately"
    cache.prepare("a")
    assert sorted(card.held) == ["a", "a", "c", "c"], "it fits again: nothing sticks to a size"


def test_where_two_do_not_fit_one_is_enough_and_where_none_does_it_is_an_error() -> None:
    card = Card(1)
    cache = ShapeCache(card.makers, _warm_up)
    for key in "ab":
        with cache.taken(key) as worker:
            assert worker.key == key
            del worker
        assert card.held == [key]
    card.room = 0
    with pytest.raises(RuntimeError, match="out of memory"):
        cache.prepare("c")
    assert not card.held


def test_workers_of_all_keys_hold_no_more_than_they_may() -> None:
    freed: list[int] = []
    card = Card(100)
    memory = CacheMemory[_OnCard](lambda _: 10, lambda: 45, lambda: freed.append(len(card.held)))
    cache = ShapeCache(card.makers, _warm_up, memory)
    for key in "abc":
        cache.prepare(key)
    assert sorted(card.held) == ["b", "b", "c", "c"]
    assert freed == [4]


def test_a_worker_at_work_is_waited_for_when_its_memory_is_wanted() -> None:
    card = Card(2)
    cache = ShapeCache(card.makers, _warm_up)
    at_work, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with cache.taken("a"):
            at_work.set()
            assert go_on.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    assert at_work.wait(20)
    preparing = threading.Thread(target=cache.prepare, args=("b",))
    preparing.start()
    time.sleep(0.05)
    go_on.set()
    thread.join(20)
    preparing.join(20)
    assert sorted(card.held) == ["b", "b"]


def test_who_waits_for_a_worker_of_a_key_that_is_dropped_gets_a_new_one() -> None:
    maker = Maker(1)
    cache = ShapeCache(maker, _warm_up)
    with cache.taken("a"):
        waiting = threading.Thread(target=lambda: _take(cache, "a"))
        waiting.start()
        dropping = threading.Thread(target=cache.drop_oldest)
        dropping.start()
        time.sleep(0.05)
    waiting.join(20)
    dropping.join(20)
    assert not waiting.is_alive()
    assert not cache.drop_oldest() or maker.made


def _take(cache: ShapeCache[str, list[str]], key: str) -> None:
    with cache.taken(key) as worker:
        assert worker == [key]


def test_what_was_lent_without_being_prepared_can_be_dropped() -> None:
    made: list[str] = []

    def make(key: str) -> list[Callable[[], str]]:
        made.append(key)
        return [lambda: key]

    cache: ShapeCache[str, str] = ShapeCache(make, lambda *_: None)
    cache.prepare("often")
    for key in ("once", "often"):
        with cache.taken(key):
            pass
    assert (cache.was_prepared("often"), cache.was_prepared("once")) == (True, False)
    cache.drop_unprepared()
    for key in ("often", "once"):
        with cache.taken(key):
            pass
    assert made == ["often", "once", "once"]
