"""Owns the pictures that training reads: a folder of photographs, and the style pictures.

Must not know networks or losses.
"""

import logging
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from neural_style.errors import MissingPackageError, TrainingError

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}

MAX_VALIDATION_PICTURES = 50

_PACKAGED_PHOTOS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "rocket.jpg",
)

_MAX_CROPS_PER_SIDE = 3.5
"""The largest size of a photograph's shorter side, in crops: 256 px are then a part of an image of 900 px."""

_log = logging.getLogger(__name__)


def read_picture(path: Path) -> NDArray[np.uint8] | None:
    """Reads a picture file as uint8 (H, W, 3) RGB, or None when it cannot be decoded."""
    try:
        encoded = np.fromfile(path, np.uint8)
        bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    except (OSError, cv2.error):
        return None
    return None if bgr is None else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def read_style_picture(path: Path, short_side_px: int) -> Tensor:
    """Reads a style picture, resized so that its shorter side is `short_side_px`.

    Returns:
        float (1, 3, H, W), RGB, 0..255.

    Raises:
        TrainingError: the file is missing or is not a picture.
    """
    if not path.is_file():
        raise TrainingError(f"style picture {path}: no such file")
    picture = read_picture(path)
    if picture is None:
        raise TrainingError(f"style picture {path}: cannot be read as a picture; give a JPEG, PNG or WebP file")
    return _to_tensor(_resize_short_side(picture, short_side_px))[None]


def find_photos(folder: Path) -> list[Path]:
    """All picture files in a folder and its subfolders, sorted.

    Raises:
        TrainingError: the folder is missing or holds no picture.
    """
    if not folder.is_dir():
        raise TrainingError(f"content folder {folder}: is not a folder; give one that holds photographs")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise TrainingError(f"content folder {folder}: holds no picture ({', '.join(sorted(PICTURE_SUFFIXES))})")
    return paths


def packaged_photos() -> list[Path]:
    """Photographs in scikit-image's wheel: a person, a cat, a cup, a rocket, a motorcycle, ground and sky.

    Raises:
        MissingPackageError: scikit-image is not installed.
    """
    return [packaged_photo(name) for name in _PACKAGED_PHOTOS]


def packaged_photo(name: str) -> Path:
    """A picture file in scikit-image's wheel.

    Raises:
        MissingPackageError: scikit-image is not installed.
    """
    try:
        import skimage
    except ImportError as error:
        raise MissingPackageError(
            f"photograph {name}: comes with scikit-image, which is not installed; run: pip install "
            "scikit-image==0.26.0, or give your own photographs with --content-dir"
        ) from error
    return Path(skimage.__file__).parent / "data" / name


def hold_out(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Splits photographs into those to train on and, the last tenth by name (50 at most), those to judge with."""
    held_out = min(MAX_VALIDATION_PICTURES, len(paths) // 10)
    return (paths[:-held_out], paths[-held_out:]) if held_out else (paths, paths[:4])


class PhotoCrops(Dataset[Tensor]):
    """Random crops of photographs.

    Item `i` is drawn from a generator seeded with `(seed, i)`, so a resumed run sees
    what an uninterrupted one would. A photograph is resized first, so that a crop shows
    from all of it to a small part, as frames of cameras and large images do.

    Args:
        paths: picture files; one that cannot be read is named once and left out.
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
            picture = None if path in self._unreadable else read_picture(path)
            if picture is not None:
                return _to_tensor(self._crop(picture, rng))
            if path not in self._unreadable:
                self._unreadable.add(path)
                _log.warning("skipped %s: cannot be read as a picture", path)
        raise TrainingError(
            f"content folder {self.paths[0].parent}: none of its {len(self.paths)} pictures can be read"
        )

    def _crop(self, picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        crop = self._crop_px
        wanted = round(crop * _MAX_CROPS_PER_SIDE ** rng.uniform())
        resized = _resize_short_side(picture, wanted)
        top = rng.integers(resized.shape[0] - crop + 1)
        left = rng.integers(resized.shape[1] - crop + 1)
        cropped = resized[top : top + crop, left : left + crop]
        return cropped[:, ::-1] if rng.random() < 0.5 else cropped


def _resize_short_side(picture: NDArray[np.uint8], short_side_px: int) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = short_side_px / min(height, width)
    size_wh = (max(short_side_px, round(width * scale)), max(short_side_px, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size_wh, interpolation=method), np.uint8)


def _to_tensor(picture: NDArray[np.uint8]) -> Tensor:
    """uint8 (H, W, 3) to float (3, H, W), values unchanged."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()
