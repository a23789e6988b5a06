"""Tests of keeping the style of an image: what is written is a style for PyTorch and for the catalogue."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neural_style.networks.fast_net import FastNet
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import load_checkpoint
from realtime.controls import Action, Controls
from realtime.errors import StyleError
from realtime.options import LookOptions
from realtime.style import Style
from realtime.style_catalogue import load_catalogue
from realtime.style_keeper import StyleKeeper, keep_style


@pytest.fixture
def rust(tmp_path: Path) -> Style:
    shutil.copy(SAVED_MODELS / "fast.safetensors", tmp_path)
    like = load_catalogue(tmp_path).styles[0]
    assert like.vector is not None
    return replace(like, name="rust", vector=like.vector * np.float32(0.5), file=Path("somewhere/rust.jpg"))


def test_a_kept_style_is_found_by_its_name(rust: Style) -> None:
    path = keep_style(rust)
    catalogue = load_catalogue(path.parent)
    kept = catalogue.styles[catalogue.index_of("rust")]
    assert (path.name, kept.fault, kept.file) == ("rust.safetensors", "", path)
    np.testing.assert_array_equal(kept.vector, rust.vector)
    network = load_checkpoint(path)
    assert isinstance(network, FastNet)
    assert network.style_names == ("rust",)
    np.testing.assert_array_equal(network.style_vectors[0].numpy(), rust.vector)


@pytest.mark.parametrize(
    ("stem", "names"),
    [
        ("rust", ["rust", "rust_2", "rust_3"]),
        ("candy", ["candy_2", "candy_3"]),
        ("fast", ["fast_2"]),
        ("Mona Lisa, um 1503", ["Mona_Lisa_um_1503"]),
        ("名画", ["style", "style_2"]),
    ],
)
def test_names_are_valid_and_numbered_where_they_are_taken(rust: Style, stem: str, names: list[str]) -> None:
    kept = [keep_style(replace(rust, file=Path(f"{stem}.png"))).stem for _ in names]
    assert kept == names


def test_only_styles_of_images_are_kept(rust: Style) -> None:
    for other in (replace(rust, file=None), replace(rust, file=Path("mine.safetensors"))):
        with pytest.raises(StyleError, match="is none of an image"):
            keep_style(other)


def test_a_key_keeps_the_current_style_and_says_where(rust: Style) -> None:
    assert rust.checkpoint is not None
    catalogue, said = load_catalogue(rust.checkpoint.parent), list[str]()
    catalogue.put(rust)
    controls = Controls(catalogue, 0, LookOptions())
    keeper = StyleKeeper(controls, said.append)
    assert keeper.hear(Action.NEXT_STYLE) == ""
    assert "is none of an image" in keeper.hear(Action.KEEP_STYLE)
    controls.apply(Action.PREVIOUS_STYLE)
    line = keeper.hear(Action.KEEP_STYLE)
    path = rust.checkpoint.with_name("rust.safetensors")
    assert line == said[-1] == f"wrote {path}: --style rust finds it"
    assert path.is_file()
    assert keeper.commands() == []


def test_a_folder_that_is_gone_ends_no_show(rust: Style) -> None:
    assert rust.checkpoint is not None
    catalogue, said = load_catalogue(rust.checkpoint.parent), list[str]()
    catalogue.put(rust)
    keeper = StyleKeeper(Controls(catalogue, len(catalogue) - 1, LookOptions()), said.append)
    shutil.rmtree(rust.checkpoint.parent)
    keeper.hear(Action.KEEP_STYLE)
    assert len(said) == 1
