"""Tests of reading and writing weights: ours, the public ones, and files that must be refused.

Knows nothing of training; every file is made here.
"""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from neural_style.errors import CheckpointError
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import (
    StyleCredit,
    StyleNetwork,
    content_hash,
    load_checkpoint,
    save_checkpoint,
    save_style,
    trunk_hash,
)

SMALL = FastNetShape(width=8, num_blocks=2, head_width=4)


def _credit(name: str) -> StyleCredit:
    return StyleCredit(name, f"stylizer of {name}", "public domain")


def _fast() -> FastNet:
    torch.manual_seed(0)
    network = FastNet(("waves", "night"), SMALL)
    network.style_vectors.data.add_(torch.randn_like(network.style_vectors))
    return network


def _transformer() -> TransformerNet:
    torch.manual_seed(0)
    return TransformerNet("udnie")


def _saved(path: Path, network: StyleNetwork) -> Path:
    save_checkpoint(path, network, [_credit(name) for name in network.style_names], {"step": 7, "rate": 0.5})
    return path


def _header(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as stored:
        return dict(stored.metadata())


def _refusal(path: Path) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("make", [_fast, _transformer])
def test_what_is_saved_is_loaded(tmp_path: Path, make: Callable[[], StyleNetwork]) -> None:
    network = make()
    loaded = load_checkpoint(_saved(tmp_path / "style.safetensors", network))
    assert type(loaded) is type(network)
    assert loaded.style_names == network.style_names
    assert list(loaded.state_dict()) == list(network.state_dict())
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    if isinstance(loaded, FastNet):
        assert loaded.shape == SMALL


@pytest.mark.parametrize("make", [_fast, _transformer])
def test_a_loaded_network_is_frozen_and_in_evaluation_mode(tmp_path: Path, make: Callable[[], StyleNetwork]) -> None:
    loaded = load_checkpoint(_saved(tmp_path / "style.safetensors", make()))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    assert load_checkpoint(str(_saved(tmp_path / "style.safetensors", _fast()))).family == "fast"


@pytest.mark.parametrize("make", [_fast, _transformer])
def test_the_header_says_what_the_file_is(tmp_path: Path, make: Callable[[], StyleNetwork]) -> None:
    network = make()
    header = _header(_saved(tmp_path / "style.safetensors", network))
    assert header["family"] == network.family
    assert json.loads(header["styles"]) == list(network.style_names)
    assert json.loads(header["credits"]) == [
        {"name": name, "source": f"stylizer of {name}", "licence": "public domain"} for name in network.style_names
    ]
    assert json.loads(header["training"]) == {"step": 7, "rate": 0.5}
    assert header["content_hash"] == content_hash(network.state_dict())


def test_half_precision_weights_are_stored_as_float32(tmp_path: Path) -> None:
    path = _saved(tmp_path / "style.safetensors", _fast().half())
    with safe_open(path, framework="pt") as stored:
        assert {stored.get_tensor(name).dtype for name in _fast().state_dict()} == {torch.float32}
    assert {parameter.dtype for parameter in load_checkpoint(path).parameters()} == {torch.float32}


def test_the_content_hash_sees_names_shapes_and_values_but_not_order() -> None:
    tensors = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0])}
    same = {"b": torch.tensor([3.0]), "a": torch.tensor([1.0, 2.0])}
    others: list[dict[str, Tensor]] = [
        {"a": torch.tensor([1.0, 2.5]), "b": torch.tensor([3.0])},
        {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([3.0])},
        {"c": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0])},
    ]
    assert content_hash(same) == content_hash(tensors)
    assert content_hash(tensors) not in [content_hash(other) for other in others]


