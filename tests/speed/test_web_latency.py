"""Tests of the stamps that measure the way to a page, without a browser."""

import numpy as np
import pytest

from realtime.frame import Image
from speed.web_latency import BITS, BLOCK_PX, SIZE_WH, StampedSource, age_ms, stamp


def _read(pixels: Image) -> int:
    row = pixels[BLOCK_PX // 2, BLOCK_PX // 2 :: BLOCK_PX, 0]
    return sum(int(value > 127) << bit for bit, value in enumerate(row[:BITS]))


@pytest.mark.parametrize("value", [0, 1, 0x8001, 0xABCD, 2**BITS - 1])
def test_a_stamp_is_read_as_it_was_drawn(value: int) -> None:
    pixels = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    stamp(pixels, value)
    assert _read(pixels) == value


def test_an_age_is_right_also_when_the_stamp_has_wrapped() -> None:
    assert age_ms(1000.0, 940) == 60
    assert age_ms(2.0**BITS + 20.0, 2**BITS - 10) == 30


def test_the_camera_of_stamps_shows_the_time() -> None:
    source = StampedSource()
    first, second = source.read(), source.read()
    assert first is not None
    assert second is not None
    assert 20 <= (_read(second.pixels) - _read(first.pixels)) % 2**BITS <= 200
    source.close()
    assert source.read() is None
