"""Owns what is laid before the judge: style images, photographs, images by others, frames of clips."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from neural_style.errors import EvaluationError
from neural_style.judging.judge import Image
from neural_style.judging.judge_network import MIN_SIDE_PX
from neural_style.photos import find_photos, hold_out, packaged_photos
from realtime.media.image_file import IMAGE_SUFFIXES, read_still
from realtime.media.video_reader import VideoReader


@dataclass(frozen=True)
class Exhibit:
    """An image and what it is called.

    Attributes:
        name: the file's.
        image: uint8 (H, W, 3) RGB.
    """

    name: str
    image: Image


def find_style_images(folder: Path, styles: tuple[str, ...]) -> list[Path]:
    """The style image of each style: the image file of its name.

    Raises:
        EvaluationError: there is no such folder, or a style has no image there.
    """
    if not folder.is_dir():
        raise EvaluationError(f"style folder {folder}: is not a folder; give the one that holds the paintings")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    by_style = {path.stem: path for path in reversed(files)}
    missing = [style for style in styles if style not in by_style]
    if missing:
        raise EvaluationError(
            f"style folder {folder}: holds no style image of {', '.join(missing)}; "
            f"put an image named {missing[0]}.jpg, .png or alike there"
        )
    return [by_style[style] for style in styles]


def held_out_photos(folder: Path | None, count: int) -> list[Path]:
    """Photographs that training in this folder does not see, spread evenly over their names.

    Args:
        folder: of photographs; None is those that scikit-image ships.
        count: how many at most.

    Raises:
        TrainingError: the folder is missing or holds no image.
        MissingPackageError: scikit-image is not installed.
    """
    held_out = hold_out(packaged_photos() if folder is None else find_photos(folder))[1]
    # Names sort by what is shown: neighbours are alike, so the first ones would not speak for all.
    places = np.linspace(0, len(held_out) - 1, min(count, len(held_out))).round().astype(int)
    return [held_out[place] for place in places]


def read_exhibit(path: Path, what: str) -> Exhibit:
    """Reads an image.

    Args:
        path: the file.
        what: what it is, for the error: "photograph".

    Raises:
        SourceError: it is missing or is no image.
        EvaluationError: it is too small to be judged.
    """
    image = read_still(path, what).pixels
    _check_size(f"{what} {path}", (image.shape[1], image.shape[0]))
    return Exhibit(path.name, image)


def read_frames(path: Path, max_frames: int) -> Iterator[Image]:
    """Decodes the first frames of a video, each uint8 (H, W, 3) RGB.

    Raises:
        SourceError: it is missing or holds no video.
        EvaluationError: it is damaged, has frames that are too small, or ends before its second frame.
    """
    reader = VideoReader(path)
    try:
        _check_size(f"video {path}", reader.info.size_wh)
        count = 0
        for frame in islice(reader.frames(), max_frames):
            count += 1
            yield frame.pixels
        if reader.lost or reader.damaged:
            raise EvaluationError(f"video {path}: is damaged; give one whose frames can all be decoded")
        if count < 2:
            raise EvaluationError(f"video {path}: has {count} frame; flicker is measured between two or more")
    finally:
        reader.close()


def _check_size(name: str, size_wh: tuple[int, int]) -> None:
    if min(size_wh) < MIN_SIDE_PX:
        raise EvaluationError(f"{name}: is {size_wh[0]}x{size_wh[1]} px; both sides must be {MIN_SIDE_PX} px or more")