def test_one_changed_bit_is_noticed(tmp_path: Path) -> None:
    path = _saved(tmp_path / "style.safetensors", _fast())
    stored = bytearray(path.read_bytes())
    stored[-4] ^= 1
    path.write_bytes(stored)
    assert "hash" in _refusal(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("make", [_fast, _transformer])
def test_weights_that_are_no_numbers_are_refused_whatever_their_hash(
    tmp_path: Path, make: Callable[[], StyleNetwork], value: float
) -> None:
    network = make()
    name, weight = list(network.state_dict().items())[3]
    weight.view(-1)[-1] = value
    message = _refusal(_saved(tmp_path / "style.safetensors", network))
    assert f"{name} holds NaN or infinite numbers" in message
    if network.family == "transformer":
        torch.save(network.state_dict(), tmp_path / "style.pth")
        assert "NaN or infinite" in _refusal(tmp_path / "style.pth")


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path / "style.safetensors", _fast())
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in _refusal(path)


def _public_state() -> dict[str, Tensor]:
    """A flat dict as in the public files: the old instance norms kept statistics that are not used."""
    state = dict(_transformer().state_dict())
    for name in [name for name in state if ".in" in f".{name}" and name.endswith(".weight")]:
        norm = name.removesuffix(".weight")
        state[f"{norm}.running_mean"] = torch.randn_like(state[name])
        state[f"{norm}.running_var"] = torch.rand_like(state[name])
        state[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    return state


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_public_checkpoint_loads_under_the_name_of_its_file(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "mosaic.pth"
    torch.save(_public_state(), path, _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint(path)
    assert isinstance(loaded, TransformerNet)
    assert loaded.style_names == ("mosaic",)
    assert not loaded.training
    for name, value in _transformer().state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


class _RunsCode:
    """A pickle of this calls a function when it is read."""

    def __init__(self, function: Callable[..., object], *arguments: str) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return self.call


def _dump_with_torch(value: object, path: Path) -> None:
    torch.save(value, path)


def _dump_with_torch_of_old(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def _dump_with_pickle(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


@pytest.mark.parametrize("dump", [_dump_with_torch, _dump_with_torch_of_old, _dump_with_pickle])
@pytest.mark.parametrize("function", [os.system, open])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run_it(
    tmp_path: Path, dump: Callable[[object, Path], None], function: Callable[..., object]
) -> None:
    marker, path = tmp_path / "marker", tmp_path / "candy.pth"
    arguments = [f"touch {marker}"] if function is os.system else [str(marker), "w"]
    dump({"conv1.conv2d.weight": _RunsCode(function, *arguments)}, path)
    message = _refusal(path)
    assert not marker.exists()
    if dump is not _dump_with_pickle:
        assert "run code" in message


def test_the_malicious_pickle_of_these_tests_would_run_if_it_were_let(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(_RunsCode(os.system, f"touch {marker}")))
    assert marker.exists()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in _refusal(tmp_path / "gone.safetensors")
    assert "no such file" in _refusal(tmp_path / "gone.pth")


@pytest.mark.parametrize("name", ["style.pth", "style.safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello, I am a text\n" * 20, bytes(range(256)) * 4])
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    _refusal(tmp_path / name)


def test_a_web_page_saved_as_pth_is_not_called_a_pickle_that_runs_code(tmp_path: Path) -> None:
    path = tmp_path / "candy.pth"
    path.write_text("<!DOCTYPE html><html><body>404 not found</body></html>")
    assert "run code" not in _refusal(path)


def test_a_pth_that_holds_other_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"state_dict": _public_state()}, path)
    assert "conv1.conv2d.weight" in _refusal(path)
    torch.save([1, 2, 3], path)
    assert "conv1.conv2d.weight" in _refusal(path)


def test_a_pth_with_missing_weights_is_refused_by_their_names(tmp_path: Path) -> None:
    path, state = tmp_path / "part.pth", _public_state()
    del state["res3.conv2.conv2d.weight"]
    torch.save(state, path)
    assert "res3.conv2.conv2d.weight" in _refusal(path)


def test_a_pth_with_wrong_shapes_is_refused_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "wide.pth"
    torch.save({**_public_state(), "deconv3.conv2d.bias": torch.zeros(4)}, path)
    assert "deconv3.conv2d.bias" in _refusal(path)


def test_a_pth_with_a_key_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.pth"
    keys: dict[Any, Tensor] = {**_public_state(), 5: torch.zeros(1)}
    torch.save(keys, path)
    _refusal(path)


def _safetensors(path: Path, header: dict[str, str], tensors: dict[str, Tensor] | None = None) -> Path:
    save_file(tensors or {name: v.clone() for name, v in _fast().state_dict().items()}, path, metadata=header)
    return path


_NO_HASH = {"family": "fast", "styles": '["waves", "night"]', "shape": json.dumps(SMALL.__dict__)}
_FAST_HEADER = {**_NO_HASH, "content_hash": content_hash(_fast().state_dict())}


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"family": "fast", "content_hash": _FAST_HEADER["content_hash"]},
        {**_FAST_HEADER, "styles": "waves"},
        {**_FAST_HEADER, "styles": "5"},
        {**_FAST_HEADER, "shape": "[8]"},
        {**_FAST_HEADER, "shape": '{"depth": 3}'},
        {**_FAST_HEADER, "shape": '{"width": -8}'},
        {**_FAST_HEADER, "family": "diffusion"},
        _NO_HASH,
    ],
    ids=["none", "half", "no list", "number", "no shape", "unknown size", "below zero", "other family", "no hash"],
)
def test_a_safetensors_file_with_a_wrong_header_is_refused(tmp_path: Path, header: dict[str, str]) -> None:
    _refusal(_safetensors(tmp_path / "style.safetensors", header))


