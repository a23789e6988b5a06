"""Makes `sample.mp4`, the clip that plays where there is no camera: `python -m tests.make_sample`.

Must not be needed to run anything: the clip is in the repository. Needs scikit-image,
whose wheel holds the photographs: the astronaut Eileen Collins (NASA, public domain),
a cup of coffee (Rachel Michetti, CC0) and the cat Chelsea (Stefan van der Walt, CC0).
"""

from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from realtime.frame import Image
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
    with av.open(str(SAMPLE_CLIP), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(_RATE_FPS))
        stream.width, stream.height = _SIZE_WH
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryslow", "crf": "23"}
        context = stream.codec_context
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        for pixels in _frames(photographs):
            image = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
