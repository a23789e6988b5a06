"""Owns the figures of a video while it is made: where its scenes change, and how much the stylized one flickers."""

import math

from neural_style.judging.flicker import mean_of_known, measure_motion, pair_error
from realtime.frame import Image, resize_to_fit
from realtime.media.video_frame import VideoFrame
from realtime.postprocess import is_cut

_MEASURED_WH = (256, 256)
_EVERY = 4
"""Of so many pairs of frames one is measured: optical flow costs about as much as a frame of a small video."""


class FlickerMeter:
    """Is shown every frame with its stylized image.

    Attributes:
        cuts: times of the frames that begin a scene, in units of the video's time base.
    """

    def __init__(self) -> None:
        self.cuts: list[int] = []
        self._previous: tuple[Image, Image] | None = None
        self._count = 0
        self._errors: list[tuple[float, float]] = []

    def add(self, frame: VideoFrame, stylized: Image) -> None:
        """Takes the next frame, and what it became, uint8 (H, W, 3) RGB."""
        if self._previous is not None:
            original, earlier = self._previous
            if is_cut(frame.pixels, original):
                self.cuts.append(frame.time)
            elif self._count % _EVERY == 1:
                self._measure(original, frame.pixels, earlier, stylized)
        self._previous = frame.pixels, stylized
        self._count += 1

    @property
    def flicker(self) -> float | None:
        """E_warp of the stylized video over that of the video itself: 1 is as steady; None where that has none.

        Lai et al. 2018 (arXiv 1808.00449, section 4), on frames of at most 256 px.
        """
        inputs = mean_of_known([original for original, _ in self._errors])
        outputs = mean_of_known([stylized for _, stylized in self._errors])
        return outputs / inputs if inputs > 0 and not math.isnan(outputs) else None

    def _measure(self, *images: Image) -> None:
        original, following, stylized, stylized_following = (_small(image) for image in images)
        motion = measure_motion(original, following)
        self._errors.append((pair_error(original, following, motion), pair_error(stylized, stylized_following, motion)))


def _small(image: Image) -> Image:
    return resize_to_fit(image, _MEASURED_WH) if max(image.shape[:2]) > max(_MEASURED_WH) else image
