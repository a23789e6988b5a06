"""Owns stylizing an image in parts, with the same result as in one: for images larger than memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural_style.networks.fast_net import ConditionalInstanceNorm
from neural_style.weights.checkpoint import StyleNetwork

HALO_PX = 128
"""How far a part sees around itself. A pixel depends on 36 px around it in the fast network, on 85 in
`TransformerNet`, and on 124 in the fine network."""

LEAST_TILE_PX = 1024
"""Smaller parts save little, for a megapixel takes a quarter of a GB, and cost several times as much as the whole."""


_Norm = ConditionalInstanceNorm | nn.InstanceNorm2d

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Span:
    """The rows, or the columns, of a part of an image: those that it stylizes, and those that it sees."""

    first: int
    last: int
    seen_first: int
    seen_last: int

    @property
    def seen(self) -> slice:
        return slice(self.seen_first, self.seen_last)

    @property
    def stylized(self) -> slice:
        return slice(self.first, self.last)

    def inside(self, size: int) -> slice:
        """Where the stylized ones lie on a side of a layer; at the image's end with what the network padded."""
        step = max(1, round((self.seen_last - self.seen_first) / size))
        stop = size if self.last == self.seen_last else (self.last - self.seen_first) // step
        return slice((self.first - self.seen_first) // step, stop)


class _EnoughError(Exception):
    """The norm whose statistics were wanted has been reached."""


class _WholeImageNorms:
    """Makes a network's instance norms use statistics of a whole image, gathered part by part, norm after norm.

    Attributes:
        inside: gives the features of the next part that belong to it, and not to its surroundings.
    """

    def __init__(self, network: nn.Module) -> None:
        self.modules: list[_Norm] = [module for module in network.modules() if isinstance(module, _Norm)]
        self._known: dict[_Norm, tuple[Tensor, Tensor]] = {}
        self._sums: list[Tensor] = []
        self._wanted: _Norm | None = None
        self.inside: Callable[[Tensor], Tensor] = lambda features: features

    @contextmanager
    def attached(self) -> Iterator[None]:
        """While this lasts, the network calls back here at each norm."""
        hooks = [module.register_forward_hook(self._at_norm) for module in self.modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

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
        part = self.inside(features)[0].flatten(1)  # (C, pixels)
        # Only sums are in double precision: a copy of the whole map would be four times as large as it is in fp16.
        totals = [each.sum(1, dtype=torch.float64) for each in (part, part.float().square())]
        sums = [torch.tensor(float(part.shape[1])), *totals]
        self._sums = [old + new for old, new in zip(self._sums, sums, strict=True)] if self._sums else sums
        raise _EnoughError


def stylize_in_tiles(
    network: StyleNetwork,
    image: NDArray[np.uint8],
    vector: Tensor | None,
    tile_px: int,
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """Stylizes one image of any size in parts of at most `tile_px` a side.

    The parts are passed through the network once for each instance norm, up to that norm, to
    gather its mean and variance over the whole image, and once more to stylize. So the result
    is that of the whole image up to rounding, for the memory of one part and about
    half as many times the work as there are norms. An image of no more pixels than one part sees
    takes no more memory as a whole, and is stylized in one pass.

    Args:
        network: on its device; computes in the dtype of its weights.
        image: uint8 (H, W, 3) RGB.
        vector: float (1, vector_size) on the network's device; None for a network without.
        tile_px: side of a part; rounded down to a multiple of 8.
        progress: takes how many passes of parts are done, and how many there will be.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    device = next(network.parameters()).device
    side = max(8, tile_px // 8 * 8)
    is_seen_whole = image.shape[0] * image.shape[1] <= (side + 2 * HALO_PX) ** 2
    side = max(image.shape[:2]) if is_seen_whole else side
    tiles = list(product(_spans(image.shape[0], side), _spans(image.shape[1], side)))
    norms, stylized = _WholeImageNorms(network), np.empty_like(image)
    passes, done = 1 if is_seen_whole else len(tiles) * (len(norms.modules) + 1), count(1)

    def stylize(rows: _Span, columns: _Span) -> Tensor:
        norms.inside = partial(_inside, rows=rows, columns=columns)
        pixels = torch.from_numpy(np.ascontiguousarray(image[rows.seen, columns.seen])).to(device)  # (h, w, 3)
        if progress is not None:
            progress(next(done), passes)
        return network(pixels.permute(2, 0, 1)[None].float(), vector)  # type: ignore[no-any-return]

    with nullcontext() if is_seen_whole else norms.attached():
        while not (is_seen_whole or norms.complete):
            for tile in tiles:
                with suppress(_EnoughError):
                    stylize(*tile)
            norms.finish_norm()
        for rows, columns in tiles:
            whole = stylize(rows, columns)  # (1, 3, h, w)
            stylized[rows.stylized, columns.stylized] = _rounded(_inside(whole, rows, columns)[0])
    return stylized


def _rounded(image: Tensor) -> NDArray[np.uint8]:
    """uint8 (h, w, 3) of an image, float (3, h, w) on any device."""
    return image.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def _inside(features: Tensor, rows: _Span, columns: _Span) -> Tensor:
    """The part of a layer (N, C, h, w) that the stylized rows and columns lie in."""
    return features[:, :, rows.inside(features.shape[2]), columns.inside(features.shape[3])]


def _spans(length: int, side: int) -> list[_Span]:
    return [
        _Span(first, min(first + side, length), max(0, first - HALO_PX), min(length, first + side + HALO_PX))
        for first in range(0, length, side)
    ]


def _scaled(norm: nn.Module, normalized: Tensor, modulation: tuple[Tensor, ...]) -> Tensor:
    if isinstance(norm, nn.InstanceNorm2d):
        scale, shift = norm.weight[None], norm.bias[None]
    else:
        scale, shift = modulation
    return normalized * scale[:, :, None, None] + shift[:, :, None, None]
