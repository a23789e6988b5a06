"""Owns training in several processes: starts them, joins them to one process group, and ends them together."""

import contextlib
import os
import signal
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import connection
from multiprocessing.process import BaseProcess

import torch
import torch.distributed
import torch.multiprocessing
from torch import nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.nn.parallel import DistributedDataParallel

from neural_style.errors import StylizationError, TrainingError

_HOST = "127.0.0.1"
_CONNECT_LIMIT = timedelta(seconds=30)
_ENDED_WITHIN_S = 5.0
"""Between the loss of a connection and the end of the process that had it."""

_FAILURE = "failure"
"""The key of the store under which the first process that fails says why."""


@dataclass(frozen=True)
class Member:
    """One process of the group.

    Attributes:
        rank: 0 leads: it reports and writes files.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    def synchronized(self, network: nn.Module) -> nn.Module:
        """The same network; each backward pass averages its gradients over all processes.

        Every process must call it and then run the same number of passes. A pass raises RuntimeError when
        another process has ended.
        """
        return network if self.size == 1 else DistributedDataParallel(network)


@contextmanager
def process_group(size: int, work: Callable[[Member], None]) -> Iterator[Member]:
    """Starts the other processes of a group and gives this one, which leads; the others end with it.

    Several processes with a thread each train faster than one with several threads,
    because small layers wait for their threads more than they compute.

    Args:
        size: number of processes, this one counted.
        work: what the other processes do, importable by name; called with the member.

    Raises:
        TrainingError: another process failed; the message is its own where it has one.
    """
    if size == 1:
        yield Member()
        return
    threads = torch.get_num_threads()
    # A socket of our own, because the store's would listen on all network interfaces.
    listener = socket.create_server((_HOST, 0))
    port = listener.getsockname()[1]
    store = TCPStore(
        _HOST, port, is_master=True, wait_for_workers=False, use_libuv=False, master_listen_fd=listener.detach()
    )
    processes = _started(size, port, work)
    try:
        _wait_until_ready(processes, store)
        _join_group(Member(0, size), store)
        yield Member(0, size)
    except RuntimeError as error:
        reason = _reason(processes, store)
        if reason:
            raise TrainingError(reason) from error
        raise
    finally:
        for process in processes:
            process.kill()
            process.join()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        torch.set_num_threads(threads)


def _started(size: int, port: int, work: Callable[[Member], None]) -> Sequence[BaseProcess]:
    # Processes inherit what is ignored: Ctrl-C reaches all of them, and only the leader shall say so.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        context = torch.multiprocessing.spawn(  # type: ignore[attr-defined,no-untyped-call]
            _follow, (size, port, work), nprocs=size - 1, join=False, daemon=True
        )
    finally:
        signal.signal(signal.SIGINT, handler)
    processes: Sequence[BaseProcess] = context.processes
    return processes


def _wait_until_ready(processes: Sequence[BaseProcess], store: TCPStore) -> None:
    """Returns when all processes run; raises RuntimeError when one ended instead, which joining would wait for."""
    while not store.check([str(rank) for rank in range(1, len(processes) + 1)]):
        if connection.wait([process.sentinel for process in processes], timeout=0.1):
            raise RuntimeError("a process ended before the training began")


def _reason(processes: Sequence[BaseProcess], store: TCPStore) -> str:
    """Why a process ended early; empty when none did."""
    for process in processes:
        process.join(_ENDED_WITHIN_S)
    statuses = {process.exitcode or 0 for process in processes} - {0}
    killed = statuses - {1}
    if not killed and store.check([_FAILURE]):
        return store.get(_FAILURE).decode()
    if not statuses:
        return ""
    return f"one of the training processes ended with status {min(killed or statuses)}; use fewer --processes"


def _follow(index: int, size: int, port: int, work: Callable[[Member], None]) -> None:
    """What another process does; `index` counts from 0 and leaves out the leader."""
    try:
        _work_and_report(Member(index + 1, size), port, work)
    except SystemExit as error:  # Python's own end takes the group down under its threads, which may abort the process
        os._exit(int(error.code or 0))


def _work_and_report(member: Member, port: int, work: Callable[[Member], None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Errors of the store mean that the leader has ended, so there is nobody to report them to.
    with contextlib.suppress(torch.distributed.DistError):
        store = TCPStore(_HOST, port, is_master=False, timeout=_CONNECT_LIMIT, use_libuv=False)
        store.set(str(member.rank), "ready")
        try:
            _join_group(member, store)
            work(member)
        except Exception as error:
            own = str(error) if isinstance(error, StylizationError) else traceback.format_exc()
            # The first failure is the cause; to the others it is the loss of a connection.
            store.compare_set(_FAILURE, "", own)
            raise SystemExit(1) from error


def _join_group(member: Member, store: TCPStore) -> None:
    torch.set_num_threads(1)
    interfaces = [name for _, name in socket.if_nameindex()]
    for loopback in ("lo", "lo0"):
        if loopback in interfaces:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    torch.distributed.init_process_group("gloo", store=store, rank=member.rank, world_size=member.size)
