"""Owns what training reads: crops of photographs, and the style images."""

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from neural_style.errors import StylizationError, TrainingError
from realtime.media.image_file import read_still
from realtime.media.opaque_image import read_on_white
from realtime.media.resize import with_short_side

_MAX_CROPS_PER_SIDE = 3.5
"""The largest size of a photograph's shorter side, in crops: 256 px are then a part of an image of 900 px."""

_log = logging.getLogger(__name__)


def read_style_image(path: Path, short_side_px: int) -> Tensor:
    """Reads a style image, resized so that its shorter side is `short_side_px`.

    Returns:
        float (1, 3, H, W), RGB, 0..255.

    Raises:
        SourceError: the file is missing or is not an image.
    """
    return _to_tensor(with_short_side(read_on_white(path, "style image"), short_side_px))[None]


class PhotoCrops(Dataset[Tensor]):
    """Random crops of photographs.

    Item `i` is drawn from a generator seeded with `(seed, i)`, so a resumed run sees
    what an uninterrupted one would. A photograph is resized first, so that a crop shows
    from all of it to a small part, as frames of cameras and large images do.

    Args:
        paths: image files; one that cannot be read is named once and left out.
        crop_px: side of the square crops.
        length: number of items.
        seed: of the drawing.
    """

    def __init__(self, paths: list[Path], crop_px: int, length: int, seed: int) -> None:
        self.paths = paths
        self._crop_px, self._length, self._seed = crop_px, length, seed
        self._unreadable: set[Path] = set()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Tensor:
        """Returns float (3, crop, crop), RGB, 0..255."""
        rng = np.random.default_rng((self._seed, index))
        for number in rng.permutation(len(self.paths)):
            path = self.paths[number]
            if path in self._unreadable:
                continue
            try:
                return _to_tensor(self._crop(read_still(path).pixels, rng))
            except StylizationError as error:
                self._unreadable.add(path)
                _log.warning("skipped %s", error)
        raise TrainingError(f"content folder {self.paths[0].parent}: none of its {len(self.paths)} images can be read")

    def _crop(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        crop = self._crop_px
        wanted = round(crop * _MAX_CROPS_PER_SIDE ** rng.uniform())
        resized = with_short_side(image, wanted)
        top = rng.integers(resized.shape[0] - crop + 1)
        left = rng.integers(resized.shape[1] - crop + 1)
        cropped = resized[top : top + crop, left : left + crop]
        return cropped[:, ::-1] if rng.random() < 0.5 else cropped


def _to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """uint8 (H, W, 3) to float (3, H, W), values unchanged."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()
