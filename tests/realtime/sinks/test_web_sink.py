"""Tests of the web page as a sink, without a viewer."""

import sys
from typing import Any

import pytest
from fakes import IdentityEngine, make_stylized, solid
from web_page import LOOK, WebPage, colours

from neural_style.errors import MissingPackageError
from realtime.controls import Controls
from realtime.errors import EngineError
from realtime.options import WebOptions
from realtime.sinks.web import WebSink


def test_it_is_not_watched_before_somebody_comes() -> None:
    page = WebPage()
    assert not page.sink.watched
    assert page.ask("GET", "/api/state").json["viewers"] == 0
    page.close()
    assert not WebSink(WebOptions(port=0), IdentityEngine(), colours(), LOOK).watched


def test_an_engine_that_failed_senders_ends_the_run() -> None:
    sink = WebSink(WebOptions(port=0), IdentityEngine(), colours(), LOOK)
    sink.open("a grey wall", Controls(colours(), 0, LOOK), lambda _: None)
    assert sink._server is not None
    sink.write(make_stylized(solid((1, 2, 3))))
    sink._server.threads.fail(EngineError("hangs"))
    with pytest.raises(EngineError, match="hangs"):
        sink.write(make_stylized(solid((1, 2, 3))))
    sink.close()


def test_it_closes_twice_and_when_it_was_never_opened() -> None:
    page = WebPage()
    page.close()
    assert page.sink.close() == ""
    assert WebSink(WebOptions(port=0), IdentityEngine(), colours(), LOOK).abandon() == ""


def test_without_its_packages_the_command_to_install_them_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "uvicorn", missing)
    monkeypatch.delitem(sys.modules, "realtime.web.server")
    monkeypatch.delattr("realtime.web.server")
    with pytest.raises(MissingPackageError, match=r"pip install -r requirements.txt"):
        WebSink(WebOptions(port=0), IdentityEngine(), colours(), LOOK)
