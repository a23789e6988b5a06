"""Owns the start of a training: the network before the first step, and the learning rate of each weight."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neural_style.errors import TrainingError
from neural_style.networks.fast_net import FAST, FINE, FastNet
from neural_style.networks.style_predictor import INPUT_SHORT_SIDE_PX, MAX_ASPECT
from neural_style.networks.transformer_net import TransformerNet
from neural_style.training.growth import grown
from neural_style.training.losses import PerceptualLoss
from neural_style.training.options import TrainOptions
from neural_style.weights.checkpoint import StyleNetwork, is_single_style, load_checkpoint, trunk_hash
from neural_style.weights.predictor import predicted_vector
from realtime.media.opaque_image import read_on_white
from realtime.media.resize import middle_part, with_short_side

_VECTOR_RATE = 5.0
"""The learning rate of style vectors, over that of convolutions."""


def parameter_groups(network: StyleNetwork, options: TrainOptions) -> list[dict[str, Any]]:
    """Style vectors hold values near one, convolutions near a twentieth: they need larger steps.

    A style that is drawn in one of n steps moves sqrt(n) times as far in each of them, because Adam divides
    by the root of the mean square gradient: with many styles the rate of their vectors is lower by this factor.
    """
    of_styles = ("style_vectors", "identity_trunk")
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    vectors = [p for name, p in trained if name in of_styles]
    others = [p for name, p in trained if name not in of_styles]
    share_of_steps = min(1.0, options.batch_size / len(options.credits))
    faster = _VECTOR_RATE * share_of_steps**0.5
    rate = options.learning_rate
    groups = [{"params": others, "lr": rate}, {"params": vectors, "lr": faster * rate}]
    return [group for group in groups if group["params"]]


def new_network(options: TrainOptions) -> StyleNetwork:
    """The network as it is before the first step; what is not to be trained needs no gradient.

    Raises:
        CheckpointError: the file to start from cannot be read.
        TrainingError: it does not fit what is to be trained.
    """
    names = tuple(credit.name for credit in options.credits)
    base, path = None, options.trunk or options.start_from
    if path is not None:
        if is_single_style(path):
            raise TrainingError(f"checkpoint {path}: is a single style; give the network that it belongs to")
        base = load_checkpoint(path)
        if base.family != ("transformer" if options.network == "transformer" else "fast"):
            raise TrainingError(
                f"checkpoint {path}: holds a {base.family} network, which cannot become {options.network}"
            )
    if options.network == "transformer":
        stylizer = TransformerNet(names[0])
        if base is not None:
            stylizer.load_state_dict(base.state_dict())
        return stylizer
    shape = {"fast": FAST, "fine": FINE}.get(options.network)
    if not isinstance(base, FastNet):
        return FastNet(names, shape)
    if shape is not None and shape.num_inner_blocks > base.shape.num_inner_blocks:
        base = grown(base, shape)
    network = FastNet(names, base.shape)
    state = base.state_dict()
    known = dict(zip(base.style_names, base.style_vectors, strict=True))
    average = base.style_vectors.mean(0)
    state["style_vectors"] = torch.stack([known.get(name, average) for name in names])
    network.load_state_dict(state)
    if options.network == "style":
        network.requires_grad_(False)
        network.style_vectors.requires_grad_(True)
    return network


@torch.no_grad()
def nearest_style(network: FastNet, vectors: Tensor, loss: PerceptualLoss, photographs: Tensor) -> Tensor:
    """The style vector that stylizes most like the first style of a loss: the best start for one of its own.

    Args:
        network: stylizes.
        vectors: float (n, vector_size), to choose from.
        loss: knows the style that is to be learned.
        photographs: float (N, 3, H, W), 0..255, to try the vectors on.

    Returns:
        float (vector_size,).
    """
    count = len(photographs)
    first, full = torch.zeros(count, dtype=torch.long), torch.ones(count)
    distances = []
    for vector in vectors:
        stylized = network(photographs, vector[None]).clamp(0, 255)
        terms = loss(stylized, photographs, first.to(vector.device), full.to(vector.device), (0.5, 0.5))
        distances.append(terms["style"] + terms["colour"])
    return vectors[int(torch.stack(distances).argmin())].clone()


def predicted_start(network: FastNet, style_image: Path) -> Tensor | None:
    """The style vector that the shipped predictor gives for an image file: float (vector_size,); None without one.

    Raises:
        CheckpointError: the predictor's file is damaged.
        SourceError: the image cannot be read.
    """
    part = middle_part(read_on_white(style_image, "style image"), MAX_ASPECT)
    vector = predicted_vector(trunk_hash(network.state_dict()), with_short_side(part, INPUT_SHORT_SIDE_PX))
    return None if vector is None else torch.from_numpy(vector)
