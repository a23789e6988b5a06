import os
import time
from collections.abc import Iterator

import pytest

from realtime.errors import EngineError, OptionError
from speed.processes import RemoteObject


class Adder:
    """What runs in the other process."""

    def __init__(self, first: int) -> None:
        if first < 0:
            raise OptionError(f"first {first}: must be 0 or more")
        self._sum = first

    def add(self, number: int) -> int:
        if number > 100:
            raise OptionError(f"number {number}: must be 100 or less")
        self._sum += number
        return self._sum

    def process_id(self) -> int:
        return os.getpid()

    def die(self) -> None:
        os._exit(9)

    def hang(self) -> None:
        time.sleep(60)


@pytest.fixture
def adder() -> Iterator[RemoteObject]:
    remote = RemoteObject("adder", Adder, 5)
    yield remote
    remote.close()


def test_answers_come_from_another_process(adder: RemoteObject) -> None:
    assert adder.ask("add", 3) == 8
    assert adder.ask("add", 4) == 12
    assert adder.ask("process_id") != os.getpid()


def test_an_error_of_a_method_is_raised_here_and_the_process_lives_on(adder: RemoteObject) -> None:
    with pytest.raises(OptionError, match="number 101: must be 100 or less"):
        adder.ask("add", 101)
    assert adder.ask("add", 1) == 6


def test_an_error_of_the_making_is_raised_here() -> None:
    with pytest.raises(OptionError, match="first -1"):
        RemoteObject("adder", Adder, -1)


def test_a_process_that_dies_is_named(adder: RemoteObject) -> None:
    with pytest.raises(EngineError, match=r"adder: its process ended \(status 9\)"):
        adder.ask("die")
    with pytest.raises(EngineError, match="adder"):
        adder.ask("add", 1)


@pytest.mark.slow
def test_a_process_that_hangs_is_an_error_and_is_ended(adder: RemoteObject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speed.processes._ANSWER_S", 1.0)
    number = adder.ask("process_id")
    with pytest.raises(EngineError, match=r"adder: did not answer within 1 s"):
        adder.ask("hang")
    adder.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
