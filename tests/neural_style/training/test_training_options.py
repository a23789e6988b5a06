"""Tests of what the options of a training refuse.

Knows nothing of training: no network is made.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_training import small_options

from neural_style.errors import TrainingError
from neural_style.training.options import TrainOptions
from neural_style.weights.checkpoint import StyleCredit


def _refusal(options: TrainOptions, **changes: Any) -> str:
    with pytest.raises(TrainingError) as caught:
        replace(options, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["steps", "batch_size", "save_every", "learning_rate", "processes"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_that_must_be_above_zero_are_checked(tmp_path: Path, name: str, value: int) -> None:
    message = _refusal(small_options(tmp_path), **{name: value})
    assert "must be above 0" in message
    assert f"{name.replace('_', '-')} {value}" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_learning_rate_is_a_number(tmp_path: Path, value: float) -> None:
    assert "learning-rate" in _refusal(small_options(tmp_path), learning_rate=value)


@pytest.mark.parametrize(("name", "option"), [("crop_px", "crop"), ("style_size_px", "style-size")])
def test_images_too_small_for_the_loss_network_are_refused(tmp_path: Path, name: str, option: str) -> None:
    options = small_options(tmp_path)
    assert getattr(options, name) == 64
    assert f"{option} 63 px: must be at least 64" in _refusal(options, **{name: 63})


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_generators_do_not_take_is_refused(tmp_path: Path, seed: int) -> None:
    assert f"seed {seed}" in _refusal(small_options(tmp_path), seed=seed)


def test_training_without_a_style_image_is_refused(tmp_path: Path) -> None:
    assert "--style-image" in _refusal(small_options(tmp_path), style_images=(), credits=())


@pytest.mark.parametrize("network", ["transformer", "style"])
def test_networks_of_one_style_refuse_two(tmp_path: Path, network: str) -> None:
    message = _refusal(small_options(tmp_path, styles="ab"), network=network)
    assert "one style, got 2" in message
    assert "--network fast" in message


def test_a_style_needs_a_trunk_and_a_network_none(tmp_path: Path) -> None:
    style = small_options(tmp_path, network="style")
    assert "trunk" in _refusal(style, trunk=None)
    for network in ("fast", "transformer"):
        message = _refusal(style, network=network)
        assert "trunk.safetensors" in message
        assert network in message


def test_a_style_starts_from_its_trunk_only(tmp_path: Path) -> None:
    message = _refusal(small_options(tmp_path, network="style"), start_from=tmp_path / "old.safetensors")
    assert "old.safetensors" in message
    assert "--trunk" in message


def test_a_batch_must_have_equal_shares(tmp_path: Path) -> None:
    options = small_options(tmp_path)
    assert replace(options, batch_size=4, processes=2).processes == 2
    message = _refusal(options, batch_size=4, processes=3)
    assert "batch-size 4" in message
    assert "3" in message


def test_a_gpu_is_not_shared(tmp_path: Path) -> None:
    assert "cuda" in _refusal(small_options(tmp_path), batch_size=2, processes=2, device="cuda")


def test_content_weights_are_for_all_styles_or_none(tmp_path: Path) -> None:
    options = small_options(tmp_path, styles="ab")
    assert replace(options, content_weights=(1.0, 2.0)).content_weights == (1.0, 2.0)
    assert "2 styles but 1 content weights" in _refusal(options, content_weights=(1.0,))


def test_the_state_and_the_preview_lie_beside_the_output(tmp_path: Path) -> None:
    options = small_options(tmp_path, "a.b.safetensors")
    assert options.state_path == tmp_path / "a.b.training.pt"
    assert options.preview_path == tmp_path / "a.b.preview.png"


def test_the_default_is_a_style_for_a_trunk() -> None:
    credits_ = (StyleCredit("a", "a", "own"),)
    options = TrainOptions((Path("a.png"),), credits_, None, Path("a.safetensors"), trunk=Path("fast.safetensors"))
    assert options.network == "style"
    assert options.loss_network == "efficientnet"


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_steadiness_begins_within_the_training(tmp_path: Path, share: float) -> None:
    with pytest.raises(TrainingError, match=r"steadiness-from .*must be 0 to 1"):
        replace(small_options(tmp_path), steady_from=share)


def test_every_style_needs_a_share_of_at_least_one(tmp_path: Path) -> None:
    options = small_options(tmp_path, styles="ab")
    assert replace(options, style_shares=(1, 3)).style_shares == (1, 3)
    for shares in ((1,), (1, 2, 3)):
        with pytest.raises(TrainingError, match=f"2 styles but {len(shares)} shares"):
            replace(options, style_shares=shares)
    with pytest.raises(TrainingError, match="each must be at least 1"):
        replace(options, style_shares=(1, 0))


def test_fine_may_have_many_styles_like_fast(tmp_path: Path) -> None:
    assert replace(small_options(tmp_path, styles="ab"), network="fine").network == "fine"
