"""Tests of which connections are let in: without a network."""

import pytest

from realtime.web import door
from realtime.web.door import Door, Guest, network_of


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_OF_ADDRESS", 3)
    monkeypatch.setattr(door, "MAX_CONNECTIONS", 6)


def _enter(entered: Door, address: str, dropped: list[Guest]) -> Guest:
    guest = entered.enter(address)
    assert guest is not None
    guest.drop = lambda: dropped.append(guest)
    return guest


@pytest.mark.usefixtures("few")
def test_of_an_address_the_one_that_has_only_waited_longest_makes_room() -> None:
    entered, dropped = Door(), list[Guest]()
    guests = [_enter(entered, "10.0.0.1", dropped) for _ in range(3)]
    guests[0].waits = False
    _enter(entered, "10.0.0.1", dropped)
    assert dropped == [guests[1]], "not the one that is answered"
    others = [_enter(entered, "10.0.0.2", dropped) for _ in range(2)]
    assert len(dropped) == 1, "others are not concerned"
    entered.leave(others[0])


@pytest.mark.usefixtures("few")
def test_an_address_that_is_answered_everywhere_gets_no_more() -> None:
    entered, dropped = Door(), list[Guest]()
    for _ in range(3):
        _enter(entered, "10.0.0.1", dropped).waits = False
    assert entered.enter("10.0.0.1") is None
    assert entered.enter("10.0.0.2") is not None


@pytest.mark.usefixtures("few")
def test_of_too_many_in_all_one_of_the_address_with_the_most_makes_room() -> None:
    entered, dropped = Door(), list[Guest]()
    single = _enter(entered, "10.0.0.1", dropped)
    crowd = [_enter(entered, "10.0.0.2", dropped) for _ in range(3)]
    for number in range(3, 6):
        _enter(entered, f"10.0.0.{number}", dropped)
    assert dropped == [crowd[0]]
    for guest in crowd:
        guest.waits = False
    _enter(entered, "10.0.0.9", dropped)
    assert dropped == [crowd[0], crowd[1]], "also one that is answered: it may read its answer slowly"
    assert single not in dropped


def test_a_household_is_one_address() -> None:
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of("somewhere") == "somewhere"
