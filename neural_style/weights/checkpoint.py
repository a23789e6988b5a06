"""Owns weights files: networks and single styles as safetensors with a header, and the public `.pth` files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from neural_style.errors import CheckpointError
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.state_dict import first_reason
from neural_style.weights.style_file import hash_of_arrays, write_arrays

StyleNetwork = FastNet | TransformerNet

_PUBLIC_KEY = "conv1.conv2d.weight"
_WORDS_OF_REFUSAL = ("unsupported global", "unsupported class", "unrecognized function", "can only build")
"""What `torch.load(weights_only=True)` says of a pickle that wants more than tensors."""

_NOT_TRUNK = ("style_vectors", "identity_trunk")

_DROPPED_SUFFIXES = (".running_mean", ".running_var", ".num_batches_tracked")


@dataclass(frozen=True)
class StyleCredit:
    """Where a style's image comes from.

    Attributes:
        name: the style.
        source: artist, title, year, or the file it was.
        licence: the rights in the image.
    """

    name: str
    source: str
    licence: str


def load_checkpoint(path: str | Path) -> StyleNetwork:
    """Reads any weights file and returns its network, in float32, on the CPU, in evaluation mode.

    Args:
        path: a `.safetensors` file of this project, a network or a single style beside
            its network; or a `.pth` of the public `fast_neural_style` example. Pickles
            are read with `weights_only=True`.

    Raises:
        CheckpointError: the file is missing, damaged, of an unknown kind, holds NaN or
            infinite numbers, or is a pickle that wants to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: no such file; --list-styles shows what there is")
    network = _load_safetensors(path) if path.suffix.lower() == ".safetensors" else _load_pickle(path)
    for name, value in network.state_dict().items():
        if not value.isfinite().all():
            raise CheckpointError(
                f"checkpoint {path}: {name} holds NaN or infinite numbers; get the file again, or train it again"
            )
    return network.eval().requires_grad_(False)


def save_checkpoint(
    path: Path, network: StyleNetwork, style_credits: list[StyleCredit], training: dict[str, str | int | float]
) -> None:
    """Writes a network as safetensors; the file appears only when whole.

    Args:
        path: ends in `.safetensors`.
        network: what to store.
        style_credits: one for each of its styles, in order.
        training: how the weights came about, for the header.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {name: value.detach().float().cpu().contiguous() for name, value in network.state_dict().items()}
    own = {"family": network.family}
    if isinstance(network, FastNet):
        own |= {"shape": json.dumps(asdict(network.shape)), "trunk_hash": trunk_hash(tensors)}
    _write(path, tensors, network, style_credits, training, **own)


def save_style(
    path: Path, network: FastNet, credit: StyleCredit, training: Mapping[str, str | int | float], trunk: Path
) -> None:
    """Writes the one style of a network, without the network: a file of a few kB for the same folder.

    Args:
        path: ends in `.safetensors`.
        network: holds one style; its other weights are those in `trunk`.
        credit: of that style.
        training: how the style came about, for the header.
        trunk: the checkpoint of the network that the style belongs to.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {"style_vectors": network.style_vectors.detach().float().cpu().contiguous()}
    of_trunk = trunk_hash({name: value.detach().cpu() for name, value in network.state_dict().items()})
    _write(path, tensors, network, [credit], training, family="style", trunk=trunk.name, trunk_hash=of_trunk)


def read_header(path: Path) -> dict[str, str]:
    """What the header of a safetensors file says; empty where it has none.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as stored:
            return dict(stored.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"checkpoint {path}: is damaged or is not a safetensors file ({error})") from error


def is_single_style(path: Path) -> bool:
    """Whether a file was written by `save_style`."""
    try:
        return read_header(path).get("family") == "style"
    except CheckpointError:
        return False


def _write(
    path: Path,
    tensors: dict[str, Tensor],
    network: StyleNetwork,
    style_credits: list[StyleCredit],
    training: Mapping[str, str | int | float],
    **own: str,
) -> None:
    """Writes tensors under a header of what every file says, and what is its own."""
    header = own | {
        "styles": json.dumps(list(network.style_names)),
        "credits": json.dumps([asdict(credit) for credit in style_credits]),
        "training": json.dumps(training),
        "content_hash": content_hash(tensors),
    }
    write_arrays(path, {name: value.numpy() for name, value in tensors.items()}, header)


def trunk_hash(tensors: Mapping[str, Tensor]) -> str:
    """`content_hash` of a `FastNet` without its styles: what a single style is tied to."""
    return content_hash({name: value for name, value in tensors.items() if name not in _NOT_TRUNK})


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and float32 values, in the order of the names."""
    return hash_of_arrays({name: value.float().numpy() for name, value in tensors.items()})


def _load_safetensors(path: Path) -> StyleNetwork:
    header, tensors = _read(path)
    try:
        family, styles = header["family"], tuple(json.loads(header["styles"]))
        network: StyleNetwork
        if family == "fast":
            network = FastNet(styles, FastNetShape(**json.loads(header["shape"])))
        elif family == "transformer":
            network = TransformerNet(styles[0])
        elif family == "style":
            return _load_style(path, header, tensors, styles)
        else:
            raise CheckpointError(
                f"checkpoint {path}: unknown network family {family!r}; allowed: fast, transformer, style"
            )
        network.load_state_dict(tensors)
    except (LookupError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"checkpoint {path}: its weights do not fit a network of this project ({first_reason(error)})"
        ) from error
    return network


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The header and the tensors of a safetensors file whose content hash is right."""
    header, tensors = read_header(path), load_file(path)
    if "family" in header and content_hash(tensors) != header.get("content_hash"):
        raise CheckpointError(f"checkpoint {path}: its content hash does not match; the file is damaged, get it again")
    return header, tensors


def _load_style(path: Path, header: dict[str, str], tensors: dict[str, Tensor], styles: tuple[str, ...]) -> FastNet:
    """Puts a single style into the network that lies beside it."""
    trunk = path.with_name(Path(header["trunk"]).name)
    if not trunk.is_file():
        raise CheckpointError(f"style {path}: needs its network {trunk}, which is missing; put the two together")
    trunk_header, state = _read(trunk)
    if trunk_hash(state) != header["trunk_hash"]:
        raise CheckpointError(
            f"style {path}: was trained for another network than {trunk} holds now; remove it, "
            "and train it again with train_style.py"
        )
    network = FastNet(styles, FastNetShape(**json.loads(trunk_header["shape"])))
    network.load_state_dict(state | tensors)
    return network


def _load_pickle(path: Path) -> TransformerNet:
    """Reads a public `.pth`: a flat dict of tensors, saved by any PyTorch since 0.2."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if any(words in str(error).lower() for words in _WORDS_OF_REFUSAL):
            raise CheckpointError(
                f"checkpoint {path}: refused, this pickle wants to run code and not only to hold weights"
            ) from error
        raise CheckpointError(
            f"checkpoint {path}: cannot be read; expected a .safetensors or a .pth file of weights"
        ) from error
    if not isinstance(state, dict) or _PUBLIC_KEY not in state or not all(isinstance(name, str) for name in state):
        raise CheckpointError(
            f"checkpoint {path}: holds no style network; expected keys like {_PUBLIC_KEY} "
            "as in the public fast_neural_style checkpoints"
        )
    network = TransformerNet(path.stem)
    kept = {name: value for name, value in state.items() if not name.endswith(_DROPPED_SUFFIXES)}
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise CheckpointError(
            f"checkpoint {path}: its weights do not fit TransformerNet ({first_reason(error)})"
        ) from error
    return network
