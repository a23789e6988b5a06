"""Tests of the checked model file: kept when it is right, refused when it is not.

Knows nothing of the command line.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export import exporter as model_file
from export import quantization
from export.exporter import CHECKED_SIZES_NHW, ExportError, ExportOptions, compare_with_torch, export_network
from export.graph import GraphForm, build_model
from export.options import Precision
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import content_hash


def _fast(seed: int = 0) -> FastNet:
    torch.manual_seed(seed)
    network = FastNet(("waves", "night"), FastNetShape(width=8, num_blocks=1, head_width=4))
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
        network.identity_trunk.add_(0.4 * torch.randn_like(network.identity_trunk))
    return network.eval().requires_grad_(False)


def _metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_a_right_file_is_kept_and_measured(tmp_path: Path) -> None:
    output = tmp_path / "style.onnx"
    parity = export_network(_fast(), output)
    assert list(tmp_path.iterdir()) == [output], "one file that needs no other"
    assert parity.max_difference <= 1
    assert 0 <= parity.mean_difference < 0.01
    assert parity.provider == "CPUExecutionProvider"
    assert compare_with_torch(_fast(), output) == parity
    onnx.checker.check_model(str(output), full_check=True)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_files_of_low_precision_pass_the_checker_of_onnx(tmp_path: Path, precision: Precision) -> None:
    export_network(_fast(), tmp_path / "style.onnx", options=ExportOptions(precision=precision))
    onnx.checker.check_model(str(tmp_path / "style.onnx"), full_check=True)


@pytest.mark.parametrize("file", sorted(SAVED_MODELS.glob("*.onnx")), ids=lambda path: path.name)
def test_shipped_files_pass_the_checker_of_onnx(file: Path) -> None:
    onnx.checker.check_model(str(file), full_check=True)


def test_a_graph_that_breaks_the_standard_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "sort_nodes", lambda model: model.graph.node.reverse())
    with pytest.raises(ExportError, match="breaks the ONNX standard") as refused:
        export_network(_fast(), tmp_path / "style.onnx", options=ExportOptions(precision="fp16"))
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_transformer_network_with_the_contrast_of_a_trained_one_is_kept(tmp_path: Path) -> None:
    """An image of one row gives 2 x 2 maps with equal rows, in which each norm enlarges rounding errors tenfold."""
    torch.manual_seed(0)
    network = TransformerNet("udnie").eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if ".in" in f".{name}":
            parameter.add_(0.3 * torch.randn_like(parameter))
    network.deconv3.conv2d.weight.mul_(130)
    assert network.deconv3.conv2d.bias is not None
    network.deconv3.conv2d.bias.fill_(127)
    assert export_network(network, tmp_path / "style.onnx").max_difference <= 1


def test_the_check_covers_odd_and_tiny_sizes_and_a_batch() -> None:
    assert any(n > 1 for n, _, _ in CHECKED_SIZES_NHW)
    assert any(height % 4 and width % 4 for _, height, width in CHECKED_SIZES_NHW)
    assert any(min(height, width) <= 5 for _, height, width in CHECKED_SIZES_NHW)


@pytest.mark.slow
def test_the_metadata_says_what_the_file_is(tmp_path: Path) -> None:
    network = _fast()
    export_network(network, tmp_path / "style.onnx", '[{"name": "waves"}]')
    metadata = _metadata(tmp_path / "style.onnx")
    assert set(metadata) == {
        "family",
        "styles",
        "style_vectors",
        "identity_vector",
        "content_hash",
        "credits",
        "frames",
        "format",
        "opset",
        "precision",
        "runtime",
        "licence",
        "sha256",
    }
    assert metadata["family"] == "fast"
    assert json.loads(metadata["styles"]) == ["waves", "night"]
    assert metadata["content_hash"] == content_hash(network.state_dict())
    assert json.loads(metadata["credits"]) == [{"name": "waves"}]
    assert metadata["frames"] == "uint8 (N, H, W, 3), RGB, 0..255"
    vectors = np.array(json.loads(metadata["style_vectors"]), np.float32)
    np.testing.assert_allclose(vectors, network.style_vectors.numpy(), rtol=1e-6)
    identity = np.array(json.loads(metadata["identity_vector"]), np.float32)
    np.testing.assert_allclose(identity, network.identity_vector.numpy(), rtol=1e-6)


@pytest.mark.slow
def test_a_transformer_network_is_kept_and_described_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = TransformerNet("udnie").eval().requires_grad_(False)
    assert export_network(network, tmp_path / "style.onnx").max_difference <= 1
    metadata = _metadata(tmp_path / "style.onnx")
    assert metadata["family"] == "transformer"
    assert json.loads(metadata["styles"]) == ["udnie"]
    assert json.loads(metadata["style_vectors"]) == json.loads(metadata["identity_vector"]) == []
    assert metadata["content_hash"] == content_hash(network.state_dict())


@pytest.fixture
def wrong_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is exported, the graph is that of another network."""
    monkeypatch.setattr(model_file, "build_model", lambda network, form: build_model(_fast(seed=1), form))


