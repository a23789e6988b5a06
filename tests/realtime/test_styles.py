"""Tests of the catalogue: order, names, damaged files, and paths instead of names.

Must not need an engine; weights files are made here and hold headers only.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import make_catalogue
from safetensors.numpy import save_file

from realtime.errors import StyleError
from realtime.styles import SAVED_MODELS, Catalogue, Style, load_catalogue, open_styles

ROOT = Path(__file__).resolve().parents[2]
needs_saved_models = pytest.mark.skipif(
    not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no styles"
)


def _write_weights(path: Path, styles: str, family: str = "fast", **header: str) -> Path:
    save_file({"weight": np.zeros(1, np.float32)}, str(path), {"styles": styles, "family": family, **header})
    return path


def _names(catalogue: Catalogue) -> list[str]:
    return list(catalogue.names)


def test_fast_comes_first_and_the_rest_by_name(tmp_path: Path) -> None:
    _write_weights(tmp_path / "aquarelle.safetensors", '["aquarelle"]', "transformer")
    _write_weights(tmp_path / "fast.safetensors", '["candy", "mosaic"]', content_hash="abc")
    _write_weights(tmp_path / "zebra.safetensors", '["zebra"]', "transformer")
    (tmp_path / "fast.onnx").touch()
    catalogue = load_catalogue(tmp_path)
    assert _names(catalogue) == ["candy", "mosaic", "aquarelle", "zebra"]
    assert len(catalogue) == 4
    fast = tmp_path / "fast.safetensors"
    assert catalogue.styles[1] == Style("mosaic", "fast", 1, fast, tmp_path / "fast.onnx", "abc")
    assert catalogue.styles[2].model_file is None
    assert (catalogue.styles[3].family, catalogue.styles[3].index) == ("transformer", 0)


def test_index_finds_a_style_by_name() -> None:
    assert make_catalogue("candy", "mosaic").index_of("mosaic") == 1


@pytest.mark.parametrize(("name", "closest"), [("candi", "candy"), ("CANDY", "candy"), ("starry", "starry_night")])
def test_an_unknown_style_offers_the_closest(name: str, closest: str) -> None:
    catalogue = make_catalogue("candy", "mosaic", "starry_night")
    with pytest.raises(StyleError) as refused:
        catalogue.index_of(name)
    assert repr(name) in str(refused.value)
    assert f"did you mean {closest}?" in str(refused.value)
    assert "available: candy, mosaic, starry_night" in str(refused.value)


def test_a_name_like_no_other_gets_the_list_only() -> None:
    with pytest.raises(StyleError) as refused:
        make_catalogue("candy", "mosaic").index_of("xxxxxxxx")
    assert "did you mean" not in str(refused.value)
    assert "available: candy, mosaic" in str(refused.value)


def test_two_styles_of_one_name_are_refused(tmp_path: Path) -> None:
    _write_weights(tmp_path / "a.safetensors", '["candy"]')
    _write_weights(tmp_path / "b.safetensors", '["mosaic", "candy"]')
    with pytest.raises(StyleError, match=r"'candy'.*two files"):
        load_catalogue(tmp_path)


def test_an_empty_folder_says_how_to_get_a_style(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match=r"holds no style; train one with train_style\.py"):
        load_catalogue(tmp_path)


def _write_damaged(path: Path, what: str) -> None:
    if what == "text":
        path.write_text("these are no weights")
    elif what == "empty":
        path.touch()
    elif what == "cut":
        whole = _write_weights(path, '["candy"]').read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif what == "foreign":
        save_file({"weight": np.zeros(1, np.float32)}, str(path))
    else:
        _write_weights(path, what)


@pytest.mark.parametrize(
    "what",
    [
        "text",
        "empty",
        "cut",
        "foreign",
        "not json",
        pytest.param("5"),
        pytest.param("[]"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "bad.safetensors"
    _write_damaged(path, what)
    with pytest.raises(StyleError) as refused:
        open_styles(str(path))
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_safetensors_path_is_the_whole_catalogue(tmp_path: Path) -> None:
    path = _write_weights(tmp_path / "mine.safetensors", '["one", "two"]')
    catalogue, first = open_styles(str(path))
    assert (_names(catalogue), first) == (["one", "two"], 0)
    assert (catalogue.styles[0].checkpoint, catalogue.styles[0].model_file) == (path, None)


def test_a_pth_path_is_one_style_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rain_princess.pth"
    path.touch()
    catalogue, first = open_styles(str(path))
    assert first == 0
    assert catalogue.styles == (Style("rain_princess", "transformer", 0, path, None, ""),)
    model_file = path.with_suffix(".onnx")
    model_file.touch()
    assert open_styles(str(path))[0].styles[0].model_file == model_file


@needs_saved_models
def test_an_onnx_path_is_the_whole_catalogue() -> None:
    model_file = SAVED_MODELS / "fast.onnx"
    catalogue, first = open_styles(str(model_file))
    assert first == 0
    assert [style.index for style in catalogue.styles] == list(range(len(catalogue)))
    assert all(style.model_file == model_file and style.checkpoint is None for style in catalogue.styles)
    assert {style.content_hash for style in catalogue.styles} == {load_catalogue().styles[0].content_hash}


@pytest.mark.parametrize("content", [b"", b"no protobuf at all", b"\x08\x07"])
def test_a_damaged_onnx_file_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(StyleError) as refused:
        open_styles(str(path))
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".onnx"])
def test_a_missing_file_offers_the_names(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.styles.load_catalogue", lambda: make_catalogue("candy", "mosaic"))
    with pytest.raises(StyleError) as refused:
        open_styles(f"nowhere/mine{suffix}")
    assert f"nowhere/mine{suffix}" in str(refused.value)
    assert "candy, mosaic" in str(refused.value)


def test_a_suffix_in_capitals_means_the_same(tmp_path: Path) -> None:
    path = _write_weights(tmp_path / "MINE.SAFETENSORS", '["one", "two"]')
    assert _names(open_styles(str(path))[0]) == ["one", "two"]


@needs_saved_models
def test_the_styles_that_come_along_are_those_of_the_public_example() -> None:
    catalogue, first = open_styles("mosaic")
    assert catalogue.names[:4] == ("candy", "mosaic", "rain_princess", "udnie")
    assert catalogue.styles[first].name == "mosaic"


@needs_saved_models
def test_starting_imports_neither_torch_nor_onnx() -> None:
    program = """
import json, sys
import run_webcam
from realtime.options import EngineOptions
from realtime.engines import open_engine
catalogue, first = run_webcam.open_styles("candy")
engine = open_engine(catalogue, EngineOptions(engine="onnx"), first)
print(json.dumps([engine.info.engine, sorted({"torch", "onnx"} & set(sys.modules))]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["onnx", []]
    assert done.stderr == ""


def test_only_styles_that_the_engine_can_run_are_offered() -> None:
    both = Style("both", "fast", 0, Path("a.safetensors"), Path("a.onnx"), "")
    new = Style("new", "fast", 0, Path("b.safetensors"), None, "")
    catalogue = Catalogue((both, new))
    assert catalogue.runnable_by("torch", "new").names == ("both", "new")
    assert catalogue.runnable_by("onnx", "both").names == ("both",)
    with pytest.raises(StyleError, match="has no model file"):
        catalogue.runnable_by("onnx", "new")
