"""Tests of the catalogue: order, names, blends, lists, and paths instead of names.

Must not need an engine; weights files are made here and hold no network.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import make_catalogue
from style_files import IDENTITY, VECTOR_SIZE, write_header, write_network, write_style

from neural_style.weights import SAVED_MODELS
from realtime import style_catalogue as styles
from realtime.errors import StyleError
from realtime.style import Style
from realtime.style_catalogue import Catalogue, load_catalogue, open_style_list, open_styles

ROOT = Path(__file__).resolve().parents[2]
needs_saved_models = pytest.mark.skipif(
    not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no styles"
)


def _names(catalogue: Catalogue) -> list[str]:
    return list(catalogue.names)


def _refusal(style: str) -> str:
    """The one line with which a style is refused."""
    with pytest.raises(StyleError) as refused:
        open_styles(style)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network of three styles, one style of the user, one that lost its network, and a network of one style."""
    write_network(tmp_path / "fast.safetensors", ["candy", "mosaic", "udnie"])
    write_style(tmp_path / "mine.safetensors", "mine", 11)
    write_style(tmp_path / "lost.safetensors", "lost", 12, trunk="gone.safetensors")
    write_header(tmp_path / "wave.safetensors", ["wave"], "transformer")
    monkeypatch.setattr(styles, "load_catalogue", lambda network="fast": load_catalogue(tmp_path))
    return tmp_path


def test_fast_comes_first_and_the_rest_by_name(tmp_path: Path) -> None:
    write_header(tmp_path / "aquarelle.safetensors", ["aquarelle"], "transformer")
    write_network(tmp_path / "fast.safetensors", ["candy", "mosaic"], content_hash="abc")
    write_header(tmp_path / "zebra.safetensors", ["zebra"], "transformer")
    (tmp_path / "fast.onnx").touch()
    catalogue = load_catalogue(tmp_path)
    assert _names(catalogue) == ["candy", "mosaic", "aquarelle", "zebra"]
    assert len(catalogue) == 4
    fast = tmp_path / "fast.safetensors"
    assert catalogue.styles[1] == Style("mosaic", "fast", fast, tmp_path / "fast.onnx", "abc")
    assert catalogue.styles[2].model_file is None
    assert catalogue.styles[3].family == "transformer"


def test_a_new_style_joins_the_others_and_changes_none(tmp_path: Path) -> None:
    write_network(tmp_path / "fast.safetensors", ["candy", "mosaic"])
    before = load_catalogue(tmp_path).styles
    write_style(tmp_path / "a_new_one.safetensors", "a_new_one", 11)
    after = load_catalogue(tmp_path)
    assert after.styles[:2] == before
    assert _names(after) == ["candy", "mosaic", "a_new_one"]


@pytest.mark.usefixtures("folder")
def test_a_style_that_lost_its_network_is_listed_last_and_hurts_no_other() -> None:
    catalogue, first = open_styles("mine")
    assert _names(catalogue) == ["candy", "mosaic", "udnie", "mine", "wave", "lost"]
    assert first == 3
    assert [bool(style.fault) for style in catalogue.styles] == [False] * 5 + [True]
    assert _names(catalogue.runnable_by("torch", "mine")) == ["candy", "mosaic", "udnie", "mine", "wave"]
    assert "gone.safetensors, which is missing" in _refusal("lost")


def test_a_file_that_lost_its_network_is_refused(folder: Path) -> None:
    assert "gone.safetensors, which is missing" in _refusal(str(folder / "lost.safetensors"))


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
    write_network(tmp_path / "a.safetensors", ["candy"])
    write_network(tmp_path / "b.safetensors", ["mosaic", "candy"])
    with pytest.raises(StyleError, match=r"'candy'.*two files"):
        load_catalogue(tmp_path)


def test_an_empty_folder_says_how_to_get_a_style(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match=r"holds no style; train one with train_style\.py"):
        load_catalogue(tmp_path)


