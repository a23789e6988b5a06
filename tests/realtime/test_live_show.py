"""Tests of what is refused of a show, and of how its parts are put together."""

import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeSource, IdentityEngine, make_catalogue

from realtime import live_show
from realtime.controls import Controls
from realtime.errors import OptionError, StyleError
from realtime.live_show import check_show, fine_catalogue, hold_rate, make_exhibition, open_refiner, with_switching
from realtime.options import LookOptions, RunOptions, SinkName, WebOptions
from realtime.show_options import ShowOptions

CATALOGUE = make_catalogue("a", "b", "c", identity=0.0)
VIDEO = Path("show.mp4")


@pytest.mark.parametrize(
    ("options", "sinks", "reason"),
    [
        (RunOptions(show=ShowOptions(kiosk=2.0)), ("web",), "kiosk 2: needs a window, got --sink web"),
        (RunOptions(show=ShowOptions(qr=True)), ("window",), "qr: .* add --sink window --sink web"),
        (RunOptions(show=ShowOptions(qr=True)), ("web",), "qr: .* add --sink window --sink web"),
        (RunOptions(unpaced=True, show=ShowOptions(fps=30)), ("null",), "fps 30: not with --unpaced"),
        (RunOptions(unpaced=True, show=ShowOptions(record_input=VIDEO)), ("null",), "record-input show.mp4: not with"),
        (RunOptions(record=VIDEO, show=ShowOptions(record_input=VIDEO)), ("null",), "choose two names"),
        (RunOptions(web=WebOptions(open_stage=True)), ("null",), "open-stage: is of the web page; add --sink web"),
        (RunOptions(unpaced=True, show=ShowOptions(refine=True)), ("null",), "refine: not with --unpaced"),
        (RunOptions(show=ShowOptions(refine=True, fps=30)), ("null",), "with --fps 30 add --network fast or fine"),
    ],
)
def test_what_cannot_be_shown_is_refused(options: RunOptions, sinks: tuple[SinkName, ...], reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        check_show(options, sinks)


def test_what_can_be_shown_is_not_refused() -> None:
    show = ShowOptions(kiosk=2.0, qr=True, fps=30, record_input=VIDEO, cycle=5.0, cycle_styles="a,b", osc="0")
    check_show(RunOptions(show=show), ("window", "web"))


def test_the_styles_of_a_cycle_are_looked_up_before_it_begins() -> None:
    controls = Controls(CATALOGUE, 0, LookOptions())
    exhibition = make_exhibition(ShowOptions(cycle=5.0, cycle_styles="b, a+c"), controls, CATALOGUE)
    assert list(exhibition._styles()) == ["b", "a:0.5+c:0.5"]
    with pytest.raises(StyleError, match="did you mean"):
        make_exhibition(ShowOptions(cycle=5.0, cycle_styles="b,aa"), controls, CATALOGUE)


def test_both_networks_are_there_only_where_a_rate_is_held_by_either() -> None:
    show = ShowOptions(fps=30)
    assert fine_catalogue(RunOptions()) is None
    assert fine_catalogue(RunOptions(network="fast", show=show)) is None
    found = fine_catalogue(RunOptions(show=show))
    assert found is not None
    assert {style.network for style in found.styles} == {"fine"}


def test_no_more_than_the_sources_rate_is_held() -> None:
    networks, source, said = {"fast": CATALOGUE}, FakeSource(), list[str]()
    assert hold_rate(IdentityEngine(), networks, RunOptions(), source, said.append) is None
    held = hold_rate(IdentityEngine(), networks, RunOptions(show=ShowOptions(fps=60)), source, said.append)
    assert held is not None
    assert held._rate_fps == source.info.rate_fps == 30
    assert said == ["fps 60: the source gives 30 frames a second, and no more are shown"]


@pytest.mark.parametrize(
    ("source", "is_default", "device"),
    [(None, True, "/dev/video0"), ("2", False, "/dev/video2"), ("/dev/video4", False, "/dev/video4")],
)
def test_the_next_camera_follows_the_one_that_was_opened(
    monkeypatch: pytest.MonkeyPatch, source: str | None, is_default: bool, device: str
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    options = RunOptions(source=source)
    made = with_switching(FakeSource(), options, is_default, lambda _: FakeSource(), lambda _: None)
    assert made._device == device


def test_styles_are_refined_where_it_was_asked_for_or_is_known_to_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    controls, said = Controls(CATALOGUE, 0, LookOptions()), list[str]()

    def refines(is_known: bool, unpaced: bool = False, **show: Any) -> bool:
        monkeypatch.setattr(live_show, "can_better_much", lambda _: is_known)
        options = RunOptions(unpaced=unpaced, show=ShowOptions(**show))
        return open_refiner(options, controls, said.append) is not None

    assert not refines(False)
    assert refines(True)
    assert not refines(True, unpaced=True)
    assert not refines(True, refine=False)
    assert refines(False, refine=True)
    assert refines(False, refine_weights=Path(__file__))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"styles_dir": Path("nowhere")}, "styles-dir nowhere: is no folder"),
        ({"refine_weights": Path("nowhere.pth")}, "refine-weights nowhere.pth: no such file"),
        ({"refine_weights": Path(__file__), "refine": False}, "not with --no-refine"),
    ],
)
def test_a_folder_and_weights_must_be_there(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        ShowOptions(**options)
