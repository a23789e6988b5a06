"""Owns styles that are made of others or of images: the weighted mean of a blend, and a part of it."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realtime.errors import StyleError
from realtime.style import Style
from realtime.style_prediction import is_style_image, predict_style_of_file

if TYPE_CHECKING:
    from realtime.style_catalogue import Catalogue

MAX_BLENDED = 8
"""Styles in one blend; of more nobody sees the parts."""


def style_of_image(path: Path, catalogue: "Catalogue") -> Style:
    """The style that is predicted for an image, named as its file; the same again when it is there already."""
    known = [style for style in catalogue.styles if style.file == path]
    if known:
        return known[0]
    return predict_style_of_file(path, catalogue.new_name(path), catalogue.styles[0])


def blend(text: str, catalogue: "Catalogue", may_read: bool) -> Style:
    """A style whose vector is the weighted mean of others (Dumoulin et al. 2017, section 3.3).

    Raises:
        StyleError: a part is unknown, cannot be used or lies in another network, a weight is no number above 0, or
            there are more than eight parts.
    """
    count = text.count("+") + 1
    if count > MAX_BLENDED:
        raise StyleError(f"blend {text[:40]!r}...: has {count} parts; at most {MAX_BLENDED} styles are blended")
    parts = [_part(part, text, catalogue, may_read) for part in text.split("+")]
    first = parts[0][0]
    if len(parts) == 1:
        raise StyleError(f"blend {text!r}: has one part only; for less of a style use --strength")
    largest = max(weight for _, weight in parts)
    total = sum(weight / largest for _, weight in parts)
    shares = [weight / largest / total for _, weight in parts]
    vectors = []
    for style, _ in parts:
        if style.vector is None:
            raise StyleError(f"blend {text!r}: {style.name} is a network of its own; only styles of one can be blended")
        if (style.checkpoint, style.model_file) != (first.checkpoint, first.model_file):
            raise StyleError(
                f"blend {text!r}: {first.name} is in {first.checkpoint}, {style.name} in {style.checkpoint}; "
                "only styles of one network can be blended, and --network chooses it"
            )
        vectors.append(style.vector)
    return replace(
        first,
        name="+".join(f"{style.name}:{share:.3g}" for (style, _), share in zip(parts, shares, strict=True)),
        vector=np.average(vectors, axis=0, weights=shares).astype(np.float32),
        file=None,
        parts=tuple(style.name for style, _ in parts),
    )


def _part(part: str, text: str, catalogue: "Catalogue", may_read: bool) -> tuple[Style, float]:
    """The style and the weight in "candy:0.6"; a weight that is left out is 1."""
    name, separator, number = (word.strip() for word in part.partition(":"))
    if may_read and is_style_image(part.strip()):  # whose folder may have a colon
        name, separator, number = part.strip(), "", ""
    if not name:
        raise StyleError(f"blend {text!r}: the name of a part is missing; write it as in candy:0.6+udnie:0.4")
    of_image = may_read and is_style_image(name)
    style = style_of_image(Path(name), catalogue) if of_image else catalogue.styles[catalogue.index_of(name)]
    try:
        weight = float(number) if separator else 1.0
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise StyleError(f"blend {text!r}: weight {number!r} of {name} must be a number above 0, as in a:0.6+b:0.4")
    if style.fault:
        raise StyleError(style.fault)
    return style, weight
