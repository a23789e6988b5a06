"""Owns styles that are predicted: any image in, the style out that stylizes like it."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from neural_style.errors import CheckpointError
from neural_style.weights.predictor import Array, Predictor, load_predictor
from realtime.errors import StyleError
from realtime.frame import Image
from realtime.media.image_file import IMAGE_SUFFIXES
from realtime.media.image_memory import ImageLimits
from realtime.media.opaque_image import read_on_white
from realtime.media.resize import middle_part, with_short_side
from realtime.style import Style, trunk_hash_of

STYLE_IMAGE_LIMITS = ImageLimits(pixels=2**26, side_px=2**14, aspect=32)
"""Of 67 megapixels the decoding alone takes a second."""

_REMEMBERED_CODES = 8
"""A run asks for its style several times: for each network that it measures."""


def is_style_image(text: str) -> bool:
    """Whether what stands for a style is the name of an image file; there may be none of this name."""
    return "+" not in text and Path(text).suffix.lower() in IMAGE_SUFFIXES


def is_of_image(style: Style) -> bool:
    """Whether a style was predicted for an image file."""
    return style.file is not None and style.file.suffix.lower() in IMAGE_SUFFIXES


def read_style_image(path: Path) -> Image:
    """Reads an image to be a style, uint8 (H, W, 3), RGB.

    Raises:
        SourceError: it is missing, no image, damaged, or larger than `STYLE_IMAGE_LIMITS`.
    """
    return read_on_white(path, "style image", STYLE_IMAGE_LIMITS)


def is_predicted(like: Style) -> bool:
    """Whether styles can be predicted for the network that a style is of."""
    try:
        _predictor_for(like, "")
    except (StyleError, CheckpointError):
        return False
    return True


def predict_style(image: Image, name: str, like: Style) -> Style:
    """The style of an image, for the shipped network that another style is of.

    Args:
        image: uint8 (H, W, 3), RGB, of any size.
        name: of the new style.
        like: any style of the network.

    Raises:
        StyleError: there is no predictor for the network.
        CheckpointError: the predictor is missing or damaged.
    """
    predictor = _predictor_for(like, name)
    vector = predictor.vector(_code(predictor, image), like.network)
    return replace(like, name=name, vector=vector, file=None, parts=())


def predict_style_of_file(path: Path, name: str, like: Style) -> Style:
    """The style of an image file, as `predict_style`; the file is read again only when it has changed.

    Raises:
        SourceError: the file is missing, no image, damaged, or larger than `STYLE_IMAGE_LIMITS`.
        StyleError: there is no predictor for the network.
        CheckpointError: the predictor is missing or damaged.
    """
    predictor = _predictor_for(like, name)
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError:
        changed_ns = 0
    vector = predictor.vector(_code_of_file(path, changed_ns), like.network)
    return replace(like, name=name, vector=vector, file=path, parts=())


@lru_cache(_REMEMBERED_CODES)  # a changed file has another code
def _code_of_file(path: Path, changed_ns: int) -> Array:
    return _code(load_predictor(), read_style_image(path))


def _code(predictor: Predictor, image: Image) -> Array:
    """What vectors are made from, of an image of any size; of a long one the middle is looked at."""
    part = middle_part(image, predictor.settings["max_aspect"])
    return predictor.code(with_short_side(part, int(predictor.settings["short_side_px"])))


def _predictor_for(like: Style, name: str) -> Predictor:
    predictor = load_predictor()
    if like.checkpoint is None or predictor.trunks.get(like.network) != trunk_hash_of(like.checkpoint):
        raise StyleError(
            f"style {name}: styles of images are predicted for the networks {' and '.join(predictor.trunks)} as they "
            f"are shipped, not for {like.checkpoint or like.model_file}; train one with train_style.py --trunk"
        )
    return predictor
