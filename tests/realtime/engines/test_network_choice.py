"""Tests of the choice between the two networks for a live source; times are a fake's."""

import math
from functools import partial
from pathlib import Path

import pytest
from fakes import make_catalogue
from style_files import write_network, write_style

from realtime import style_catalogue as styles
from realtime.engines import network_choice
from realtime.engines.autotune import Autotune, Candidate
from realtime.engines.network_choice import choose_live_network
from realtime.engines.protocol import Engine
from realtime.errors import EngineError, StyleError
from realtime.options import EngineOptions
from realtime.sources.protocol import SourceInfo
from realtime.style_catalogue import bound_note, has_network, load_catalogue, open_style_list, open_styles

NAMED = EngineOptions("onnx", "cpu", "int8")
SOURCE = SourceInfo("camera 0", (640, 480), 30.0, can_pause=False)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both networks, in place of the shipped one."""
    for network in ("fast", "fine"):
        write_network(tmp_path / f"{network}.safetensors", ["candy", "mosaic"])
    monkeypatch.setattr(styles, "load_catalogue", partial(load_catalogue, tmp_path))
    monkeypatch.setattr(network_choice, "has_network", lambda network: has_network(network, tmp_path))
    return tmp_path


@pytest.mark.parametrize(("time_ms", "network"), [(10.0, "fine"), (26.6, "fine"), (26.8, "fast"), (math.inf, "fast")])
def test_fine_is_taken_where_the_loop_holds_the_rate_with_it(
    models: Path, monkeypatch: pytest.MonkeyPatch, time_ms: float, network: str
) -> None:
    monkeypatch.setattr(Autotune, "frame_time_ms", lambda *_: time_ms)
    said: list[str] = []
    assert choose_live_network("candy", NAMED, SOURCE, said.append) == (network, NAMED)
    assert bool(said) == (network == "fast" and not math.isinf(time_ms))
    assert all("of the source's 30 frames a second" in line for line in said)


@pytest.mark.parametrize("missing", ["fine.safetensors", None])
def test_what_has_no_fine_network_runs_in_its_own(
    models: Path, monkeypatch: pytest.MonkeyPatch, missing: str | None
) -> None:
    monkeypatch.setattr(Autotune, "frame_time_ms", lambda *_: pytest.fail("nothing to measure"))
    style = "candy"
    if missing:
        (models / missing).unlink()
    else:
        style = str(write_network(models / "own.safetensors", ["other"]))
    assert choose_live_network(style, NAMED, SOURCE, lambda _: None) == ("fast", NAMED)


def test_a_catalogue_has_one_of_the_networks(models: Path) -> None:
    assert {style.network for style in load_catalogue(models).styles} == {"fast"}
    assert {style.network for style in load_catalogue(models, "fine").styles} == {"fine"}
    assert {style.network for style in load_catalogue(models, "auto").styles} == {"fine"}
    assert open_styles("mosaic", "fine")[0].styles[1].network == "fine"
    assert open_style_list("candy,mosaic", "auto")[0].styles[0].network == "fine"
    (models / "fine.safetensors").unlink()
    assert {style.network for style in load_catalogue(models, "auto").styles} == {"fast"}
    with pytest.raises(StyleError, match=r"network fine: there is no .*fine\.safetensors; use --network fast"):
        load_catalogue(models, "fine")


def test_a_time_is_measured_once_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.engines.autotune.cache_path", lambda: tmp_path / "engines.json")
    measured: list[int] = []

    def measure(_: Autotune, candidates: list[Candidate]) -> dict[Candidate, float]:
        measured.append(1)
        return {candidates[0]: 12.345}

    monkeypatch.setattr(Autotune, "_measured", measure)
    style, candidate = make_catalogue("a").styles[0], Candidate("onnx", "int8")

    def cannot(_: Candidate) -> Engine:
        raise EngineError("is a fake")

    for refresh, count in ((False, 1), (False, 1), (True, 2)):
        autotune = Autotune(cannot, style, (64, 48), refresh)
        assert autotune.frame_time_ms(candidate) == pytest.approx(12.345, abs=0.01)
        assert len(measured) == count


def test_a_trained_style_is_blended_in_the_network_that_it_was_made_for(models: Path) -> None:
    write_style(models / "bedroom.safetensors", "bedroom", 11)
    catalogue, places = open_style_list("candy,bedroom+candy,bedroom", "auto")
    assert [catalogue.styles[place].network for place in places] == ["fine", "fast", "fast"]
    assert catalogue.styles[places[1]].vector == pytest.approx(6.0)
    assert bound_note("bedroom+candy") == "network fast: style bedroom was made for it alone"
    assert not bound_note("candy+mosaic")


@pytest.mark.parametrize("style", ["bedroom", "bedroom+candy", "candy,bedroom:0.5+mosaic"])
def test_a_network_that_was_asked_for_is_not_left_for_another(models: Path, style: str) -> None:
    write_style(models / "bedroom.safetensors", "bedroom", 11)
    with pytest.raises(StyleError, match=r"style bedroom: was made for the network fast, .* use --network fast"):
        open_style_list(style, "fine")
    assert open_style_list(style, "fast")[1]


def test_a_style_that_was_kept_of_fine_runs_there(models: Path) -> None:
    write_style(models / "kept.safetensors", "kept", 11, trunk="fine.safetensors")
    catalogue, place = open_styles("kept+candy", "auto")
    assert catalogue.styles[place].network == "fine"
    with pytest.raises(StyleError, match="use --network fine"):
        open_styles("kept", "fast")
