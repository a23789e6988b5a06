"""Tests of the judging of predicted styles, with a judge who compares mean colours and a training that is none."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from small_training import write_noise, write_trunk
from torch import Tensor

from neural_style.errors import EvaluationError
from neural_style.judging import predictions
from neural_style.judging.evaluate import main
from neural_style.judging.prediction_options import PredictionOptions, parse_prediction_arguments
from neural_style.judging.predictions import PredictionJudging
from neural_style.networks.fast_net import FastNet
from neural_style.photos import find_photos, hold_out_paintings
from neural_style.weights.checkpoint import load_checkpoint


class _Judge:
    """Sees the mean colour of an image."""

    def __init__(self, quick: bool) -> None:
        assert quick

    def look(self, image: Any) -> Any:
        return image.mean((0, 1))


def _compare(look: Any, photo: Any, aim: Any) -> Any:
    return SimpleNamespace(
        style_distance=float(np.abs(look - aim).mean()), content_distance=float(np.abs(look - photo).mean())
    )


class _Process:
    """A refinement that writes the vector of a shipped style: "x" when its time is up, "y" after all steps."""

    commands: ClassVar[list[list[str]]] = []
    says: str | None = None

    def __init__(self, command: list[str], stderr: int, text: bool) -> None:
        self.commands.append(command)
        self._output, self.ended = Path(command[command.index("--output") + 1]), False

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def communicate(self, timeout: float | None) -> tuple[None, str]:
        if self.says is not None:
            return None, self.says
        np.save(self._output, _vectors()[int(timeout is None)].numpy())
        if timeout is not None:
            raise subprocess.TimeoutExpired("refine", timeout)
        return None, ""

    def terminate(self) -> None:
        self.ended = True


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four paintings, three photographs and a network; the prediction is the network's style "z"."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in "abcd":
        write_noise(Path("paintings") / f"{name}.png", seed=ord(name))
    for number in range(3):
        write_noise(Path("photos") / f"{number}.png", seed=number)
    write_trunk(Path("net.safetensors"))
    monkeypatch.setattr(predictions, "Judge", _Judge)
    monkeypatch.setattr(predictions, "compare", _compare)
    monkeypatch.setattr(predictions, "predicted_vector", lambda trunk, image: _vectors()[2].numpy())
    monkeypatch.setattr(_Process, "commands", [])
    monkeypatch.setattr(subprocess, "Popen", _Process)
    return tmp_path


def _vectors() -> Tensor:
    network = load_checkpoint(Path("net.safetensors"))
    assert isinstance(network, FastNet)
    return network.style_vectors.detach()


def _run(*arguments: str) -> int:
    return main(["--predict", "--model", "net.safetensors", "--style-dir", "paintings", *arguments])


def _judging(**options: Any) -> PredictionJudging:
    return PredictionJudging(
        PredictionOptions(Path("paintings"), Path("photos"), Path("net.safetensors"), photos=1, **options)
    )


def test_a_row_for_each_painting_with_all_that_can_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = ("--json", "out.json", "--sheet", "out.png", "--loss-weights", "loss.safetensors")
    assert _run("--photo-dir", "photos", "--photos", "2", "--full-steps", "7", *outputs) == 0
    scores = json.loads(Path("out.json").read_text())
    assert [score["painting"] for score in scores] == ["a.png", "b.png", "c.png", "d.png"]
    for score in scores:
        assert score["blend"] <= score["single"] <= min(score["predicted"], score["full"], *score["refined"].values())
        assert set(score["refined"]) == {"20", "60"}
        assert score["refined"]["20"] == score["refined"]["60"] != score["full"] != score["predicted"]
    sheet = cv2.imread("out.png")
    assert sheet is not None
    assert sheet.shape == (
        5 * 224,
        9 * 256,
        3,
    )  # photographs, four paintings; painting, four vectors on two photographs
    table = capsys.readouterr().out
    for heading in ("painting", "nearest", "blend", "predicted", "after 20 s", "after 60 s", "full", "a.png", "mean"):
        assert heading in table
    full = [command for command in _Process.commands if "--steps" in command]
    assert len(full) == 4
    assert all(command[command.index("--steps") + 1] == "7" for command in full)
    assert all("loss.safetensors" in command for command in _Process.commands)


def test_the_mean_is_over_all_paintings_and_who_wins_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    judging = _judging(refine_s=(), full_steps=0)
    scores = [judging.judge(path) for path in judging.paintings]
    assert not _Process.commands
    assert _run("--photo-dir", "photos", "--photos", "1", "--quick") == 0
    out = capsys.readouterr().out
    (mean,) = (line.split() for line in out.splitlines() if line.strip().startswith("mean"))
    assert float(mean[3]) == pytest.approx(np.mean([score.predicted for score in scores]), abs=6e-4)
    assert "0 of 4 predictions are nearer than the nearest style" in " ".join(out.split())


def test_a_blend_is_tried_of_the_nearest_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    judging, seen = _judging(), list[Tensor]()
    black: Any = np.zeros(3)

    def looks_of(vector: Tensor) -> list[Any]:
        seen.append(vector)
        return [black]

    monkeypatch.setattr(judging, "_looks_of", looks_of)
    judging._nearest(black)
    x, y, z = judging._network.style_vectors
    expected = {tuple(((a + b) / 2).tolist()) for a, b in ((x, y), (x, z), (y, z))}
    assert {tuple(vector.tolist()) for vector in seen} == expected


def test_held_out_paintings_are_those_that_the_training_leaves_out() -> None:
    for number in range(8):
        write_noise(Path("more") / f"{number}.png", seed=number)
    judging = PredictionJudging(
        PredictionOptions(Path("more"), Path("photos"), Path("net.safetensors"), held_out=True, photos=1)
    )
    assert [path.name for path in judging.paintings] == ["3.png"]
    assert judging.paintings == hold_out_paintings(find_photos(Path("more")))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--json", "gone/out.json"), "gone/out.json: its folder does not exist"),
        (("--sheet", "photos", "--photo-dir", "photos"), "must end in .png"),
        (("--photos", "0"), "photos 0: must be at least 1"),
        (("--full-steps", "-1"), "full-steps -1"),
        (("--style-dir", "gone"), "style folder gone: is not a folder"),
        (("--photo-dir", "gone"), "content folder gone: is not a folder"),
        (("--model", "gone.safetensors"), "gone.safetensors"),
    ],
)
def test_what_cannot_be_is_one_line_before_any_work(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PredictionJudging, "judge", lambda *_: pytest.fail("it worked"))
    assert _run(*arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_a_training_that_gives_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Process, "says", "error: no loss network")
    judging = _judging(full_steps=0)
    with pytest.raises(EvaluationError, match=r"a\.png: gave nothing \(error: no loss network\)"):
        judging.judge(judging.paintings[0])
    monkeypatch.setattr(_Process, "says", "")
    with pytest.raises(EvaluationError, match=r"20(\.0)? s are too few"):
        judging.judge(judging.paintings[0])


def test_a_network_that_nothing_is_predicted_for_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "predicted_vector", lambda trunk, image: None)
    judging = _judging()
    with pytest.raises(EvaluationError, match="there is no predictor for it"):
        judging.judge(judging.paintings[0])


@pytest.mark.parametrize("text", ["x", "20,x", "0", "-1", "inf", "nan"])
def test_seconds_are_numbers_above_0(text: str) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_prediction_arguments(["--style-dir", "paintings", "--refine-s", text])
    assert caught.value.code == 2


def test_the_defaults_judge_all_that_there_is() -> None:
    options = parse_prediction_arguments(["--style-dir", "paintings"])
    assert options == PredictionOptions(Path("paintings"))
    assert (options.refine_s, options.full_steps) == ((20.0, 60.0), 500)
    assert options.model.parts[-2:] == ("saved_models", "fast.safetensors")
    quick = parse_prediction_arguments(["--style-dir", "paintings", "--quick"])
    assert (quick.refine_s, quick.full_steps) == ((), 0)