def test_the_same_file_with_its_hash_is_accepted(tmp_path: Path) -> None:
    """So that the refusals above are of their headers and of nothing else."""
    loaded = load_checkpoint(_safetensors(tmp_path / "style.safetensors", _FAST_HEADER))
    assert loaded.style_names == ("waves", "night")


def test_a_transformer_without_a_style_is_refused(tmp_path: Path) -> None:
    tensors = {name: v.clone() for name, v in _transformer().state_dict().items()}
    _refusal(_safetensors(tmp_path / "style.safetensors", {"family": "transformer", "styles": "[]"}, tensors))


def test_bfloat16_weights_without_a_hash_are_refused(tmp_path: Path) -> None:
    tensors = {name: v.bfloat16() for name, v in _fast().state_dict().items()}
    _refusal(_safetensors(tmp_path / "style.safetensors", _NO_HASH, tensors))


@pytest.mark.parametrize("styles", ['["waves"]', '["waves", "night", "candy"]'])
def test_a_safetensors_file_with_wrong_shapes_is_refused(tmp_path: Path, styles: str) -> None:
    assert "do not fit" in _refusal(_safetensors(tmp_path / "style.safetensors", {**_FAST_HEADER, "styles": styles}))


def test_a_safetensors_file_with_wrong_shapes_is_refused_by_their_names(tmp_path: Path) -> None:
    path = _safetensors(tmp_path / "style.safetensors", {**_FAST_HEADER, "styles": '["waves"]'})
    assert "style_vectors" in _refusal(path)


def test_saving_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(tmp_path / "style.safetensors", _fast())
    before = path.read_bytes()

    def write_half_and_fail(tensors: dict[str, Tensor], name: str, metadata: dict[str, str]) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(28, "No space left on device", name)

    monkeypatch.setattr("neural_style.weights.style_file.save_file", write_half_and_fail)
    with pytest.raises(OSError, match="No space left"):
        _saved(path, _transformer())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_saving_to_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        _saved(tmp_path / "gone" / "style.safetensors", _fast())


def _own_style(folder: Path, trunk: str = "fast.safetensors", shape: FastNetShape = SMALL) -> tuple[Path, FastNet]:
    """A network in a folder, and a style of its own for it: its file, and the network with that style."""
    torch.manual_seed(0)
    network = FastNet(("waves", "night"), shape)
    _saved(folder / trunk, network)
    mine = FastNet(("mine",), shape)
    vectors = torch.randn_like(mine.style_vectors)
    mine.load_state_dict({**network.state_dict(), "style_vectors": vectors})
    save_style(folder / "mine.safetensors", mine, _credit("mine"), {"step": 7}, folder / trunk)
    return folder / "mine.safetensors", mine


