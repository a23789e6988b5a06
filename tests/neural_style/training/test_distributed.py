"""Tests of training in several processes: what they compute together, and how each of them may end.

Knows nothing of what a step does, but that one batch in two processes trains what it trains in one.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from small_training import FakeLossNetwork, small_options
from torch import Tensor

from neural_style.errors import TrainingError
from neural_style.networks.fast_net import FastNet
from neural_style.training.distributed import Member, leading_team
from neural_style.training.options import TrainOptions
from neural_style.training.trainer import Trainer
from neural_style.weights.checkpoint import load_checkpoint

SOON_S = 30.0
"""Starting a process takes seconds; the default patience of a process group is half an hour."""


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails a test that leaves a process, a process group or another number of threads."""
    threads = torch.get_num_threads()
    yield
    assert multiprocessing.active_children() == []
    assert not torch.distributed.is_initialized()
    assert torch.get_num_threads() == threads
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def _gradients(member: Member) -> list[Tensor]:
    """Of three parameters, the second without a gradient: rank + 1, and 10 * rank."""
    parameters = [torch.zeros(2, 3), torch.zeros(4), torch.zeros(5)]
    parameters[0].grad = torch.full((2, 3), member.rank + 1.0)
    parameters[2].grad = torch.full((5,), 10.0 * member.rank)
    return parameters


def _average_twice(member: Member) -> None:
    for _ in range(2):
        member.average_gradients(_gradients(member))


def test_a_team_of_one_starts_nothing() -> None:
    with leading_team(1, _average_twice) as member:
        assert member == Member(0, 1)
        assert multiprocessing.active_children() == []
        parameters = _gradients(member)
        member.average_gradients(parameters)
        assert parameters[0].grad is not None
        assert parameters[0].grad.unique().tolist() == [1]  # type: ignore[no-untyped-call]


def test_gradients_are_averaged_also_after_an_interrupt_that_only_the_leader_hears() -> None:
    with leading_team(2, _average_twice) as member:
        assert torch.get_num_threads() == 1
        for _ in range(2):
            parameters = _gradients(member)
            member.average_gradients(parameters)
            first, second, third = (parameter.grad for parameter in parameters)
            assert first is not None
            assert third is not None
            assert torch.equal(first, torch.full((2, 3), 1.5))
            assert second is None
            assert torch.equal(third, torch.full((5,), 5.0))
            (other,) = multiprocessing.active_children()
            assert other.pid is not None
            os.kill(other.pid, signal.SIGINT)


def _train(options: TrainOptions, member: Member) -> Tensor:
    """Trains in float32 with the stand-in for the loss network, and returns the last step's gradient."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neural_style.training.trainer.load_loss_network", lambda name, weights: FakeLossNetwork())
        patch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
        trainer = Trainer(options, member=member)
        trainer.run(lambda progress: None)
    (gradient,) = (p.grad for p in trainer._trained.parameters() if p.grad is not None)
    return gradient


def _follow(options: TrainOptions, member: Member) -> None:
    _train(options, member)


def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    options = replace(small_options(tmp_path, network="style"), batch_size=4, steps=2)
    together = replace(options, output=tmp_path / "together.safetensors", processes=2)
    gradient_alone = _train(options, Member())
    with leading_team(2, partial(_follow, together)) as member:
        gradient_together = _train(together, member)
    assert gradient_alone.abs().max() > 0.1
    torch.testing.assert_close(gradient_together, gradient_alone, atol=1e-3, rtol=0)
    start, alone, shared = (_vector(path) for path in (options.trunk, options.output, together.output))
    assert (shared - alone).abs().mean() < 0.02 * (alone - start).abs().mean()


def _vector(checkpoint: Path | None) -> Tensor:
    """The mean of the style vectors in a file: of one style, the style itself."""
    assert checkpoint is not None
    network = load_checkpoint(checkpoint)
    assert isinstance(network, FastNet)
    return network.style_vectors.mean(0)


def _fail(member: Member) -> None:
    member.average_gradients(_gradients(member))
    raise TrainingError("step 3: the loss is nan")


def _break(member: Member) -> None:
    member.average_gradients(_gradients(member))
    raise ValueError("a defect")


def _be_killed(member: Member) -> None:
    member.average_gradients(_gradients(member))
    if member.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    member.average_gradients(_gradients(member))


def _train_until_it_fails(member: Member) -> None:
    for _ in range(1000):
        member.average_gradients(_gradients(member))


def test_an_error_of_another_member_is_the_leaders_and_is_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    start_s = time.monotonic()
    with pytest.raises(TrainingError, match=r"^step 3: the loss is nan$"), leading_team(2, _fail) as member:
        _train_until_it_fails(member)
    assert time.monotonic() - start_s < SOON_S
    assert capfd.readouterr().err == ""


def test_a_defect_in_another_member_shows_where_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError, match="ended with status 1"), leading_team(2, _break) as member:
        _train_until_it_fails(member)
    assert "ValueError: a defect" in capfd.readouterr().err


def test_a_member_that_is_killed_ends_the_team(capfd: pytest.CaptureFixture[str]) -> None:
    start_s = time.monotonic()
    with (
        pytest.raises(TrainingError, match="status -9; use fewer --processes") as caught,
        leading_team(2, _be_killed) as member,
    ):
        _train_until_it_fails(member)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start_s < SOON_S
    assert "Traceback" not in capfd.readouterr().err


class _Bomb:
    """Ends the process that unpickles it."""

    def __call__(self, member: Member) -> None:
        raise AssertionError("never unpickled")

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


def test_a_member_that_does_not_start_is_an_error_and_no_hang() -> None:
    start_s = time.monotonic()
    with pytest.raises(TrainingError, match="status 3"), leading_team(2, _Bomb()):
        pytest.fail("there is no team")
    assert time.monotonic() - start_s < SOON_S


def test_an_interrupt_of_the_leader_ends_the_others() -> None:
    with pytest.raises(KeyboardInterrupt), leading_team(2, _train_until_it_fails) as member:
        member.average_gradients(_gradients(member))
        raise KeyboardInterrupt


_KILLED_LEADER = """
import multiprocessing, os, signal, sys
sys.path[:0] = {path!r}
import test_distributed
from neural_style.training.distributed import leading_team
if __name__ == "__main__":
    with leading_team(2, test_distributed._train_until_it_fails) as member:
        member.average_gradients(test_distributed._gradients(member))
        print(multiprocessing.active_children()[0].pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_leader_leaves_nobody_behind(tmp_path: Path) -> None:
    script = tmp_path / "leader.py"
    script.write_text(_KILLED_LEADER.format(path=sys.path))
    process = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == -signal.SIGKILL
    follower = int(process.stdout)
    end_s = time.monotonic() + SOON_S
    while psutil.pid_exists(follower) and psutil.Process(follower).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end_s
        time.sleep(0.05)
    assert "Traceback" not in process.stderr
