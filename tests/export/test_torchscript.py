"""Tests of TorchScript from the export to the engine: the same images, and only files that can be trusted."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import machines
import numpy as np
import pytest
import torch
from fakes import difference, noise

from export_onnx import main as export_main
from neural_style.errors import CheckpointError
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import StyleCredit, save_checkpoint
from neural_style.weights.script import without_warnings
from neural_style.weights.script_format import read_script_file
from realtime.engines import open_engine
from realtime.errors import EngineError, StyleError
from realtime.options import EngineOptions
from realtime.style_catalogue import Catalogue, open_styles
from run_webcam import main as live_main

SIZES_WH = ((64, 48), (61, 75), (3, 2), (1, 1), (130, 33))
_SMALL = {"width": 8, "num_blocks": 1, "head_width": 4, "inner_width": 12}


@pytest.fixture(scope="module", params=["fast", "fine", pytest.param("transformer", marks=pytest.mark.slow)])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of each family; that of the second one is a public checkpoint."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("networks")
    if request.param == "transformer":
        torch.save(TransformerNet("any").state_dict(), folder / "udnie.pth")
        return folder / "udnie.pth"
    network = FastNet(("waves", "night"), FastNetShape(**_SMALL, num_inner_blocks=1 if request.param == "fine" else 0))
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
        network.to_pixels.weight.add_(0.05 * torch.randn_like(network.to_pixels.weight))
    path = folder / "small.safetensors"
    save_checkpoint(path, network, [StyleCredit(name, "", "") for name in network.style_names], {})
    return path


def _exported(checkpoint: Path, precision: str = "fp32") -> Path:
    target = checkpoint.with_suffix(f".{precision}.pt")
    if not target.is_file():
        arguments = ["--style", str(checkpoint), "--torchscript", "--precision", precision, "-o", str(target)]
        assert export_main(arguments) == 0
    return target


def _open(path: Path, engine: Any = "torchscript", **wish: Any) -> tuple[Any, Catalogue]:
    catalogue, _ = open_styles(str(path))
    return open_engine(catalogue, EngineOptions(engine, "cpu", **wish)), catalogue


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_file_checkpoint_and_eager_give_the_same_images(checkpoint: Path, precision: Any) -> None:
    (eager, named), (from_checkpoint, _) = (_open(checkpoint, e, precision=precision) for e in ("torch", "torchscript"))
    from_file, stored = _open(_exported(checkpoint, precision), "auto")
    assert (from_file.info.engine, from_file.info.precision) == ("torchscript", precision)
    assert stored.names == named.names
    for size_wh in SIZES_WH:
        images = np.stack([noise(size_wh, seed) for seed in range(2)])
        strength = 0.7 if named.styles[0].fades_by_vector else 1.0
        wanted = eager.stylize(images, named.styles[-1], strength)
        assert (from_checkpoint.stylize(images, named.styles[-1], strength) == wanted).all()
        assert difference(from_file.stylize(images, stored.styles[-1], strength), wanted) < 0.01


def test_half_precision_is_traced_checked_and_printed(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = _exported(checkpoint, "fp16")
    said = capsys.readouterr().out
    for size in ("96x64", "101x67", "6x5", "33x130", "50x48 x3"):
        assert f"{size} 0.0" in said, "parity at each of five sizes"
    with without_warnings():
        graph = torch.jit.load(str(target)).inlined_graph  # type: ignore[no-untyped-call]
    constants = [node for node in graph.findAllNodes("prim::Constant") if node.hasAttribute("value")]
    weights = [node.t("value") for node in constants if node.kindOf("value") == "t"]
    assert {weight.dtype for weight in weights if weight.dim() == 4} == {torch.float16}


def test_a_file_in_half_precision_is_refused_on_a_cpu_in_one_line(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.NO_GPU.take_place(monkeypatch)
    with pytest.raises(EngineError, match=r"fp16.* only on a GPU.*--torchscript --precision fp32") as refused:
        _open(_exported(checkpoint, "fp16"))
    assert "\n" not in str(refused.value)
    with pytest.raises(EngineError, match=r"precision fp32: TorchScript file .* is in bf16; leave --precision out"):
        _open(_exported(checkpoint, "bf16"), precision="fp32")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sealed") / "small.safetensors"
    network = FastNet(("waves",), FastNetShape(**_SMALL))
    save_checkpoint(path, network, [StyleCredit("waves", "", "")], {})
    return _exported(path)


def _rewritten(path: Path, target: Path, change: Any) -> Path:
    """The same archive with other bytes in some of its parts."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def _with_a_call(name: str, content: bytes) -> bytes:
    return content.replace(b"torch.relu(", b"torch.save(", 1) if name.endswith(".py") else content


