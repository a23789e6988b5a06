"""Tests of the model card: what it says comes from the files, and its command trains them again."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from small_training import SMALL, FakeLossNetwork, small_options

import train_style
from export.exporter import export_checkpoint
from neural_style.contact_sheet import CELL_WH
from neural_style.judging.model_card import main, training_command
from neural_style.networks.fast_net import FastNet
from neural_style.training.options import LossWeights, TrainOptions
from neural_style.training.trainer import Trainer
from neural_style.weights.checkpoint import StyleCredit, save_checkpoint

NAMES = ("rain", "waves")
NUMBERS = {"style_distance": 0.05, "content_distance": 0.9, "colour": 2.5}
STROKES = {"fit": 0.571, "grid_4_px": 2.25}
UNCHANGED = {"style_distance": 0.26, "content_distance": 0.0, "colour": 13.6, "noise_gain": 1, "grid_4_px": 1.1}
FIGURES = {
    "model": "fast.safetensors",
    "judge": "another network",
    "photographs": ["a.jpg", "b.jpg", "c.jpg"],
    "clips": [{"name": "street.mp4", "frames": 20, "warping_error": 0.1}],
    "styles": [
        {"name": name, "ours": NUMBERS, "flicker_by_clip": [7.25], "noise_gain": 0.8, **STROKES} for name in NAMES
    ],
    "mean": {"ours": {**NUMBERS, **STROKES, "flicker": 7.25, "noise_gain": 0.8}, "unchanged": UNCHANGED},
    "diversity": {"mean": 1.034},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a network of two styles and the figures of it."""
    learned_from = [StyleCredit("rain", "A. Painter's Rain, 1901", "public domain"), StyleCredit("waves", "w", "CC0")]
    training: dict[str, str | int | float] = {"step": 40, "minutes": 12.0, "device": "cpu", "processes": 2}
    training |= {"note": "the first half with other weights", "network": "fast", "steps": 40}
    save_checkpoint(tmp_path / "fast.safetensors", FastNet(NAMES, SMALL), learned_from, training)
    export_checkpoint(tmp_path / "fast.safetensors")
    (tmp_path / "figures.json").write_text(json.dumps(FIGURES))
    return tmp_path


def _run(folder: Path) -> int:
    return main(["--folder", str(folder), "--figures", str(folder / "figures.json")])


def test_says_styles_rights_sizes_figures_and_training(folder: Path) -> None:
    assert _run(folder) == 0
    card = (folder / "README.md").read_text()
    assert "| rain | A. Painter's Rain, 1901 | public domain |" in card
    kb = round((folder / "fast.onnx").stat().st_size / 1000)
    assert f"| `fast.onnx` | {kb} | the same as a model file, fp32, the style an input |" in card
    assert "2 styles: rain, waves" in card
    assert "3 photographs kept out of training and the beginning of street.mp4 (20 frames)" in card
    assert "| rain | 0.050 | 7.2 | 0.80 | 0.900 | 2.5 | 0.57 | 2.2 |" in card
    assert "| photograph unchanged | 0.260 | 1 | 1.00 | 0.000 | 13.6 | - | 1.1 |" in card
    assert "Strokes differ 1.03 times as much between styles as between style images" in card
    assert "40 steps, 12 minutes on cpu in 2 process(es)" in card
    assert "the first half with other weights" in card


def test_both_sizes_of_the_network_have_figures_and_share_their_rows_of_rights(folder: Path) -> None:
    (folder / "fine.safetensors").write_bytes((folder / "fast.safetensors").read_bytes())
    (folder / "figures.fine.json").write_text(json.dumps({**FIGURES, "model": "fine.safetensors"}))
    assert _run(folder) == 0
    card = (folder / "README.md").read_text()
    assert card.index("### `fast.safetensors`") < card.index("### `fine.safetensors`")
    assert card.count("| rain | A. Painter's Rain, 1901 | public domain |") == 1


def _score(painting: str, predicted: float, **trained: object) -> dict[str, object]:
    known = {"painting": painting, "single": 0.2, "blend": 0.19, "predicted": predicted, "content": 1.3}
    return {**known, "refined": {}, "full": None, **trained}


