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
from torch import Tensor, nn

from neural_style.errors import TrainingError
from neural_style.networks.fast_net import FastNet
from neural_style.training.distributed import Member, process_group
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


def _step(network: nn.Module, member: Member) -> None:
    """A backward pass whose gradient is, in this process alone, rank + 1 for the weight; the bias is frozen."""
    network.zero_grad()
    # Two forward passes for one backward pass, as a training step with steadiness does.
    half = torch.full((1, 3), (member.rank + 1) / 2)
    (network(half) + network(half)).sum().backward()


def _linear() -> nn.Linear:
    linear = nn.Linear(3, 2)
    linear.bias.requires_grad_(False)
    return linear


def test_a_single_process_starts_nothing() -> None:
    with process_group(1, _step_until_it_fails) as member:
        assert member == Member(0, 1)
        assert multiprocessing.active_children() == []
        linear = _linear()
        assert member.synchronized(linear) is linear
        _step(linear, member)
        assert linear.weight.grad is not None
        assert linear.weight.grad.unique().tolist() == [1]  # type: ignore[no-untyped-call]


def _step_and_show_weights(member: Member) -> None:
    torch.manual_seed(member.rank)
    network = member.synchronized(_linear())
    for _ in range(2):
        _step(network, member)
    raise TrainingError(str(next(network.parameters()).tolist()))


def test_two_share_weights_gradients_and_the_first_error_on_this_machine_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """All of it in one group, because starting one takes seconds."""
    torch.manual_seed(5)
    linear = _linear()
    with pytest.raises(TrainingError) as caught, process_group(2, _step_and_show_weights) as member:
        assert torch.get_num_threads() == 1
        listening = [c for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert listening
        assert {connection.laddr.ip for connection in listening} <= {"127.0.0.1", "::1"}
        network = member.synchronized(linear)
        for _ in range(2):
            (other,) = multiprocessing.active_children()
            assert other.pid is not None
            os.kill(other.pid, signal.SIGINT)  # Ctrl-C reaches all, and only the leader ends because of it
            _step(network, member)
            assert linear.weight.grad is not None
            assert torch.equal(linear.weight.grad, torch.full((2, 3), 1.5)), "the mean"
            assert linear.bias.grad is None
        start_s = time.monotonic()
        for _ in range(1000):
            _step(network, member)
    assert time.monotonic() - start_s < SOON_S
    assert str(caught.value) == str(linear.weight.tolist()), "all start from the leader's weights"
    assert capfd.readouterr().err == "", "an error of another is the leader's, and is said once"


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


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    options = replace(small_options(tmp_path, network="style"), batch_size=4, steps=2)
    together = replace(options, output=tmp_path / "together.safetensors", processes=2)
    gradient_alone = _train(options, Member())
    with process_group(2, partial(_follow, together)) as member:
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


def _break(member: Member) -> None:
    network = member.synchronized(_linear())
    _step(network, member)
    if member.rank == 2:
        raise ValueError("a defect")
    _step(network, member)


def _be_killed(member: Member) -> None:
    network = member.synchronized(_linear())
    _step(network, member)
    if member.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    _step(network, member)


def _step_until_it_fails(member: Member) -> None:
    network = member.synchronized(_linear())
    for _ in range(1000):
        _step(network, member)


@pytest.mark.slow
def test_a_defect_in_another_member_shows_where_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError, match="ValueError: a defect"), process_group(3, _break) as member:
        _step_until_it_fails(member)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_member_that_is_killed_ends_the_group(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(TrainingError, match="status -9; use fewer --processes") as caught,
        process_group(3, _be_killed) as member,
    ):
        start_s = time.monotonic()
        _step_until_it_fails(member)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start_s < SOON_S
    assert "Traceback" not in capfd.readouterr().err


class _Bomb:
    """Ends the process that unpickles it."""

    def __call__(self, member: Member) -> None:
        raise AssertionError("never unpickled")

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


@pytest.mark.slow
def test_a_member_that_does_not_start_is_an_error_and_no_hang() -> None:
    start_s = time.monotonic()
    with pytest.raises(TrainingError, match="status 3"), process_group(2, _Bomb()):
        pytest.fail("there is no group")
    assert time.monotonic() - start_s < SOON_S


@pytest.mark.slow
def test_an_interrupt_of_the_leader_ends_the_others() -> None:
    with pytest.raises(KeyboardInterrupt), process_group(2, _step_until_it_fails) as member:
        _step(member.synchronized(_linear()), member)
        raise KeyboardInterrupt


_KILLED_LEADER = """
import multiprocessing, os, signal, sys
sys.path[:0] = {path!r}
import test_distributed
from neural_style.training.distributed import process_group
if __name__ == "__main__":
    with process_group(2, test_distributed._step_until_it_fails) as member:
        test_distributed._step(member.synchronized(test_distributed._linear()), member)
        print(multiprocessing.active_children()[0].pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_leader_leaves_nobody_behind(tmp_path: Path) -> None:
    script = tmp_path / "leader.py"
    script.write_text(_KILLED_LEADER.format(path=sys.path))
    process = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=180, check=False)
    assert process.returncode == -signal.SIGKILL
    follower = int(process.stdout)
    end_s = time.monotonic() + SOON_S
    while psutil.pid_exists(follower) and psutil.Process(follower).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end_s
        time.sleep(0.05)
    assert "Traceback" not in process.stderr