def test_a_style_of_its_own_is_loaded_into_the_network_beside_it(tmp_path: Path) -> None:
    path, mine = _own_style(tmp_path)
    loaded = load_checkpoint(path)
    assert isinstance(loaded, FastNet)
    assert (loaded.style_names, loaded.shape) == (("mine",), SMALL)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    for name, value in mine.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_a_style_of_its_own_is_small_and_says_what_it_is(tmp_path: Path) -> None:
    path, mine = _own_style(tmp_path, "my_net.safetensors", FastNetShape())
    assert path.stat().st_size <= 8000
    header = _header(path)
    assert (header["family"], header["styles"]) == ("style", '["mine"]')
    assert header["trunk"] == "my_net.safetensors"
    assert header["trunk_hash"] == _header(tmp_path / "my_net.safetensors")["trunk_hash"]
    assert header["content_hash"] == content_hash({"style_vectors": mine.style_vectors.detach()})
    assert json.loads(header["credits"])[0]["source"] == "stylizer of mine"
    assert json.loads(header["training"]) == {"step": 7}
    with safe_open(path, framework="pt") as stored:
        assert list(stored.keys()) == ["style_vectors"]


def test_the_hash_of_a_trunk_sees_all_but_styles_and_identity(tmp_path: Path) -> None:
    state = _fast().state_dict()
    expected = trunk_hash(state)
    assert _header(_saved(tmp_path / "fast.safetensors", _fast()))["trunk_hash"] == expected
    for name in state:
        changed = trunk_hash({**state, name: state[name] + 1})
        assert (changed == expected) == (name in ("style_vectors", "identity_trunk")), name


def test_only_a_trunk_has_the_hash_of_one(tmp_path: Path) -> None:
    assert "trunk_hash" not in _header(_saved(tmp_path / "udnie.safetensors", _transformer()))


def test_a_style_whose_network_is_missing_is_refused(tmp_path: Path) -> None:
    path, _ = _own_style(tmp_path)
    (tmp_path / "fast.safetensors").unlink()
    message = _refusal(path)
    assert str(tmp_path / "fast.safetensors") in message
    assert "missing" in message


@pytest.mark.parametrize("make", [_transformer, lambda: FastNet(("waves",), SMALL)])
def test_a_style_whose_network_was_replaced_is_refused(tmp_path: Path, make: Callable[[], StyleNetwork]) -> None:
    path, _ = _own_style(tmp_path)
    torch.manual_seed(1)
    _saved(tmp_path / "fast.safetensors", make())
    message = _refusal(path)
    assert "another network" in message
    assert "train it again" in message


def test_a_style_survives_new_styles_and_a_new_identity_in_its_network(tmp_path: Path) -> None:
    path, mine = _own_style(tmp_path)
    more = FastNet(("waves", "night", "third"), SMALL)
    state = {**load_checkpoint(tmp_path / "fast.safetensors").state_dict()}
    more.load_state_dict({**state, "style_vectors": more.style_vectors, "identity_trunk": more.identity_trunk + 1})
    _saved(tmp_path / "fast.safetensors", more)
    loaded = load_checkpoint(path)
    assert isinstance(loaded, FastNet)
    assert torch.equal(loaded.style_vectors, mine.style_vectors)
    assert torch.equal(loaded.identity_trunk, more.identity_trunk)


def test_a_style_with_a_damaged_network_names_the_network(tmp_path: Path) -> None:
    path, _ = _own_style(tmp_path)
    network = tmp_path / "fast.safetensors"
    network.write_bytes(network.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"fast\.safetensors: is damaged"):
        load_checkpoint(path)


def test_a_style_with_one_changed_bit_is_refused(tmp_path: Path) -> None:
    path, _ = _own_style(tmp_path)
    stored = bytearray(path.read_bytes())
    stored[-4] ^= 1
    path.write_bytes(stored)
    assert "hash" in _refusal(path)


def test_a_style_of_another_size_than_its_network_is_refused(tmp_path: Path) -> None:
    path, _ = _own_style(tmp_path)
    tensors = {"style_vectors": torch.zeros(1, 7)}
    header = {**_header(path), "content_hash": content_hash(tensors)}
    assert "style_vectors" in _refusal(_safetensors(path, header, tensors))


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_checkpoint_may_be_read_by_whom_other_new_files_may_be_read(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.safetensors", _fast())
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
