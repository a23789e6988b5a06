"""Owns folders of photographs: which files they hold, and which of them are kept out of training."""

from pathlib import Path

from neural_style.errors import MissingPackageError, TrainingError
from realtime.media.image_file import IMAGE_SUFFIXES

MAX_VALIDATION_IMAGES = 50
_PAINTINGS_EVERY, _PAINTINGS_FIRST = 7, 3

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


def find_photos(folder: Path, what: str = "content folder") -> list[Path]:
    """All image files in a folder and its subfolders, sorted.

    Args:
        folder: where to look.
        what: what it is, for messages.

    Raises:
        TrainingError: the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise TrainingError(f"{what} {folder}: is not a folder; give one that holds images")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise TrainingError(f"{what} {folder}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
    return paths


def packaged_photos(option: str = "--content-dir") -> list[Path]:
    """Photographs in scikit-image's wheel: a person, a cat, a cup, a rocket, a motorcycle, ground and sky.

    Args:
        option: that takes others, for messages.

    Raises:
        MissingPackageError: scikit-image is not installed.
    """
    return [packaged_photo(name, option) for name in _PACKAGED_PHOTOS]


def packaged_photo(name: str, option: str = "--content-dir") -> Path:
    """An image file in scikit-image's wheel; `option` as of `packaged_photos`.

    Raises:
        MissingPackageError: scikit-image is not installed.
    """
    try:
        import skimage
    except ImportError as error:
        raise MissingPackageError(
            f"photograph {name}: comes with scikit-image, which is not installed; run: pip install "
            f"scikit-image==0.26.0, or give your own photographs with {option}"
        ) from error
    return Path(skimage.__file__).parent / "data" / name


def hold_out(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Splits photographs into those to train on and, the last tenth by name (50 at most), those to judge with."""
    held_out = min(MAX_VALIDATION_IMAGES, len(paths) // 10)
    return (paths[:-held_out], paths[-held_out:]) if held_out else (paths, paths[:4])


def hold_out_paintings(paths: list[Path]) -> list[Path]:
    """Of paintings, sorted by name, those that the training of the style predictor does not see."""
    return paths[_PAINTINGS_FIRST::_PAINTINGS_EVERY]
