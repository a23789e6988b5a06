"""A training so small that it takes no time: images, options, a trunk and a stand-in for the loss network.

Must not know any test.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.training.loss_network import Features, LossNetwork
from neural_style.training.options import NetworkKind, TrainOptions
from neural_style.weights.checkpoint import StyleCredit, save_checkpoint

SMALL = FastNetShape(width=8, num_blocks=1, head_width=4)


class FakeLossNetwork(LossNetwork):
    """One random convolution; remembers the mean colour of all photographs it was shown."""

    style_weights = (1.0,)
    close_up = 1

    def __init__(self) -> None:
        super().__init__()
        self.filters = torch.nn.Buffer(torch.randn((8, 3, 5, 5), generator=torch.Generator().manual_seed(0)) / 9)
        self.seen: list[tuple[int, ...]] = []
        self.broken = False

    def forward(self, images: Tensor) -> Features:
        if not images.requires_grad:
            self.seen += [tuple(round(c) for c in p.mean((1, 2)).tolist()) for p in images.float()]
        features = F.relu(F.conv2d(images.float() / 128 - 1, self.filters.float(), stride=4))
        return Features([features], [features * torch.nan if self.broken else features])


def write_noise(path: Path, seed: int) -> Path:
    """Writes an image of 80 x 70 random pixels, and its folder when that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (70, 80, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def write_trunk(path: Path, styles: str = "xyz", seed: int = 0) -> Path:
    """Writes a small network with a style for each letter, all weights random."""
    torch.manual_seed(seed)
    network = FastNet(tuple(styles), SMALL)
    with torch.no_grad():
        network.style_vectors.add_(0.4 * torch.randn_like(network.style_vectors))
        network.identity_trunk.add_(0.4 * torch.randn_like(network.identity_trunk))
    save_checkpoint(path, network, [StyleCredit(name, name, "own") for name in styles], {})
    return path


def small_options(
    folder: Path, output: str = "out.safetensors", styles: str = "a", photos: int = 2, network: NetworkKind = "fast"
) -> TrainOptions:
    """Four steps with one photograph each; each letter of `styles` is a style, and the images are written."""
    for i in range(photos):
        write_noise(folder / "photos" / f"{i:02}.png", seed=i)
    return TrainOptions(
        style_images=tuple(write_noise(folder / f"{name}.png", seed=ord(name)) for name in styles),
        credits=tuple(StyleCredit(name, f"stylizer of {name}", "public domain") for name in styles),
        content_dir=folder / "photos",
        output=folder / output,
        network=network,
        trunk=write_trunk(folder / "trunk.safetensors") if network == "style" else None,
        steps=4,
        batch_size=1,
        crop_px=64,
        style_size_px=64,
        save_every=2,
    )
