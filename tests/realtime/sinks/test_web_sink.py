"""Tests of the web page as a sink, without a viewer.

Must not need a browser or a network.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import IdentityEngine
from web_page import LOOK, WebPage, colours

from realtime.errors import MissingPackageError
from realtime.options import WebOptions
from realtime.sinks.web import WebSink


@pytest.fixture
def lonely() -> Iterator[WebPage]:
    page = WebPage(alone=True)
    yield page
    page.close()


def test_while_nobody_watches_five_frames_a_second_are_taken(lonely: WebPage) -> None:
    time.sleep(1.2)
    assert 2 <= lonely.written <= 9
    assert lonely.ask("GET", "/api/state").json["viewers"] == 0


def test_it_closes_twice_and_when_it_was_never_opened() -> None:
    page = WebPage()
    page.close()
    assert page.sink.close() == ""
    assert WebSink(WebOptions(port=0), IdentityEngine(), colours(), LOOK).abandon() == ""


def test_without_its_packages_the_command_to_install_them_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "realtime.web.server", missing)
    monkeypatch.delattr("realtime.web.server")
    with pytest.raises(MissingPackageError, match=r"pip install -r requirements.txt"):
        WebSink(WebOptions(port=0), IdentityEngine(), colours(), LOOK)
