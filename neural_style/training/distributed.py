"""Owns training in several processes, each on a share of every batch, as one.

Must not know networks, losses or what a step does.
"""

import multiprocessing
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor

from neural_style.errors import StylizationError, TrainingError

_LAST_WORDS_WAIT_S = 5.0
"""Between the loss of a connection and the end of the process that had it."""


class _LostMemberError(TrainingError):
    """Another member ended during the work; which, and why, only the leader finds out."""


@dataclass(frozen=True)
class Member:
    """One process of a team.

    Attributes:
        rank: 0 leads: it reports and writes files.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replaces each member's gradients by their mean over the team. Every member calls it once a step.

        Raises:
            TrainingError: another member has ended.
        """
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        joined = torch.cat([gradient.flatten() for gradient in gradients])
        try:
            torch.distributed.all_reduce(joined)
        except RuntimeError as error:
            raise _LostMemberError(f"another of the {self.size} processes has ended") from error
        joined /= self.size
        for gradient, part in zip(gradients, torch.split(joined, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


@dataclass(frozen=True)
class _Follower:
    """A member as its leader sees it."""

    rank: int
    process: SpawnProcess
    line: Connection

    def wait_until_ready(self) -> None:
        """Returns when the process has started; `_LostMemberError` when it ended instead."""
        try:
            self.line.recv()
        except (EOFError, ConnectionError) as error:
            raise _LostMemberError(f"process {self.rank} did not start") from error

    def last_words(self) -> str:
        """Why it ended early; empty when it did not."""
        try:
            return str(self.line.recv()) if self.line.poll() else ""
        except (EOFError, ConnectionError):
            return f"one of the training processes ended with status {self.process.exitcode}; use fewer --processes"


@contextmanager
def leading_team(size: int, work: Callable[[Member], None]) -> Iterator[Member]:
    """Starts the other members of a team and gives the leader; the others end with it.

    Several processes with a thread each train faster than one with several threads,
    because small layers wait for their threads more than they compute.

    Args:
        size: number of processes, this one counted.
        work: what the other members do, importable by name; called with the member.

    Raises:
        TrainingError: another member failed; the message is its own where it has one.
    """
    if size == 1:
        yield Member()
        return
    threads, followers = torch.get_num_threads(), list[_Follower]()
    with tempfile.TemporaryDirectory() as folder:
        meeting_point = Path(folder) / "team"
        try:
            _start(followers, size, meeting_point, work)
            _meet(Member(0, size), meeting_point)
            yield Member(0, size)
        except _LostMemberError as error:
            raise TrainingError(_reason(followers) or str(error)) from error
        finally:
            for follower in followers:
                follower.process.kill()
                follower.process.join()
                follower.line.close()
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            torch.set_num_threads(threads)


def _start(followers: list[_Follower], size: int, meeting_point: Path, work: Callable[[Member], None]) -> None:
    """Starts all processes, adds them to `followers`, and lets them meet once none can fail to appear."""
    context = multiprocessing.get_context("spawn")
    # Processes inherit what is ignored: Ctrl-C reaches all of them, and only the leader shall say so.
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for rank in range(1, size):
            here, there = context.Pipe()
            process = context.Process(target=_join, args=(Member(rank, size), meeting_point, work, there), daemon=True)
            process.start()
            there.close()
            followers.append(_Follower(rank, process, here))
    finally:
        signal.signal(signal.SIGINT, heard)
    for follower in followers:
        follower.wait_until_ready()
    for follower in followers:
        follower.line.send("go")


def _reason(followers: list[_Follower]) -> str:
    """What the member that ended first said, or its exit status; empty when none ended."""
    for follower in followers:
        follower.process.join(_LAST_WORDS_WAIT_S)
    reasons = [(follower.process.exitcode or 0, follower.last_words()) for follower in followers]
    # A member that only lost its connection to another one ends with status 0.
    return next((reason for status, reason in reasons if status != 0 and reason), "")


def _join(member: Member, meeting_point: Path, work: Callable[[Member], None], line: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        line.send("ready")
        line.recv()
    except (EOFError, ConnectionError):
        return  # the leader has ended
    _meet(member, meeting_point)
    try:
        work(member)
    except _LostMemberError:
        return
    except StylizationError as error:
        line.send(str(error))
        raise SystemExit(1) from error


def _meet(member: Member, meeting_point: Path) -> None:
    torch.set_num_threads(1)
    interfaces = [name for _, name in socket.if_nameindex()]
    for loopback in ("lo", "lo0"):
        if loopback in interfaces:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting_point}", rank=member.rank, world_size=member.size
    )
