"""Owns what is laid before the judge: paintings by style, photographs, images by others, frames of clips.

Must not know networks or figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange

from neural_style.errors import EvaluationError
from neural_style.judging.judge import Image
from neural_style.judging.judge_network import MIN_SIDE_PX
from neural_style.photos import IMAGE_SUFFIXES, find_photos, hold_out, read_image


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
    """The painting of each style: the image file of its name.

    Raises:
        EvaluationError: there is no such folder, or a style has no painting there.
    """
    if not folder.is_dir():
        raise EvaluationError(f"style folder {folder}: is not a folder; give the one that holds the paintings")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    by_style = {path.stem: path for path in reversed(files)}
    missing = [style for style in styles if style not in by_style]
    if missing:
        raise EvaluationError(
            f"style folder {folder}: holds no painting of {', '.join(missing)}; "
            f"put an image named {missing[0]}.jpg, .png or alike there"
        )
    return [by_style[style] for style in styles]


def held_out_photos(folder: Path, count: int) -> list[Path]:
    """Photographs that training in this folder does not see, spread evenly over their names.

    Raises:
        TrainingError: the folder is missing or holds no image.
    """
    held_out = hold_out(find_photos(folder))[1]
    # Names sort by what is shown: neighbours are alike, so the first ones would not speak for all.
    places = np.linspace(0, len(held_out) - 1, min(count, len(held_out))).round().astype(int)
    return [held_out[place] for place in places]


def read_exhibit(path: Path, what: str) -> Exhibit:
    """Reads an image.

    Args:
        path: the file.
        what: what it is, for the error: "photograph".

    Raises:
        EvaluationError: it is missing, is no image, or is too small to be judged.
    """
    if not path.is_file():
        raise EvaluationError(f"{what} {path}: no such file")
    image = read_image(path)
    if image is None:
        raise EvaluationError(f"{what} {path}: cannot be read as an image; give a JPEG, PNG or WebP file")
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise EvaluationError(f"{what} {path}: is {width}x{height} px; both sides must be {MIN_SIDE_PX} px or more")
    return Exhibit(path.name, image)


def read_frames(path: Path, max_frames: int) -> Iterator[Image]:
    """Decodes the first frames of a clip, each uint8 (H, W, 3) RGB.

    Raises:
        EvaluationError: it is missing, holds no video, is damaged, has frames that are too small
            or of several sizes, or ends before its second frame.
    """
    if not path.is_file():
        raise EvaluationError(f"clip {path}: no such file")
    count, size_wh = 0, None
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise EvaluationError(f"clip {path}: holds no video track; give a video file")
            for frame in islice(container.decode(container.streams.video[0]), max_frames):
                count += 1
                rgb = frame.reformat(format="rgb24", dst_color_range=ColorRange.JPEG).to_ndarray()
                size_wh = rgb.shape[1::-1] if size_wh is None else size_wh
                if min(size_wh) < MIN_SIDE_PX or rgb.shape[1::-1] != size_wh:
                    raise EvaluationError(
                        f"clip {path}: frame {count} is {rgb.shape[1]}x{rgb.shape[0]} px; "
                        f"all must have one size, and both sides be {MIN_SIDE_PX} px or more"
                    )
                yield np.asarray(rgb, np.uint8)
    except FFmpegError as error:
        raise EvaluationError(
            f"clip {path}: is damaged or is not a video that FFmpeg can decode ({error.strerror})"
        ) from error
    if count < 2:
        raise EvaluationError(f"clip {path}: has {count} frame; flicker is measured between two or more")
