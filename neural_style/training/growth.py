"""Owns how a `FastNet` becomes a larger one that stylizes the same, so that training goes on from there."""

import torch
from torch import Tensor

from neural_style.errors import TrainingError
from neural_style.networks.fast_net import KERNEL_SIZE, FastNet, FastNetShape


@torch.no_grad()
def grown(network: FastNet, shape: FastNetShape) -> FastNet:
    """A network of a larger shape that gives the same images.

    New inner blocks end in a norm of scale 0, and new channels of the head have no weight in the
    last convolution. All else that is new is random, so that training can use it.

    Args:
        network: its weights are copied.
        shape: as the network's, but for a wider head or inner blocks where it has none.

    Raises:
        TrainingError: the shape is not larger in one of these two ways.
    """
    old = network.shape
    same_trunk = (shape.width, shape.num_blocks) == (old.width, old.num_blocks)
    same_inner = (shape.inner_width, shape.num_inner_blocks) == (old.inner_width, old.num_inner_blocks)
    if not same_trunk or shape.head_width < old.head_width or not (same_inner or old.num_inner_blocks == 0):
        raise TrainingError(
            f"network of {old}: cannot grow to {shape}; only the head can get wider, and inner blocks be new"
        )
    larger = FastNet(network.style_names, shape)
    for convolution in (*larger.inner_down, *larger.inner, *larger.inner_up, larger.head):
        # As large as trained kernels: a norm takes the size out again, and smaller ones would change too fast.
        size = convolution.weight.flatten(1).norm(dim=1)
        convolution.weight.mul_((KERNEL_SIZE / size)[:, None, None, None])
    state, known = larger.state_dict(), network.state_dict()
    for name, value in known.items():
        if name not in ("head.weight", "head.bias", "to_pixels.weight", "style_vectors", "identity_trunk"):
            state[name] = value
    state["head.weight"][: old.head_width] = known["head.weight"]
    state["head.bias"][: old.head_width] = known["head.bias"]
    state["to_pixels.weight"][:, : old.head_width] = known["to_pixels.weight"]
    state["to_pixels.weight"][:, old.head_width :] = 0
    state["style_vectors"] = _grown_vectors(network, larger, network.style_vectors)
    state["identity_trunk"] = _grown_vectors(network, larger, network.identity_vector[None])[
        0, : len(state["identity_trunk"])
    ]
    larger.load_state_dict(state)
    return larger


def _grown_vectors(network: FastNet, larger: FastNet, vectors: Tensor) -> Tensor:
    """Style vectors of a network for its larger one, float (N, larger.vector_size)."""
    result = larger.neutral_vector().repeat(len(vectors), 1)
    result[:, -1] = vectors[:, -1]
    of_norm, new = network.by_norm(vectors), larger.by_norm(result)  # what is written to `new` is in the result
    first_new = 1 if larger.shape.num_inner_blocks != network.shape.num_inner_blocks else len(new)
    for number, parts in enumerate(new):
        if first_new <= number < larger.first_trunk_norm:
            continue
        known = of_norm[number if number < first_new else number - larger.first_trunk_norm + 1]
        for part, old_part in zip(parts, known, strict=True):
            part[:, : old_part.shape[1]] = old_part
    if first_new == 1:
        new[larger.first_trunk_norm - 1][0].zero_()
    return result