BLENDS = [
    ("candy:0.6+udnie:0.4", "candy:0.6+udnie:0.4", 0.6 * 1 + 0.4 * 3),
    ("candy:3+udnie:2", "candy:0.6+udnie:0.4", 0.6 * 1 + 0.4 * 3),
    ("candy+udnie", "candy:0.5+udnie:0.5", 2),
    (" candy : 1 + udnie", "candy:0.5+udnie:0.5", 2),
    ("candy+mosaic+udnie", "candy:0.333+mosaic:0.333+udnie:0.333", 2),
    ("candy:1e300+udnie:1e300", "candy:0.5+udnie:0.5", 2),
    ("mosaic+mine", "mosaic:0.5+mine:0.5", 6.5),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("text", "name", "value"), BLENDS)
def test_a_blend_is_the_weighted_mean_of_its_parts(text: str, name: str, value: float) -> None:
    catalogue, place = open_styles(text)
    blend = catalogue.styles[place]
    assert blend.name == name
    assert blend.vector is not None
    assert blend.identity is not None
    assert blend.vector.dtype == "float32"
    assert blend.vector.tolist() == pytest.approx([value] * VECTOR_SIZE)
    assert blend.identity.tolist() == IDENTITY
    assert blend.parts == tuple(part.split(":")[0] for part in name.split("+"))


def test_a_blend_comes_last_and_runs_with_the_files_of_its_network(folder: Path) -> None:
    plain = load_catalogue(folder)
    catalogue, place = open_styles("mine+candy")
    assert catalogue.styles[:-1] == plain.styles
    assert place == len(catalogue) - 1 == len(plain)
    blend = catalogue.styles[place]
    assert (blend.checkpoint, blend.content_hash) == (folder / "fast.safetensors", "content")
    assert (blend.file, blend.fault) == (None, "")
    assert catalogue.runnable_by("torch", blend.name).names[-1] == blend.name


BAD_BLENDS = [
    ("candy:0+udnie:1", ["'0'", "of candy", "above 0"]),
    ("candy:-1+udnie:2", ["'-1'", "above 0"]),
    ("candy:nan+udnie:2", ["'nan'", "above 0"]),
    ("candy+udnie:inf", ["'inf'", "of udnie"]),
    ("candy:lots+udnie", ["'lots'", "a:0.6+b:0.4"]),
    ("candy:+udnie", ["''", "above 0"]),
    ("candy:0.5", ["one part", "--strength"]),
    ("candi:0.5+udnie:0.5", ["'candi'", "did you mean candy?"]),
    ("candy+", ["blend 'candy+'", "is missing"]),
    ("+", ["blend '+'", "is missing"]),
    ("candy+wave", ["wave is a network of its own"]),
    ("wave+candy", ["wave is a network of its own"]),
    ("candy+lost", ["gone.safetensors, which is missing"]),
    ("candy,udnie", ["several where one is wanted", "candy+udnie"]),
    ("all", ["several where one is wanted", "candy"]),
    ("candy+udnie,mosaic", ["several where one is wanted"]),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("text", "parts"), BAD_BLENDS, ids=[text for text, _ in BAD_BLENDS])
def test_what_is_no_style_nor_blend_is_refused_in_one_line(text: str, parts: list[str]) -> None:
    message = _refusal(text)
    for part in parts:
        assert part in message


def test_parts_in_two_networks_are_refused_by_their_files(folder: Path) -> None:
    write_network(folder / "second.safetensors", ["birds"])
    message = _refusal("candy+birds")
    assert f"candy is in {folder / 'fast.safetensors'}" in message
    assert f"birds in {folder / 'second.safetensors'}" in message


@pytest.mark.usefixtures("folder")
def test_a_list_gives_the_places_in_the_order_asked_for() -> None:
    catalogue, places = open_style_list("udnie, candy+mosaic,mine,candy:1+mosaic:1")
    assert [catalogue.names[place] for place in places] == [
        "udnie",
        "candy:0.5+mosaic:0.5",
        "mine",
        "candy:0.5+mosaic:0.5",
    ]
    assert len(set(catalogue.names)) == len(catalogue)


