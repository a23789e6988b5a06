"""Tests of reading styles: vectors and identities, styles of their own, damaged files.

Must not need an engine; weights files are made here and hold no network.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from fakes import make_catalogue
from safetensors.numpy import save_file
from style_files import IDENTITY, VECTOR_SIZE, vector, write_header, write_network, write_style

from neural_style.networks.fast_net import FastNet
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import load_checkpoint
from realtime.errors import StyleError
from realtime.style import Style, styles_of_file
from realtime.style_catalogue import load_catalogue

needs_saved_models = pytest.mark.skipif(
    not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no styles"
)


def _refusal(path: Path) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(StyleError) as refused:
        styles_of_file(path)
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_network_gives_a_style_for_each_of_its_vectors(tmp_path: Path) -> None:
    path = write_network(tmp_path / "fast.safetensors", ["candy", "mosaic"], content_hash="abc")
    path.with_suffix(".onnx").touch()
    candy, mosaic = styles_of_file(path)
    assert mosaic == Style("mosaic", "fast", path, path.with_suffix(".onnx"), "abc")
    for style, value in ((candy, 1), (mosaic, 2)):
        assert style.vector is not None
        assert style.identity is not None
        assert style.vector.tolist() == [value] * VECTOR_SIZE
        assert style.identity.tolist() == IDENTITY
        assert style.vector.dtype == style.identity.dtype == np.float32
        assert style.fades_by_vector


def test_the_strength_goes_straight_from_the_identity_to_the_style(tmp_path: Path) -> None:
    style = styles_of_file(write_network(tmp_path / "fast.safetensors", ["candy"]))[0]
    ends = style.vector_at(0.0), style.vector_at(1.0)
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].tolist() == IDENTITY
    assert ends[1].tolist() == [1.0] * VECTOR_SIZE
    quarter = style.vector_at(0.25)
    assert quarter is not None
    assert quarter.dtype == np.float32
    assert quarter.tolist() == pytest.approx([0.75 * value + 0.25 for value in IDENTITY])


def test_both_ends_are_exact_whatever_the_values() -> None:
    values = np.random.default_rng(0).standard_normal((2, 999)).astype(np.float32)
    style = Style("a", "fast", None, None, "", values[0], values[1])
    assert np.array_equal(style.vector_at(1.0), values[0])  # type: ignore[arg-type]
    assert np.array_equal(style.vector_at(0.0), values[1])  # type: ignore[arg-type]


def test_a_style_without_an_identity_has_one_strength() -> None:
    style = make_catalogue("candy", "mosaic").styles[1]
    assert not style.fades_by_vector
    assert style.vector_at(0.3) is style.vector
    transformer = Style("udnie", "transformer", None, None, "")
    assert not transformer.fades_by_vector
    assert transformer.vector_at(0.3) is None


@needs_saved_models
def test_vectors_and_identity_are_those_of_the_network() -> None:
    styles = styles_of_file(SAVED_MODELS / "fast.safetensors")
    network = load_checkpoint(SAVED_MODELS / "fast.safetensors")
    assert isinstance(network, FastNet)
    assert [style.name for style in styles] == list(network.style_names)
    for style, expected in zip(styles, network.style_vectors.numpy(), strict=True):
        assert np.array_equal(style.vector, expected)  # type: ignore[arg-type]
        assert np.array_equal(style.identity, network.identity_vector.numpy())  # type: ignore[arg-type]


@needs_saved_models
def test_a_model_file_has_the_same_styles_as_its_checkpoint() -> None:
    exported, stored = (styles_of_file(SAVED_MODELS / f"fast.{suffix}") for suffix in ("onnx", "safetensors"))
    assert [style.name for style in exported] == [style.name for style in stored]
    for style, expected in zip(exported, stored, strict=True):
        assert (style.model_file, style.checkpoint) == (SAVED_MODELS / "fast.onnx", None)
        assert style.content_hash == expected.content_hash
        np.testing.assert_allclose(style.vector, expected.vector, rtol=1e-6)  # type: ignore[arg-type]
        np.testing.assert_allclose(style.identity, expected.identity, rtol=1e-6)  # type: ignore[arg-type]


def test_a_style_of_its_own_runs_with_the_files_of_its_network(tmp_path: Path) -> None:
    network = write_network(tmp_path / "fast.safetensors", ["candy"], content_hash="abc")
    network.with_suffix(".onnx").touch()
    (mine,) = styles_of_file(write_style(tmp_path / "mine.safetensors", "mine", 9))
    assert mine == Style(
        "mine", "fast", network, network.with_suffix(".onnx"), "abc", file=tmp_path / "mine.safetensors"
    )
    assert mine.vector is not None
    assert mine.identity is not None
    assert mine.vector.tolist() == [9.0] * VECTOR_SIZE
    assert mine.identity.tolist() == IDENTITY


def test_a_style_whose_network_is_missing_says_so(tmp_path: Path) -> None:
    (mine,) = styles_of_file(write_style(tmp_path / "mine.safetensors", "mine", 9))
    assert str(tmp_path / "mine.safetensors") in mine.fault
    assert str(tmp_path / "fast.safetensors") in mine.fault
    assert "missing" in mine.fault


def test_a_style_whose_network_was_replaced_says_so(tmp_path: Path) -> None:
    write_network(tmp_path / "fast.safetensors", ["candy"], trunk_hash="newer")
    (mine,) = styles_of_file(write_style(tmp_path / "mine.safetensors", "mine", 9))
    assert "trained for another network" in mine.fault
    assert "train it again" in mine.fault


def test_new_styles_in_the_network_do_not_count_as_another_network(tmp_path: Path) -> None:
    mine = write_style(tmp_path / "mine.safetensors", "mine", 9)
    for styles in (["candy"], ["candy", "mosaic"]):
        write_network(tmp_path / "fast.safetensors", styles, content_hash=f"of {len(styles)}")
        assert styles_of_file(mine)[0].fault == ""


def test_a_style_never_reaches_outside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_network(tmp_path / "fast.safetensors", ["candy"])
    (mine,) = styles_of_file(write_style(folder / "mine.safetensors", "mine", 9, trunk="../fast.safetensors"))
    assert "missing" in mine.fault
    assert mine.checkpoint == folder / "fast.safetensors"


def test_a_damaged_network_is_the_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "fast.safetensors").write_text("these are no weights")
    mine = write_style(tmp_path / "mine.safetensors", "mine", 9)
    with pytest.raises(StyleError, match=r"fast\.safetensors: is damaged"):
        styles_of_file(mine)


def test_a_style_of_another_size_than_its_network_is_refused(tmp_path: Path) -> None:
    write_network(tmp_path / "fast.safetensors", ["candy"])
    tensors = {"style_vectors": np.zeros((1, VECTOR_SIZE - 1), np.float32)}
    header = {"trunk": "fast.safetensors", "trunk_hash": "trunk"}
    assert "shape" in _refusal(write_header(tmp_path / "mine.safetensors", ["mine"], "style", tensors, **header))


@pytest.mark.parametrize("left_out", ["trunk", "trunk_hash"])
def test_a_style_that_does_not_name_its_network_is_refused(tmp_path: Path, left_out: str) -> None:
    write_network(tmp_path / "fast.safetensors", ["candy"])
    header = {"trunk": "fast.safetensors", "trunk_hash": "trunk"}
    del header[left_out]
    tensors = {"style_vectors": vector(1)[None]}
    assert left_out in _refusal(write_header(tmp_path / "mine.safetensors", ["mine"], "style", tensors, **header))


def _write_damaged(path: Path, what: str) -> None:
    if what == "text":
        path.write_text("these are no weights")
    elif what == "empty":
        path.touch()
    elif what == "cut":
        whole = write_network(path, ["candy"]).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif what == "foreign":
        save_file({"weight": np.zeros(1, np.float32)}, str(path))
    elif what == "older":
        tensors = {"style_vectors": vector(1)[None]}  # without an identity, as networks were at first
        write_header(path, ["candy"], "fast", tensors, shape='{"head_width": 2}')
    elif what == "fewer vectors":
        write_header(path, ["a", "b"], "fast", {"style_vectors": vector(1)[None]}, shape='{"head_width": 2}')
    else:
        write_header(path, what, "fast")


@pytest.mark.parametrize(
    "what", ["text", "empty", "cut", "foreign", "older", "fewer vectors", "not json", "5", "[]", '["candy"]']
)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "bad.safetensors"
    _write_damaged(path, what)
    _refusal(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_style_that_is_no_numbers_is_named_in_one_line(tmp_path: Path, value: float) -> None:
    write_network(tmp_path / "fast.safetensors", ["waves"])
    write_style(tmp_path / "bad.safetensors", "bad", value)
    assert "its styles hold NaN or infinite numbers" in _refusal(tmp_path / "bad.safetensors")


def test_a_pth_file_is_one_style_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rain_princess.pth"
    path.touch()
    assert styles_of_file(path) == (Style("rain_princess", "transformer", path, None, ""),)
    path.with_suffix(".onnx").touch()
    assert styles_of_file(path)[0].model_file == path.with_suffix(".onnx")


@pytest.mark.parametrize("content", [b"", b"no protobuf at all", b"\x08\x07"])
def test_a_damaged_model_file_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    _refusal(tmp_path / "bad.onnx")


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "styles"),
        ({"styles": '["a"]', "family": "fast"}, "style_vectors"),
        ({"styles": '["a"]', "family": "fast", "style_vectors": "[[1, 2]]", "identity_vector": "[1]"}, "shape"),
        ({"styles": '["a", "b"]', "family": "fast", "style_vectors": "[[1]]", "identity_vector": "[1]"}, "shape"),
        ({"styles": '["a"]', "family": "fast", "style_vectors": "[[1], [1, 2]]", "identity_vector": "[1]"}, ""),
        ({"styles": '["a"]', "family": "fast", "style_vectors": '{"a": 1}', "identity_vector": "[1]"}, ""),
        ({"styles": '["a"]', "family": "fast", "style_vectors": "[[NaN]]", "identity_vector": "[1]"}, "infinite"),
        ({"styles": '["a"]', "family": "fast", "style_vectors": "[[1]]", "identity_vector": "[Infinity]"}, "infinite"),
    ],
    ids=["none", "no vectors", "other sizes", "fewer vectors", "ragged", "no list", "NaN", "infinite"],
)
def test_a_model_file_with_wrong_metadata_is_refused(tmp_path: Path, metadata: dict[str, str], words: str) -> None:
    assert words in _refusal(_model_file(tmp_path / "bad.onnx", metadata))


def test_a_model_file_with_the_same_metadata_put_right_is_read(tmp_path: Path) -> None:
    """So that the refusals above are of their metadata and of nothing else."""
    metadata = {"styles": '["a"]', "family": "fast", "style_vectors": "[[1, 2]]", "identity_vector": "[3, 4]"}
    (style,) = styles_of_file(_model_file(tmp_path / "good.onnx", metadata))
    assert style.vector is not None
    assert style.identity is not None
    assert (style.vector.tolist(), style.identity.tolist()) == ([1, 2], [3, 4])
    del metadata["identity_vector"]
    (style,) = styles_of_file(_model_file(tmp_path / "good.onnx", metadata))
    assert style.vector is not None
    assert not style.fades_by_vector
    metadata = {"styles": '["a"]', "family": "transformer", "style_vectors": "[]", "identity_vector": "[]"}
    (style,) = styles_of_file(_model_file(tmp_path / "good.onnx", metadata))
    assert (style.family, style.vector, style.identity) == ("transformer", None, None)


def _model_file(path: Path, metadata: dict[str, str]) -> Path:
    import onnx

    graph = onnx.helper.make_graph([], "empty", [], [])
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return path


def test_a_stored_header_is_what_the_tests_of_this_file_write() -> None:
    """So that they do not agree with each other alone: the file that comes along has the same keys."""
    if not (SAVED_MODELS / "fast.safetensors").is_file():
        pytest.skip("saved_models/ holds no styles")
    from safetensors import safe_open

    with safe_open(SAVED_MODELS / "fast.safetensors", framework="numpy") as stored:
        header = stored.metadata()
    assert {"styles", "family", "shape", "trunk_hash", "content_hash"} <= set(header)
    assert "head_width" in json.loads(header["shape"])
    assert load_catalogue().styles[0].content_hash == header["content_hash"]
