"""Makes `sample.mp4`, the clip that plays where there is no camera: `python -m tests.make_sample`.

Must not be needed to run anything: the clip is in the repository. Needs scikit-image,
whose wheel holds the photographs: the astronaut Eileen Collins (NASA, public domain),
a cup of coffee (Rachel Michetti, CC0) and the cat Chelsea (Stefan van der Walt, CC0).
"""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np

from realtime.frame import Image
from realtime.media.codecs import ENCODERS, VideoFormat
from realtime.media.colour import ColourTags
from realtime.media.video_writer import VideoWriter
from realtime.sources.selection import SAMPLE_CLIP

_SIZE_WH = (640, 480)
_RATE_FPS = 25
_FRAMES_PER_PHOTOGRAPH = 50
_FADE_FRAMES = 10


def _view(photograph: Image, progress: float, zoom_in: bool) -> Image:
    """A window of the clip's shape that glides over the photograph and comes closer or draws back."""
    height, width = photograph.shape[:2]
    shape = _SIZE_WH[0] / _SIZE_WH[1]
    eased = progress * progress * (3 - 2 * progress)
    closeness = 1.0 - 0.3 * (eased if zoom_in else 1.0 - eased)
    view_h = min(height, width / shape) * closeness
    view_w = view_h * shape
    left, top = (width - view_w) * (0.3 + 0.4 * eased), (height - view_h) * (0.6 - 0.5 * eased)
    matrix = np.array([[view_w / _SIZE_WH[0], 0, left], [0, view_h / _SIZE_WH[1], top]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(photograph, matrix, _SIZE_WH, flags=flags, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def _frames(photographs: list[Image]) -> list[Image]:
    """Each photograph fades into the next, and the last into the first, so that the clip can loop."""
    frames = []
    for number, photograph in enumerate(photographs):
        following = photographs[(number + 1) % len(photographs)]
        for i in range(_FRAMES_PER_PHOTOGRAPH):
            length = _FRAMES_PER_PHOTOGRAPH + _FADE_FRAMES
            frame = _view(photograph, (i + _FADE_FRAMES) / length, zoom_in=number % 2 == 0)
            fading = i - (_FRAMES_PER_PHOTOGRAPH - _FADE_FRAMES)
            if fading >= 0:
                ahead = _view(following, fading / length, zoom_in=(number + 1) % len(photographs) % 2 == 0)
                weight = (fading + 1) / (_FADE_FRAMES + 1)
                frame = np.asarray(cv2.addWeighted(frame, 1 - weight, ahead, weight, 0), np.uint8)
            frames.append(frame)
    return frames


def main() -> None:
    """Writes the sample clip."""
    from skimage import data

    images = [getattr(data, name)() for name in ("astronaut", "coffee", "chelsea")]
    photographs = [np.asarray(image[:, :, :3], np.uint8) for image in images]
    encoder = replace(ENCODERS["h264"], options={"preset": "veryslow", "crf": "23"})
    tags = ColourTags(matrix=1, primaries=1, transfer=1)
    video_format = VideoFormat(_SIZE_WH, Fraction(1, _RATE_FPS), Fraction(_RATE_FPS), tags)
    writer = VideoWriter(SAMPLE_CLIP, encoder, video_format, f"video {SAMPLE_CLIP}")
    for time, pixels in enumerate(_frames(photographs)):
        writer.write(pixels, time, 1)
    writer.close()


if __name__ == "__main__":
    main()
