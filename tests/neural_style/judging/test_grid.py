"""Tests of the grid figures, on generated images whose grid is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from neural_style.judging.grid import grid_figures

Image = NDArray[np.uint8]


def _photograph(height: int = 200, width: int = 260, seed: int = 0) -> Image:
    """A sky with a camera's noise over a ground full of detail."""
    rng = np.random.default_rng(seed)
    sky = np.linspace(120, 200, height)[:, None] + np.linspace(0, 20, width)
    sky = sky + rng.normal(0, 2, (height, width))
    sky[height // 2 :] += rng.normal(0, 40, (height - height // 2, width))
    return np.repeat(sky.clip(0, 255)[..., None], 3, axis=2).round().astype(np.uint8)


def _with_cells(image: Image, period_px: int, height: float, rows: slice = slice(None)) -> Image:
    """Adds the same cell of random pixels again and again."""
    cell = np.random.default_rng(1).normal(0, height, (period_px, period_px, 3))
    repeats = (image.shape[0] // period_px + 1, image.shape[1] // period_px + 1, 1)
    tiled = np.tile(cell, repeats)[: image.shape[0], : image.shape[1]]
    changed = image.astype(float)
    changed[rows] += tiled[rows]
    return changed.round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_an_unchanged_photograph_has_about_one(seed: int) -> None:
    photograph = _photograph(seed=seed)
    figures = grid_figures(photograph, photograph)
    assert figures["grid_4_px"] == pytest.approx(1, abs=0.4)
    assert figures["grid_8_px"] == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_cells_of_four_show_at_the_period_of_four_alone_wherever_they_begin(shift: int) -> None:
    photograph = _photograph()[shift:, shift:]
    figures = grid_figures(_with_cells(photograph, 4, 2.0), photograph)
    assert figures["grid_4_px"] > 8
    assert figures["grid_8_px"] == pytest.approx(1, abs=0.4)


def test_cells_of_eight_show_at_the_period_of_eight() -> None:
    photograph = _photograph()
    figures = grid_figures(_with_cells(photograph, 8, 2.0), photograph)
    assert figures["grid_8_px"] > 5
    assert set(figures) == {"grid_4_px", "grid_8_px"}


def test_a_stronger_grid_has_a_higher_figure() -> None:
    photograph = _photograph()
    found = [grid_figures(_with_cells(photograph, 4, height), photograph)["grid_4_px"] for height in (0, 1, 2, 4)]
    assert found == sorted(found)
    assert found[-1] > 3 * found[1] > 3 * found[0]


@pytest.mark.parametrize("period_px", [3, 5, 7])
def test_other_periods_do_not_show(period_px: int) -> None:
    photograph = _photograph()
    figures = grid_figures(_with_cells(photograph, period_px, 2.0), photograph)
    assert max(figures["grid_4_px"], figures["grid_8_px"]) < 1.5


def test_only_flat_parts_of_the_photograph_are_looked_at() -> None:
    photograph = _photograph()
    below = grid_figures(_with_cells(photograph, 4, 8.0, rows=slice(140, None)), photograph)
    above = grid_figures(_with_cells(photograph, 4, 8.0, rows=slice(0, 100)), photograph)
    assert below["grid_4_px"] == pytest.approx(1, abs=0.4)
    assert above["grid_4_px"] > 8


def test_one_colour_has_no_grid() -> None:
    grey = np.full((64, 64, 3), 90, np.uint8)
    assert set(grid_figures(grey, grey).values()) == {0}


@pytest.mark.parametrize("shape", [(63, 80, 3), (80, 64, 3)])
def test_images_that_cannot_be_compared_are_an_error(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"grid: got .*at least 64 px"):
        grid_figures(np.zeros(shape, np.uint8), np.zeros((63, 80, 3), np.uint8))
