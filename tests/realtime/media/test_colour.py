"""Tests of colours and sizes between videos and RGB.

Must not read or write a video.
"""

from fractions import Fraction

import av
import numpy as np
import pytest
from fakes import difference, noise, solid

from realtime.media.colour import ColourTags, FromRgb, ToRgb, bit_depth, displayed_size_wh, tags_of


@pytest.mark.parametrize(
    ("matrix", "height_px", "expected"),
    [(1, 480, 1), (2, 480, 5), (2, 720, 1), (9, 480, 9), (0, 480, 1)],
    ids=["stated", "unstated and small", "unstated and large", "BT.2020", "RGB"],
)
def test_the_matrix_is_the_stated_one_or_the_usual_one(matrix: int, height_px: int, expected: int) -> None:
    assert ColourTags(matrix).matrix_for(height_px) == expected


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv444p10le"])
def test_there_and_back(matrix: int, full_range: bool, pixel_format: str) -> None:
    tags = ColourTags(matrix, full_range, matrix, matrix)
    image = FromRgb(tags, pixel_format, even=True)(noise())
    assert bit_depth(image) == (10 if "10" in pixel_format else 8)
    assert difference(ToRgb(tags)(image), noise()) < 1.0


@pytest.mark.parametrize(("full_range", "white"), [(False, 235), (True, 255)])
def test_white_has_the_value_of_its_range(full_range: bool, white: int) -> None:
    image = FromRgb(ColourTags(1, full_range), "yuv444p", even=False)(solid((255, 255, 255)))
    assert image.to_ndarray()[0].max() == white


def test_red_has_the_values_of_its_matrix() -> None:
    """ITU-R BT.601 and BT.709: luma of full red is 0.299 and 0.2126 of the range."""
    for matrix, share in ((5, 0.299), (1, 0.2126)):
        image = FromRgb(ColourTags(matrix, True), "yuv444p", even=False)(solid((255, 0, 0)))
        assert image.to_ndarray()[0].mean() == pytest.approx(255 * share, abs=1)


def test_the_last_row_and_column_are_repeated_for_even_sides() -> None:
    pixels = noise((63, 47))
    image = FromRgb(ColourTags(1), "yuv444p", even=True)(pixels)
    assert (image.width, image.height) == (64, 48)
    back = ToRgb(ColourTags(1))(image)
    assert np.array_equal(back[:, 63], back[:, 62])
    assert np.array_equal(back[47], back[46])


def test_tags_are_read_and_images_in_rgb_are_full_range() -> None:
    assert tags_of(av.VideoFrame.from_ndarray(noise(), format="rgb24")).full_range


@pytest.mark.parametrize(
    ("shape", "rotation", "max_side_px", "expected"),
    [
        (1.0, 0, None, (720, 480)),
        (1.0, 90, None, (480, 720)),
        (1.0, -180, None, (720, 480)),
        (float(Fraction(32, 27)), 0, None, (853, 480)),
        (1.0, 0, 360, (360, 240)),
        (1.0, 270, 360, (240, 360)),
        (1.0, 0, 1000, (720, 480)),
    ],
)
def test_the_displayed_size(shape: float, rotation: int, max_side_px: int | None, expected: tuple[int, int]) -> None:
    assert displayed_size_wh((720, 480), shape, rotation, max_side_px) == expected
