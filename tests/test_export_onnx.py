"""Tests of the command `export_onnx.py`, from its arguments to its exit status.

Knows nothing of graphs; `tests/export` tests what is in the file.
"""

import json
from pathlib import Path

import onnx
import pytest
import torch

from export.exporter import ExportError
from export_onnx import main
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import StyleCredit, load_checkpoint, save_checkpoint, save_style
from realtime import style_catalogue as styles
from realtime.style_catalogue import load_catalogue

SMALL = FastNetShape(width=8, num_blocks=1, head_width=4)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network of two styles, which is the whole catalogue."""
    torch.manual_seed(0)
    credits_of_styles = [StyleCredit(name, f"stylizer of {name}", "public domain") for name in ("waves", "night")]
    save_checkpoint(tmp_path / "fast.safetensors", FastNet(("waves", "night"), SMALL), credits_of_styles, {})
    catalogue = styles.load_catalogue(tmp_path)
    monkeypatch.setattr(styles, "load_catalogue", lambda network="fast": catalogue)
    return tmp_path / "fast.safetensors"


def _error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed on stderr: one line, and nothing on stdout."""
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_a_style_by_name_is_exported_with_all_styles_of_its_network(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = checkpoint.with_name("out.onnx")
    assert main(["--style", "night", "-o", str(output)]) == 0
    metadata = {entry.key: entry.value for entry in onnx.load(output).metadata_props}
    assert json.loads(metadata["styles"]) == ["waves", "night"]
    assert [credit["source"] for credit in json.loads(metadata["credits"])] == [
        "stylizer of waves",
        "stylizer of night",
    ]
    printed = capsys.readouterr()
    assert printed.err == ""
    for said in (str(output), "waves", "night", "differs from PyTorch", "CPUExecutionProvider"):
        assert said in printed.out


def test_without_an_output_the_file_lies_beside_the_checkpoint(checkpoint: Path) -> None:
    assert main(["--style", str(checkpoint)]) == 0
    assert checkpoint.with_suffix(".onnx").is_file()


def test_a_public_checkpoint_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(TransformerNet("any").state_dict(), tmp_path / "udnie.pth")
    assert main(["--style", str(tmp_path / "udnie.pth")]) == 0
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "udnie.onnx").metadata_props}
    assert json.loads(metadata["styles"]) == ["udnie"]
    assert json.loads(metadata["credits"]) == []


@pytest.mark.usefixtures("checkpoint")
def test_an_unknown_style_is_answered_with_the_closest_and_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--style", "nihgt"]) == 1
    line = _error_line(capsys)
    assert "'nihgt'" in line
    assert "did you mean night?" in line
    assert "waves, night" in line


@pytest.mark.usefixtures("checkpoint")
def test_a_missing_checkpoint_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--style", str(tmp_path / "gone.pth")]) == 1
    assert str(tmp_path / "gone.pth") in _error_line(capsys)


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pth"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("hello")
    assert main(["--style", str(tmp_path / name)]) == 1
    assert str(tmp_path / name) in _error_line(capsys)
    assert not (tmp_path / "broken.onnx").exists()


def test_a_model_file_cannot_be_exported_again(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--style", str(checkpoint)]) == 0
    capsys.readouterr()
    assert main(["--style", str(checkpoint.with_suffix(".onnx"))]) == 1
    assert "model file already" in _error_line(capsys)


def test_a_blend_cannot_be_exported(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--style", "waves+night"]) == 1
    line = _error_line(capsys)
    assert "waves:0.5+night:0.5" in line
    assert "any blend; name one" in line
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


def test_a_style_of_its_own_needs_no_model_file_of_its_own(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load_checkpoint(checkpoint)
    assert isinstance(network, FastNet)
    mine = FastNet(("mine",), SMALL)
    mine.load_state_dict({**network.state_dict(), "style_vectors": network.style_vectors[:1] + 1})
    save_style(checkpoint.with_name("mine.safetensors"), mine, StyleCredit("mine", "", ""), {}, checkpoint)
    catalogue = load_catalogue(checkpoint.parent)
    monkeypatch.setattr(styles, "load_catalogue", lambda network="fast": catalogue)
    for style in ("mine", str(checkpoint.with_name("mine.safetensors"))):
        assert main(["--style", style]) == 1
        line = _error_line(capsys)
        assert "runs with the model file of its network" in line
        assert f"--style {checkpoint}" in line
    assert not list(checkpoint.parent.glob("*.onnx"))
    assert main(["--style", "waves"]) == 0
    assert "with waves, night;" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["gone", "fast.safetensors"], ids=["missing", "a file"])
def test_an_output_folder_that_cannot_be_written_to_is_an_error(
    checkpoint: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checkpoint.read_bytes()
    assert main(["--style", str(checkpoint), "-o", str(checkpoint.parent / folder / "out.onnx")]) == 1
    line = _error_line(capsys)
    assert str(checkpoint.parent / folder) in line
    assert "--output" in line
    assert list(checkpoint.parent.iterdir()) == [checkpoint]
    assert checkpoint.read_bytes() == before


def test_the_error_names_the_output_that_was_asked_for(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = checkpoint.parent / "gone" / "out.onnx"
    assert main(["--style", str(checkpoint), "-o", str(output)]) == 1
    assert str(output) in _error_line(capsys)


def test_the_checkpoint_is_not_overwritten(checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    assert main(["--style", str(checkpoint), "-o", str(checkpoint)]) == 1
    assert checkpoint.read_bytes() == before


def test_an_output_that_is_there_is_not_replaced_unasked(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = checkpoint.with_name("mine.onnx")
    output.write_text("mine")
    assert main(["--style", str(checkpoint), "-o", str(output)]) == 1
    assert "is there already; use --overwrite" in _error_line(capsys)
    assert output.read_text() == "mine"


def test_an_output_of_another_suffix_is_an_error(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--style", str(checkpoint), "-o", str(checkpoint.with_name("out.json"))]) == 1
    assert ".onnx" in _error_line(capsys)


def test_a_model_file_that_differs_from_torch_is_an_error(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def differ(*arguments: object) -> None:
        raise ExportError("model file out.onnx: differs from PyTorch")

    monkeypatch.setattr("export.exporter.export_network", differ)
    assert main(["--style", str(checkpoint)]) == 1
    assert "differs from PyTorch" in _error_line(capsys)


@pytest.mark.parametrize(
    "arguments", [[], ["--style"], ["--style", "waves", "--quality", "9"], ["--style", "a", "--photo-dir", "."]]
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "--help" in capsys.readouterr().err
