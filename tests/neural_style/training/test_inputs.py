"""Tests of what a training command refuses before it imports PyTorch, and of what it says when interrupted."""

from pathlib import Path

import pytest
from fakes import noise
from PIL import Image as Pillow

from neural_style.errors import StylizationError
from neural_style.training.inputs import check_inputs, left_by_interruption
from train_style import make_parser


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--style-image", "nope.jpg"], "style image nope.jpg: cannot be read"),
        (["--trunk", "nope"], "trunk nope: no such file"),
        (["--loss-weights", "nope"], "loss-weights nope: no such file"),
        (["--content-dir", "nope"], "content folder nope: is not a folder"),
        (["-o", "fast.safetensors"], "style name 'fast': fast.safetensors is a network, not a style"),
    ],
)
def test_inputs_are_refused_at_once(
    more: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Pillow.fromarray(noise()).save("a.png")
    Path("fast.safetensors").touch()
    with pytest.raises(StylizationError, match=said):
        check_inputs(make_parser().parse_args(["--style-image", "a.png", "--name", "waves", *more]))


def test_an_interruption_promises_only_what_there_is(tmp_path: Path) -> None:
    output = tmp_path / "waves.safetensors"
    chosen = make_parser().parse_args(["--style-image", "a.png", "--name", "waves", "-o", str(output)])
    assert "nothing that --resume could go on from" in left_by_interruption(chosen)
    output.with_suffix(".training.pt").touch()
    assert "--resume goes on from the last checkpoint" in left_by_interruption(chosen)
