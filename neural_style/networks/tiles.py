"""Owns stylizing an image in parts, with the same result as in one: for images larger than memory.

Must not know files or engines.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural_style.networks.fast_net import ConditionalInstanceNorm
from neural_style.weights.checkpoint import StyleNetwork

HALO_PX = 96
"""What a part sees around it. More than half of what decides a pixel: 36 px for `FastNet`, 85 for `TransformerNet`."""


_Norm = ConditionalInstanceNorm | nn.InstanceNorm2d


@dataclass(frozen=True)
class _Tile:
    """A part of an image: rows and columns that it stylizes, and those that it sees."""

    top: int
    bottom: int
    left: int
    right: int
    seen_top: int
    seen_bottom: int
    seen_left: int
    seen_right: int


class _EnoughError(Exception):
    """The norm whose statistics were wanted has been reached."""


class _WholeImageNorms:
    """Makes a network's instance norms use statistics of a whole image, gathered part by part, norm after norm."""

    def __init__(self, network: nn.Module) -> None:
        self.modules: list[_Norm] = [module for module in network.modules() if isinstance(module, _Norm)]
        self._known: dict[_Norm, tuple[Tensor, Tensor]] = {}
        self._sums: list[Tensor] = []
        self._wanted: _Norm | None = None
        self._inside: Callable[[Tensor], Tensor] = lambda features: features

    @contextmanager
    def attached(self) -> Iterator[None]:
        """While this lasts, the network calls back here at each norm."""
        hooks = [module.register_forward_hook(self._at_norm) for module in self.modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def look_at(self, inside: Callable[[Tensor], Tensor]) -> None:
        """Says which features of the next part belong to it, and not to its surroundings."""
        self._inside = inside

    def finish_norm(self) -> None:
        """All parts were seen up to the next unknown norm: its statistics are known from now on."""
        assert self._wanted is not None
        count, total, squares = self._sums
        mean = total / count
        variance = (squares / count - mean.square()).clamp_min(0)
        self._known[self._wanted] = mean, (variance + self._wanted.eps).rsqrt()
        self._sums, self._wanted = [], None

    @property
    def complete(self) -> bool:
        """Whether the statistics of all norms are known."""
        return len(self._known) == len(self.modules)

    def _at_norm(self, module: _Norm, arguments: tuple[Tensor, ...], _: Any) -> Tensor:
        features = arguments[0]
        if module in self._known:
            mean, factor = (value[None, :, None, None].to(features.dtype) for value in self._known[module])
            return _scaled(module, (features - mean) * factor, arguments[1:])
        self._wanted = module
        part = self._inside(features)[0].flatten(1).double()  # (C, pixels)
        sums = [torch.tensor(float(part.shape[1])), part.sum(1), part.square().sum(1)]
        self._sums = [old + new for old, new in zip(self._sums, sums, strict=True)] if self._sums else sums
        raise _EnoughError


def stylize_in_tiles(
    network: StyleNetwork, image: NDArray[np.uint8], vector: Tensor | None, tile_px: int
) -> NDArray[np.uint8]:
    """Stylizes one image of any size in parts of at most `tile_px` a side.

    The parts are passed through the network once for each instance norm, up to that norm, to
    gather its mean and variance over the whole image, and once more to stylize. So the result
    is that of the whole image up to rounding, for the memory of one part and about
    half as many times the work as there are norms.

    Args:
        network: on its device; computes in the dtype of its weights.
        image: uint8 (H, W, 3) RGB.
        vector: float (1, vector_size) on the network's device; None for a network without.
        tile_px: side of a part; rounded down to a multiple of 8.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    device = next(network.parameters()).device
    tiles = _tiles(image.shape[0], image.shape[1], max(8, tile_px // 8 * 8))
    norms, stylized = _WholeImageNorms(network), np.empty_like(image)

    def stylize(tile: _Tile) -> Tensor:
        norms.look_at(lambda features: _inside(features, tile))
        seen = image[tile.seen_top : tile.seen_bottom, tile.seen_left : tile.seen_right]
        pixels = torch.from_numpy(np.ascontiguousarray(seen)).to(device)  # (h, w, 3)
        return network(pixels.permute(2, 0, 1)[None].float(), vector)  # type: ignore[no-any-return]

    with norms.attached():
        while not norms.complete:
            for tile in tiles:
                try:
                    stylize(tile)
                except _EnoughError:
                    continue
            norms.finish_norm()
        for tile in tiles:
            rounded = stylize(tile)[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
            top, left = tile.top - tile.seen_top, tile.left - tile.seen_left
            stylized[tile.top : tile.bottom, tile.left : tile.right] = rounded[
                top : top + tile.bottom - tile.top, left : left + tile.right - tile.left
            ]
    return stylized


def _tiles(height: int, width: int, side: int) -> list[_Tile]:
    return [
        _Tile(
            *(top, min(top + side, height), left, min(left + side, width)),
            *(max(0, top - HALO_PX), min(height, top + side + HALO_PX)),
            *(max(0, left - HALO_PX), min(width, left + side + HALO_PX)),
        )
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def _inside(features: Tensor, tile: _Tile) -> Tensor:
    """The part of a layer (1, C, h, w) that a tile stylizes; at the image's end with what the network padded."""
    rows = _span(features.shape[2], tile.top, tile.bottom, tile.seen_top, tile.seen_bottom)
    columns = _span(features.shape[3], tile.left, tile.right, tile.seen_left, tile.seen_right)
    return features[:, :, rows, columns]


def _span(size: int, first: int, last: int, seen_first: int, seen_last: int) -> slice:
    step = max(1, round((seen_last - seen_first) / size))
    stop = size if last == seen_last else (last - seen_first) // step
    return slice((first - seen_first) // step, stop)


def _scaled(norm: nn.Module, normalized: Tensor, modulation: tuple[Tensor, ...]) -> Tensor:
    if isinstance(norm, nn.InstanceNorm2d):
        scale, shift = norm.weight[None], norm.bias[None]
    else:
        scale, shift = modulation
    return normalized * scale[:, :, None, None] + shift[:, :, None, None]
