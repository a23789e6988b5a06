"""Tests of the training of the style predictor, on networks and images so small that it takes no time."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_training import FakeLossNetwork, write_noise, write_trunk

from neural_style.errors import TrainingError
from neural_style.training import predictor
from neural_style.training.predictor import PredictorOptions, PredictorTraining, paintings
from neural_style.weights.checkpoint import load_checkpoint, read_header, trunk_hash


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five paintings, of which one is held out, two photographs, and the networks that styles are predicted for."""
    for number in range(5):
        write_noise(tmp_path / "paintings" / f"{number}.png", seed=number)
    for number in range(2):
        write_noise(tmp_path / "photos" / f"{number}.png", seed=9 + number)
    for name in ("fast", "fine"):
        write_trunk(tmp_path / f"{name}.safetensors", seed=len(name))
    monkeypatch.setattr(predictor, "SAVED_MODELS", tmp_path)
    monkeypatch.setattr(predictor, "load_loss_network", lambda name, file: FakeLossNetwork())
    monkeypatch.setattr(predictor, "_VIEWS", 2)
    monkeypatch.setattr(predictor, "INPUT_SHORT_SIDE_PX", 64)
    return tmp_path


def _training(folder: Path, **options: Any) -> PredictorTraining:
    given: dict[str, Any] = {
        "batch_size": 1,
        "crop_px": 64,
        "style_size_px": 64,
        "steps": 4,
        "output": folder / "p.safetensors",
    }
    return PredictorTraining(
        PredictorOptions((folder / "paintings",), folder / "photos", folder / "loss.safetensors", **given | options)
    )


def test_of_the_first_folder_every_seventh_painting_is_held_out(folder: Path) -> None:
    (folder / "others").mkdir()
    for number in range(4):
        write_noise(folder / "others" / f"{number}.png", seed=number)
    learned, held_out = paintings((folder / "paintings", folder / "others"))
    assert [path.name for path in held_out] == ["3.png"]
    assert [path.name for path in learned] == ["0.png", "1.png", "2.png", "4.png", "0.png", "1.png", "2.png", "3.png"]
    with pytest.raises(TrainingError, match=r"style folder .*none: is not a folder"):
        paintings((folder / "none",))


def test_what_is_written_predicts_for_the_networks_it_was_trained_through(folder: Path) -> None:
    training = _training(folder)
    before = {name: value.clone() for name, value in training.predictor.state_dict().items()}
    training.run()
    after = training.predictor.state_dict()
    learned = {name.partition(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert learned == {"stem", "block", "projections", "hidden", "code", "heads"}
    assert torch.equal(before["heads.fine.weight"], after["heads.fine.weight"]), "that is trained after"
    written = load_file(folder / "p.safetensors")
    assert all(torch.equal(value, training._average[name].half()) for name, value in written.items())
    trunks = read_header(folder / "p.safetensors")["trunks"]
    for name in ("fast", "fine"):
        assert trunk_hash(load_checkpoint(folder / f"{name}.safetensors").state_dict()) in trunks


def test_a_killed_run_goes_on_as_if_nothing_had_been(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _training(folder, output=folder / "whole.safetensors")
    whole.run()
    monkeypatch.setattr(predictor, "_SAVE_EVERY", 2)
    killed = _training(folder)
    step = killed._train_step

    def killed_in_the_fourth() -> dict[str, float]:
        if killed.step == 3:
            raise KeyboardInterrupt
        return step()

    monkeypatch.setattr(killed, "_train_step", killed_in_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = _training(folder)
    assert resumed.step == 2
    resumed.run()
    for name, value in whole._average.items():
        torch.testing.assert_close(resumed._average[name], value, msg=name)


def test_the_head_for_fine_is_trained_alone_and_last(folder: Path) -> None:
    with pytest.raises(TrainingError, match="train with --network fast first"):
        _training(folder, network="fine")
    first = _training(folder)
    first.run()
    second = _training(folder, network="fine")
    second.run()
    changed = {name for name, value in second._average.items() if not torch.equal(value, first._average[name])}
    assert changed == {"heads.fine.weight", "heads.fine.bias"}


def test_a_step_that_would_make_all_weights_nan_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = _training(folder)
    training._train_step()
    loss, before = training._loss, training.predictor.hidden.weight.clone()
    broken = lambda *given: {name: value * torch.inf for name, value in loss(*given).items()}  # noqa: E731
    monkeypatch.setattr(training, "_loss", broken)
    training._train_step()
    assert torch.equal(training.predictor.hidden.weight, before)
