"""Owns the measure of a grid: what repeats every 4 or 8 pixels in the flat parts of a stylized image."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

PERIODS_PX = (4, 8)
"""Of the cells and blocks that networks with strides of 2 and 4 compute in, and of JPEG's blocks."""

_WINDOW_PX = 64
_STEP_PX = 32
_FLAT_SHARE = 0.1
_MIN_WINDOWS = 8
_NEAR = 1
"""Bins around a frequency that a Hann window spreads it over."""
_FAR = 3
"""Bins around a frequency that are its neighbours; half of a period of 8 px is 4 bins away."""


def grid_figures(stylized: Image, photograph: Image) -> dict[str, float]:
    """Measures what repeats every 4 or 8 px where the photograph is flat.

    With P the periodogram of windows of 64 x 64 px (Hann; Welch 1967), each divided by its own mean over
    frequencies of at least 1 / 16 per pixel so that no window outweighs the others, then averaged over the
    flattest tenth of the photograph and over channels, a figure is the sum over the period's frequencies f of P(f)
    over the sum of the means of P over the bins at a distance of 2 or 3 from f.

    Args:
        stylized: uint8 (H, W, 3) RGB.
        photograph: what it shows, uint8 (H, W, 3); with itself, how much it repeats unchanged.

    Returns:
        Power at a period over that at neighbouring frequencies, about 1 where nothing repeats: "grid_4_px", at the
        frequencies (i / 4, j / 4) per pixel but (0, 0), and "grid_8_px", at (i / 8, j / 8) that are none of those.

    Raises:
        ValueError: the sizes differ, or a side is shorter than 64 px.
    """
    if stylized.shape != photograph.shape or min(stylized.shape[:2]) < _WINDOW_PX:
        raise ValueError(
            f"grid: got images of shapes {stylized.shape} and {photograph.shape}; expected equal ones, "
            f"sides at least {_WINDOW_PX} px"
        )
    spectra = [_spectrum(stylized[top:, left:]) for top, left in _flattest(photograph)]
    power = np.mean(spectra, axis=0)
    fours, eights = (_WINDOW_PX // period for period in PERIODS_PX)
    places = [(i, j) for i in range(0, _WINDOW_PX, eights) for j in range(0, _WINDOW_PX, eights) if (i, j) != (0, 0)]
    of_four = [place for place in places if place[0] % fours == 0 and place[1] % fours == 0]
    of_eight = [place for place in places if place not in of_four]
    return {"grid_4_px": _ratio(power, of_four), "grid_8_px": _ratio(power, of_eight)}


def _flattest(photograph: Image) -> list[tuple[int, int]]:
    """Upper left corners of the windows with the least variance, of those that don't share all their pixels."""
    height, width = photograph.shape[:2]
    corners = [
        (top, left)
        for top in range(0, height - _WINDOW_PX + 1, _STEP_PX)
        for left in range(0, width - _WINDOW_PX + 1, _STEP_PX)
    ]
    variances = [float(_window(photograph[top:, left:]).var(axis=(0, 1)).sum()) for top, left in corners]
    count = min(len(corners), max(_MIN_WINDOWS, round(_FLAT_SHARE * len(corners))))
    return [corners[place] for place in np.argsort(variances, kind="stable")[:count]]


def _window(image: Image) -> NDArray[np.float64]:
    return image[:_WINDOW_PX, :_WINDOW_PX].astype(np.float64)


def _spectrum(image: Image) -> NDArray[np.float64]:
    """The periodogram of the first window, float64 (64, 64), of mean 1 above the frequency of 1 / 16 per pixel."""
    pixels = _window(image)
    hann = np.hanning(_WINDOW_PX + 1)[:-1]
    weighted = (pixels - pixels.mean(axis=(0, 1))) * (hann[:, None] * hann)[..., None]
    power = (np.abs(np.fft.fft2(weighted, axes=(0, 1))) ** 2).sum(axis=2)
    distance = np.minimum(np.arange(_WINDOW_PX), _WINDOW_PX - np.arange(_WINDOW_PX))
    fine = np.maximum(distance[:, None], distance) >= _WINDOW_PX // 16
    return np.asarray(power / max(float(power[fine].mean()), 1e-9), np.float64)


def _ratio(power: NDArray[np.float64], places: list[tuple[int, int]]) -> float:
    """Power at frequencies over the mean power of their neighbours."""
    offsets = np.abs(np.arange(-_FAR, _FAR + 1))
    beside = np.maximum(offsets[:, None], offsets) > _NEAR
    expected = 0.0
    for place in places:
        rows, columns = ((np.arange(at - _FAR, at + _FAR + 1) % _WINDOW_PX) for at in place)
        expected += float(power[np.ix_(rows, columns)][beside].mean())
    return sum(float(power[place]) for place in places) / max(expected, 1e-9)
