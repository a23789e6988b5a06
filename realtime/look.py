"""What the next image looks like: its style, how strong, in which colours, how steady."""

from dataclasses import dataclass

from realtime.style import Style


@dataclass(frozen=True)
class Look:
    """What the next image looks like.

    Attributes:
        style: whose network and vector.
        strength: 0 is the camera's image, 1 the stylized image.
        keep_colors: stylize with the colours of the camera's image.
        smoothing: 0..1, see `realtime.postprocess`.
        mirror: swap left and right.
    """

    style: Style
    strength: float
    keep_colors: bool
    smoothing: float
    mirror: bool = False