def test_predictions_have_a_row_for_each_painting_and_a_dash_for_what_was_not_measured(folder: Path) -> None:
    scores = [_score("old_man.jpg", 0.1), _score("sea.jpg", 0.12)]
    (folder / "figures.predictions.json").write_text(json.dumps(scores))
    assert _run(folder) == 0
    card = (folder / "README.md").read_text()
    assert "| painting | nearest style | nearest blend | predicted |\n|---|---|---|---|\n" in card
    assert "| old man | 0.200 | 0.190 | 0.100 |" in card
    assert "| **mean of 2, `fast`** | 0.200 | 0.190 | 0.110 |" in card
    scores.append(_score("hill.jpg", 0.14, refined={"20": 0.13, "60": 0.125}, full=0.12))
    (folder / "figures.predictions.json").write_text(json.dumps(scores))
    (folder / "figures.predictions.fine.json").write_text(json.dumps(scores[:2]))
    assert _run(folder) == 0
    card = (folder / "README.md").read_text()
    assert "| predicted | refined 20 s | refined 60 s | full |" in card
    assert "| old man | 0.200 | 0.190 | 0.100 | - | - | - |" in card
    assert "| hill | 0.200 | 0.190 | 0.140 | 0.130 | 0.125 | 0.120 |" in card
    assert "| **mean of 3, `fast`** | 0.200 | 0.190 | 0.120 | - | - | - |" in card
    assert "| **mean of 1, `fast`** | 0.200 | 0.190 | 0.140 | 0.130 | 0.125 | 0.120 |" in card
    assert "| **mean of 2, `fine`** | 0.200 | 0.190 | 0.110 | - | - | - |" in card


def test_draws_every_style_on_every_photograph(folder: Path) -> None:
    assert _run(folder) == 0
    sheet = cv2.imread(str(folder / "styles.jpg"))
    assert sheet is not None
    assert sheet.shape == (3 * CELL_WH[1], 3 * CELL_WH[0], 3)  # three photographs; photograph and two styles
    assert sheet.std() > 20


@pytest.mark.slow
def test_its_command_gives_the_options_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neural_style.training.trainer.load_loss_network", lambda name, file: FakeLossNetwork())
    base = small_options(tmp_path, styles="ab")
    weights = LossWeights(content=0.3, colour=7.0, contrast=0.5, smoothness=0.25, steadiness=3.0, grid=4.0, range=6.0)
    weights = replace(weights, strokes=2.0)
    changed = {
        "weights": weights,
        "content_weights": (1.0, 1.5),
        "style_shares": (1, 2),
        "steady_from": 0.5,
        "seed": 5,
        "learning_rate": 0.001,
    }
    options = TrainOptions(**{**{n: getattr(base, n) for n in base.__dataclass_fields__}, **changed})
    trainer = Trainer(options)
    trainer.run(lambda progress: None)
    header = train_header(options.output)
    words = shlex.split(training_command(header, "out.safetensors").replace("\\\n", " "))
    assert words[:2] == ["python", "train_style.py"]
    again = train_style.read_options(train_style.make_parser().parse_args(words[2:]))
    for name in ("network", "steps", "batch_size", "crop_px", "style_size_px", "learning_rate", "seed", "processes"):
        assert getattr(again, name) == getattr(options, name), name
    assert again.weights == weights
    assert again.content_weights == (1.0, 1.5)
    assert again.style_shares == (1, 2)
    assert again.steady_from == 0.5
    assert again.credits == options.credits


def train_header(path: Path) -> dict[str, str]:
    """The header of a weights file."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as stored:
        return dict(stored.metadata())


def test_missing_figures_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "figures.json").unlink()
    assert _run(folder) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "figures.json" in error
    assert "evaluate --json" in error
    assert not (folder / "README.md").exists()


def test_a_foreign_weights_file_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other.safetensors").write_bytes(b"nothing")
    assert _run(folder) == 1
    assert "other.safetensors" in capsys.readouterr().err
    assert not (folder / "README.md").exists()
