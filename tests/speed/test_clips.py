from pathlib import Path

import numpy as np
import pytest
from fakes import difference, noise, read_clip, write_clip

from realtime.errors import SourceError
from speed import clips as material
from speed.clips import fill, first_frames


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", [noise((96, 64), seed) for seed in range(4)])


@pytest.mark.parametrize("size_wh", [(48, 32), (192, 128), (33, 21)])
def test_a_clip_is_written_in_a_size_with_even_sides(clip: Path, tmp_path: Path, size_wh: tuple[int, int]) -> None:
    target = tmp_path / "cut.mp4"
    material.write_clip(clip, size_wh, target)
    written = read_clip(target)
    assert len(written.images) == 4
    assert written.size_wh == (size_wh[0] + size_wh[0] % 2, size_wh[1] + size_wh[1] % 2)


def test_frames_begin_again_when_the_clip_is_short(clip: Path) -> None:
    frames = first_frames(clip, (30, 20), 6)
    assert frames.shape == (6, 20, 30, 3)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[4], frames[0])
    assert difference(frames[1], frames[0]) > 1


def test_the_middle_fills_another_shape() -> None:
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 200
    square = fill(pixels, (20, 20))
    assert square.shape == (20, 20, 3)
    assert square.min() == 200


def test_the_own_size_is_left_as_it_is() -> None:
    pixels = noise((30, 20))
    assert fill(pixels, (30, 20)) is pixels


def test_a_missing_clip_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.mp4"):
        first_frames(tmp_path / "nowhere.mp4", (8, 8), 1)
