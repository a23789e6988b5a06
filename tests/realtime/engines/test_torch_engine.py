"""Tests of stylizing in parts: the image is that of the whole."""

import numpy as np
import pytest
from fakes import noise

from realtime.engines.torch_engine import TorchEngine
from realtime.options import EngineOptions
from realtime.style_catalogue import open_style_list

OPTIONS = EngineOptions("torch", "cpu", "fp32")


@pytest.mark.parametrize("size_wh", [(300, 200), (333, 129)])
def test_parts_give_the_image_of_the_whole(size_wh: tuple[int, int]) -> None:
    catalogue, places = open_style_list("candy")
    style, images = catalogue.styles[places[0]], np.stack([noise(size_wh, seed) for seed in range(2)])
    whole = TorchEngine(catalogue, OPTIONS).stylize(images, style, 1.0)
    parts = TorchEngine(catalogue, OPTIONS, 128).stylize(images, style, 1.0)
    assert parts.shape == images.shape
    assert np.abs(parts.astype(int) - whole).max() <= 1
