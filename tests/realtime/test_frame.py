"""Tests of frames: what they refuse, colour order, and sizes.

Must not need sources or engines.
"""

import cv2
import numpy as np
import pytest
from fakes import RED, make_frame, solid

from realtime.errors import FrameError
from realtime.frame import FrameBatch, check_image, fit_size_wh, from_bgr, resize_to_fit, to_bgr


@pytest.mark.parametrize(
    ("pixels", "got"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32 (4, 4, 3)"),
        (np.zeros((4, 4), np.uint8), "uint8 (4, 4)"),
        (np.zeros((4, 4, 4), np.uint8), "uint8 (4, 4, 4)"),
        (np.zeros((0, 4, 3), np.uint8), "uint8 (0, 4, 3)"),
        ([[1, 2, 3]], "list"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_image_is_refused_with_what_it_is(pixels: object, got: str) -> None:
    with pytest.raises(FrameError) as refused:
        check_image(pixels)
    assert f"got {got}, expected" in str(refused.value)


def test_frame_checks_its_pixels_and_knows_its_size() -> None:
    assert make_frame(solid(RED, (7, 5))).size_wh == (7, 5)
    with pytest.raises(FrameError):
        make_frame(np.zeros((5, 7), np.uint8))


def test_batch_refuses_no_frame_and_different_sizes() -> None:
    with pytest.raises(FrameError, match="batch of 0 frames"):
        FrameBatch(())
    with pytest.raises(FrameError, match=r"\(4, 4\), \(6, 4\)"):
        FrameBatch((make_frame(solid(RED, (6, 4))), make_frame(solid(RED, (4, 4)))))


def test_batch_stacks_in_order_and_one_frame_is_not_copied() -> None:
    frames = tuple(make_frame(solid((i, i, i), (6, 4)), i) for i in range(3))
    stacked = FrameBatch(frames).stacked()
    assert stacked.shape == (3, 4, 6, 3)
    assert stacked[:, 0, 0, 0].tolist() == [0, 1, 2]
    single = FrameBatch(frames[:1]).stacked()
    assert single.shape == (1, 4, 6, 3)
    assert np.shares_memory(single, frames[0].pixels)


def test_colour_order_changes_both_ways() -> None:
    pixels = np.array([[[1, 2, 3], [200, 100, 50]]], np.uint8)
    assert from_bgr(pixels).tolist() == [[[3, 2, 1], [50, 100, 200]]]
    assert to_bgr(pixels).tolist() == [[[3, 2, 1], [50, 100, 200]]]
    ok, encoded = cv2.imencode(".png", to_bgr(solid(RED)))
    assert ok
    assert np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))[0, 0].tolist() == list(RED)


@pytest.mark.parametrize(
    ("size_wh", "inside_wh", "expected"),
    [
        ((1920, 1080), (640, 480), (640, 360)),
        ((1080, 1920), (640, 480), (270, 480)),
        ((320, 240), (640, 480), (640, 480)),
        ((640, 480), (640, 480), (640, 480)),
        ((1000, 1), (10, 10), (10, 1)),
        ((1, 1000), (10, 10), (1, 10)),
        ((3, 3), (1, 1), (1, 1)),
    ],
)
def test_size_fits_inside_and_keeps_its_shape(
    size_wh: tuple[int, int], inside_wh: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fit_size_wh(size_wh, inside_wh) == expected


def test_resizing_keeps_dtype_and_gives_back_what_already_fits() -> None:
    pixels = solid(RED, (64, 48))
    assert resize_to_fit(pixels, None) is pixels
    assert resize_to_fit(pixels, (64, 100)) is pixels
    smaller = resize_to_fit(pixels, (20, 20))
    assert smaller.dtype == np.uint8
    assert smaller.shape == (15, 20, 3)
    assert (smaller == RED).all()
    assert resize_to_fit(pixels, (128, 128)).shape == (96, 128, 3)