@pytest.mark.usefixtures("wrong_graph")
@pytest.mark.slow
def test_a_wrong_graph_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="differs from PyTorch") as caught:
        export_network(_fast(), tmp_path / "style.onnx")
    assert str(tmp_path / "style.onnx") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("wrong_graph")
def test_a_wrong_graph_does_not_replace_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "style.onnx").write_bytes(b"good")
    with pytest.raises(ExportError):
        export_network(_fast(), tmp_path / "style.onnx")
    assert (tmp_path / "style.onnx").read_bytes() == b"good"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_a_graph_that_is_one_level_too_bright_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build_brighter(network: FastNet, form: GraphForm) -> onnx.ModelProto:
        model = build_model(network, form)
        (bias,) = [w for w in model.graph.initializer if np.array_equal(onnx.numpy_helper.to_array(w), [127.5] * 12)]
        bias.CopyFrom(onnx.numpy_helper.from_array(np.full(12, 128.5, np.float32), bias.name))
        return model

    monkeypatch.setattr(model_file, "build_model", build_brighter)
    with pytest.raises(ExportError, match="differs from PyTorch"):
        export_network(_fast(), tmp_path / "style.onnx")


def _build_with_high_values_cut_off(network: FastNet, limit: float) -> onnx.ModelProto:
    """A graph that is right as long as no value of the style's input is above the limit."""
    model = build_model(network)
    for name, value in {"low": -10.0, "high": limit}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float32), name))
    for node in model.graph.node:
        if node.input[0] == "style":
            node.input[0] = "clipped"
    model.graph.node.insert(0, onnx.helper.make_node("Clip", ["style", "low", "high"], ["clipped"]))
    return model


@pytest.mark.parametrize(
    ("limit", "styles_below", "is_right"),
    [
        pytest.param(1.2, 1, False, id="wrong for the second style"),
        pytest.param(0.95, 2, False, id="wrong for the identity"),
        pytest.param(1.2, 2, True, id="right for all"),
    ],
)
@pytest.mark.slow
def test_a_graph_that_is_wrong_for_one_vector_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, styles_below: int, is_right: bool
) -> None:
    """The graph has no values of its own for a style, so a wrong one must come from its input."""
    network = _fast()
    network.style_vectors[:styles_below].clamp_(max=limit)
    monkeypatch.setattr(model_file, "build_model", lambda network, _: _build_with_high_values_cut_off(network, limit))
    if is_right:
        assert export_network(network, tmp_path / "style.onnx").max_difference <= 1
        return
    with pytest.raises(ExportError):
        export_network(network, tmp_path / "style.onnx")


@pytest.mark.slow
def test_a_network_with_weights_that_are_no_numbers_is_refused(tmp_path: Path) -> None:
    network = _fast()
    network.style_vectors[0, 0] = torch.nan
    with pytest.raises(ExportError):
        export_network(network, tmp_path / "style.onnx")


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        export_network(_fast(), tmp_path / "gone" / "style.onnx")


def test_writing_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "style.onnx"
    output.write_text("good")

    def write_half_and_fail(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", write_half_and_fail)
    with pytest.raises(OSError, match="No space left"):
        export_network(_fast(), output)
    assert output.read_bytes() == b"good"
    assert list(tmp_path.iterdir()) == [output]