def _with_metadata(**changes: str) -> Any:
    def change(name: str, content: bytes) -> bytes:
        return json.dumps({**json.loads(content), **changes}).encode() if name.endswith("style.json") else content

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_with_a_call, "was changed after it was written"),
        (_with_metadata(styles='["other"]'), "was changed after it was written"),
        (_with_metadata(format="0"), "older or not written by export_onnx.py"),
    ],
)
def test_a_changed_or_older_file_is_refused(sealed: Path, tmp_path: Path, change: Any, reason: str) -> None:
    changed = _rewritten(sealed, tmp_path / "changed.pt", change)
    with pytest.raises(EngineError, match=f"{reason}; it is code.* or use --trust") as refused:
        _open(changed)
    assert "\n" not in str(refused.value)


def test_a_seal_alone_does_not_let_other_calls_in(sealed: Path, tmp_path: Path) -> None:
    """Anybody can compute a check sum."""
    from neural_style.weights.script_format import metadata_with_seal

    changed = _rewritten(sealed, tmp_path / "changed.pt", _with_a_call)
    stated = {key: value for key, value in read_script_file(sealed).metadata.items() if key != "sha256"}
    seal = metadata_with_seal(changed.read_bytes(), stated)["sha256"]
    forged = _rewritten(changed, tmp_path / "forged.pt", _with_metadata(sha256=seal))
    with pytest.raises(CheckpointError, match=r"calls torch\.save, which no exported network does"):
        read_script_file(forged)


@pytest.mark.slow
def test_a_file_of_others_runs_only_when_it_is_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Negative(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 255 - images

    with without_warnings():
        foreign = torch.jit.trace(Negative(), torch.rand(1, 3, 8, 8))  # type: ignore[no-untyped-call]
        torch.jit.save(foreign, tmp_path / "negative.pt")
    arguments = ["--source", "pattern", "--size", "64x48", "--sink", "null", "--max-frames", "1", "--device", "cpu"]
    arguments += ["--style", str(tmp_path / "negative.pt")]
    assert live_main(arguments) == 1
    assert "older or not written by export_onnx.py; it is code" in capsys.readouterr().err
    assert live_main([*arguments, "--trust"]) == 0
    engine, catalogue = _open(tmp_path / "negative.pt", trust=True)
    assert catalogue.names == ("negative",)
    assert (engine.stylize(noise()[None], catalogue.styles[0]) == 255 - noise()[None]).all()


def test_what_is_no_torchscript_file_is_named(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.pt")
    (tmp_path / "broken.pt").write_bytes(b"hello")
    for name, reason in [("weights.pt", "holds no code, so it is none"), ("broken.pt", "is damaged or is none")]:
        with pytest.raises(StyleError, match=reason) as refused:
            open_styles(str(tmp_path / name))
        assert str(tmp_path / name) in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--torchscript", "--precision", "int8"], "precision int8: TorchScript has fp32, fp16, bf16"),
        (["--precision", "bf16"], "precision bf16: ONNX has fp32, fp16, int8"),
        (["--torchscript", "--baked"], "leave out --baked, --float"),
    ],
)
def test_what_cannot_be_exported_is_said(
    sealed: Path, tmp_path: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = sealed.with_name("small.safetensors")
    assert export_main(["--style", str(checkpoint), "-o", str(tmp_path / "out.pt"), *more]) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_loaded_is_what_was_checked(sealed: Path) -> None:
    file = read_script_file(sealed)
    assert file.content == sealed.read_bytes()
    assert zipfile.is_zipfile(io.BytesIO(file.content))
    assert (file.precision, file.min_side_px) == ("fp32", 8)