@pytest.mark.usefixtures("folder")
def test_all_is_every_style_that_can_be_used() -> None:
    catalogue, places = open_style_list("all")
    assert [catalogue.names[place] for place in places] == ["candy", "mosaic", "udnie", "mine", "wave"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("text", ["", ",", "candy,", "candy,candi", "candy,lost", "candy,nowhere.pth"])
def test_one_bad_name_in_a_list_is_an_error(text: str) -> None:
    with pytest.raises(StyleError):
        open_style_list(text)


def test_a_path_is_the_whole_catalogue(folder: Path) -> None:
    for text, names in (
        (folder / "fast.safetensors", ["candy", "mosaic", "udnie"]),
        (folder / "mine.safetensors", ["mine"]),
    ):
        catalogue, first = open_styles(str(text))
        assert (_names(catalogue), first) == (names, 0)
        assert open_style_list(str(text)) == (catalogue, [0])
        assert catalogue.styles[0].checkpoint == folder / "fast.safetensors"


@pytest.mark.parametrize("name", ["a,b.pth", "a:b.pth", "a+b.pth"])
def test_a_path_may_hold_what_a_name_may_not(tmp_path: Path, name: str) -> None:
    if sys.platform == "win32" and ":" in name:
        pytest.skip("Windows has no such file names")
    (tmp_path / name).touch()
    assert _names(open_styles(str(tmp_path / name))[0]) == [name.removesuffix(".pth")]


def test_a_path_of_windows_is_no_blend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(styles, "load_catalogue", lambda network="fast": make_catalogue("candy"))
    assert "no such file" in _refusal(r"C:\styles\mine.safetensors")


@needs_saved_models
def test_an_onnx_path_is_the_whole_catalogue() -> None:
    model_file = SAVED_MODELS / "fast.onnx"
    catalogue, first = open_styles(str(model_file))
    assert first == 0
    assert len(catalogue) >= 4
    assert all(style.model_file == model_file and style.checkpoint is None for style in catalogue.styles)
    assert {style.content_hash for style in catalogue.styles} == {load_catalogue().styles[0].content_hash}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".onnx"])
def test_a_missing_file_offers_the_names(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "realtime.style_catalogue.load_catalogue", lambda network="fast": make_catalogue("candy", "mosaic")
    )
    message = _refusal(f"nowhere/mine{suffix}")
    assert f"nowhere/mine{suffix}" in message
    assert "candy, mosaic" in message


def test_a_suffix_in_capitals_means_the_same(tmp_path: Path) -> None:
    path = write_network(tmp_path / "MINE.SAFETENSORS", ["one", "two"])
    assert _names(open_styles(str(path))[0]) == ["one", "two"]


@needs_saved_models
def test_the_styles_that_come_along_are_those_of_the_public_example() -> None:
    catalogue, first = open_styles("mosaic")
    assert {"candy", "mosaic", "rain_princess", "udnie"} <= set(catalogue.names)
    assert catalogue.styles[first].name == "mosaic"


@needs_saved_models
def test_starting_does_not_import_torch() -> None:
    program = """
import json, sys
import realtime.live_session
from realtime.options import EngineOptions
from realtime.engines import open_engine
catalogue, first = realtime.live_session.open_styles("candy:0.6+udnie:0.4")
engine = open_engine(catalogue, EngineOptions(engine="onnx"), first)
print(json.dumps([engine.info.engine, "torch" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["onnx", False]
    assert done.stderr == ""


def test_only_styles_that_the_engine_can_run_are_offered() -> None:
    both = Style("both", "fast", Path("a.safetensors"), Path("a.onnx"), "")
    new = Style("new", "fast", Path("b.safetensors"), None, "")
    catalogue = Catalogue((both, new))
    assert catalogue.runnable_by("torch", "new").names == ("both", "new")
    assert catalogue.runnable_by("onnx", "both").names == ("both",)
    with pytest.raises(StyleError, match="has no model file"):
        catalogue.runnable_by("onnx", "new")


def test_what_is_there_and_no_style_is_named_without_the_list(folder: Path) -> None:
    (folder / "notes.txt").write_text("words", encoding="utf-8")
    assert _refusal(str(folder)).startswith(f"style {folder}: is a folder; run_webcam.py --styles-dir {folder} makes")
    message = _refusal(str(folder / "notes.txt"))
    assert "notes.txt: is neither an image (.jpg" in message
    assert "udnie" not in message
    assert len(open_style_list("+".join([f"candy:0.{'1' * 40}"] * 8))[1]) == 1  # longer than a file's name may be


@pytest.mark.usefixtures("folder")
def test_a_name_that_is_missing_is_said() -> None:
    assert "style '': a name is missing; write" in _refusal("")
