"""Owns the workers of a run on a Ray cluster: one actor for each, which Ray starts again where it ends."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from realtime.cluster.options import ClusterOptions
from realtime.cluster.ray_cluster import RayCluster
from realtime.cluster.units import Outcome, Setup, Unit
from realtime.cluster.worker import Worker
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError, OptionError

READY_LIMIT_S = 90.0
"""How long workers may take to come up, and how long none of them may be there."""

_USUAL_CORES = 2


class RayPool:
    """Workers on a Ray cluster; to be used in a `with` block.

    Workers that end are started again by Ray, elsewhere if need be; what they were doing comes back from `wait` as a
    fault, so that whoever is free first does it. (Ray itself would give it to the same worker.)

    Args:
        options: which cluster, and how many workers.
        device: that was asked for: "auto", "cpu", "cuda" and so on.

    Attributes:
        hosts: of each worker, as it was at first.
        restarts: how often a worker ended and was started again.

    Raises:
        MissingPackageError: Ray is not installed.
        OptionError: there is no such cluster, or no room in it.
        EngineError: its workers do not come up.
    """

    def __init__(self, options: ClusterOptions, device: str) -> None:
        self._options, self.restarts = options, 0
        self._cluster = RayCluster(options.address, options.verbose)
        self._ray = self._cluster.ray
        try:
            self.cores, self._gpus = self._shares(device)
            self._actors = self._started()
            self.hosts = self._hosts()
        except BaseException:
            self.close()
            raise
        seen: Counter[str] = Counter()
        self._ranks = []
        for host in self.hosts:
            self._ranks.append(seen[host])
            seen[host] += 1
        self._busy: dict[Any, tuple[int, bool]] = {}
        self._setup: Any = None
        self._told: dict[int, Any] = {}
        self._progress: dict[int, int] = {}
        self._retired: set[int] = set()
        self._free = set(range(len(self._actors)))
        self._alive_s = time.monotonic()

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._actors)

    @property
    def free(self) -> list[int]:
        """The workers that wait for work."""
        return sorted(self._free)

    @property
    def alive(self) -> int:
        """How many workers are there: all but those that are being started again."""
        return len(self._actors) - len(self._retired) - sum(not works for _, works in self._busy.values())

    def ask_all(self, method: str, *arguments: Any) -> list[Any]:
        """Asks all workers for the same, and gives their answers in order.

        Raises:
            StylizationError: what the first of them raised that raised anything.
        """
        return self._answers([self._asked(actor, method, *arguments) for actor in self._actors])

    def open(self, setup: Setup, worker: int) -> tuple[EngineInfo, tuple[str, ...]]:
        """Opens one worker's engine; see `Worker.open`."""
        info, lines = self._answers([self._asked(self._actors[worker], "open", setup, self._ranks[worker])])[0]
        return info, lines

    def tell(self, setup: Setup) -> None:
        """Gives the setup of all units to come."""
        self._setup = self._ray.put(setup)

    def submit(self, worker: int, unit: Unit) -> None:
        """Gives a free worker a unit."""
        self._free.discard(worker)
        self._progress[worker] = 0
        reference = self._actors[worker].run.remote(self._setup, self._ranks[worker], unit)
        self._busy[reference] = worker, True

    def wait(self, limit_s: float) -> list[tuple[int, Outcome]]:
        """Waits for the next outcome at most so long, and gives all that have come with their workers.

        Raises:
            EngineError: no worker has been there for long.
        """
        if not self._busy:
            time.sleep(min(limit_s, 0.01))
            return []
        ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=limit_s)
        outcomes = []
        for reference in ready:
            worker, works = self._busy.pop(reference)
            outcome, ended = self._outcome(reference)
            if outcome is None:
                self._free.add(worker)  # it is there again
            elif outcome.kind == "unfit" or not works:
                self._retire(worker, outcome)
            elif outcome.kind == "fault":
                self._start_again(worker, ended)
            else:
                self._free.add(worker)
            if works and outcome is not None:
                outcomes.append((worker, outcome))
        self._check_alive()
        return outcomes

    def progress(self) -> dict[int, int]:
        """How many frames of its unit each busy worker has done, as far as it is known; asks for newer figures."""
        busy = {worker for worker, works in self._busy.values() if works}
        for worker in list(self._told):
            ready, _ = self._ray.wait([self._told[worker]], timeout=0)
            if ready:
                with suppress(self._ray.exceptions.RayError):
                    self._progress[worker] = self._ray.get(self._told[worker])
                del self._told[worker]
        for worker in busy - self._told.keys():
            self._told[worker] = self._actors[worker].progress.remote()
        return {worker: self._progress.get(worker, 0) for worker in busy}

    def close(self) -> None:
        """Lets go of the workers, and of the cluster."""
        self._cluster.close()

    def _shares(self, device: str) -> tuple[int, float]:
        """Cores and GPUs of a worker; raises OptionError where no machine has as many."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        has_gpus = any(node.get("GPU", 0) for node in nodes)
        gpus = self._options.gpus_per_worker
        if gpus is None:
            gpus = 1.0 if has_gpus and device not in ("cpu", "mps") else 0.0
        largest = int(max((node.get("CPU", 0) for node in nodes), default=0))
        cores = self._options.cpus_per_worker or max(1, min(_USUAL_CORES, largest))
        room = sum(_room(node, cores, gpus) for node in nodes)
        if room == 0:
            raise OptionError(
                f"cluster: no machine has {cores} CPUs and {gpus:g} GPUs for a worker; "
                "give a smaller --cpus-per-worker or --gpus-per-worker"
            )
        if (self._options.workers or 1) > room:
            raise OptionError(
                f"workers {self._options.workers or 1}: the cluster has room for {room} with {cores} CPUs and "
                f"{gpus:g} GPUs each; use fewer, or a smaller --cpus-per-worker or --gpus-per-worker"
            )
        self._count = self._options.workers or room
        return cores, gpus

    def _started(self) -> list[Any]:
        actor = self._ray.remote(
            num_cpus=self.cores, num_gpus=self._gpus, max_restarts=-1, max_task_retries=0, max_concurrency=2
        )(Worker)
        return [actor.remote() for _ in range(self._count)]

    def _hosts(self) -> list[str]:
        return self._answers([self._asked(actor, "host") for actor in self._actors])

    def _asked(self, actor: Any, method: str, *arguments: Any) -> Any:
        """Asks what is as well asked twice: Ray does so as often as the worker ends meanwhile."""
        return getattr(actor, method).options(max_task_retries=-1).remote(*arguments)

    def _answers(self, references: Sequence[Any]) -> list[Any]:
        try:
            return list(self._ray.get(list(references), timeout=READY_LIMIT_S))
        except self._ray.exceptions.GetTimeoutError as error:
            raise EngineError(
                f"ray: workers did not all answer within {READY_LIMIT_S:.0f} s; the cluster is busy, or they end again "
                "and again, as for lack of memory: use fewer --workers, or see what --verbose says"
            ) from error
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except self._ray.exceptions.RayError as error:
            raise EngineError(f"ray: a worker ended as it began ({_line(error)}); see what --verbose says") from error

    def _outcome(self, reference: Any) -> tuple[Outcome | None, bool]:
        """What a call gave, None where it only said that a worker is there again; and whether the worker ended."""
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except self._ray.exceptions.RayError as error:
            return Outcome("fault", f"its worker ended ({_line(error)})"), True
        return (answer if isinstance(answer, Outcome) else None), False

    def _start_again(self, worker: int, ended: bool) -> None:
        """Waits in the background until a worker is there again; one that may have lost its GPU is ended first."""
        self.restarts += 1
        self._told.pop(worker, None)
        if not ended:
            self._ray.kill(self._actors[worker], no_restart=False)
        self._busy[self._asked(self._actors[worker], "host")] = worker, False

    def _retire(self, worker: int, outcome: Outcome) -> None:
        """Gives no more work to a worker that can do none."""
        self._retired.add(worker)
        self._told.pop(worker, None)
        self._ray.kill(self._actors[worker])
        if len(self._retired) == len(self._actors):
            raise EngineError(f"ray: no worker is left ({outcome.text})")

    def _check_alive(self) -> None:
        now_s = time.monotonic()
        if self.alive:
            self._alive_s = now_s
        elif now_s - self._alive_s > READY_LIMIT_S:
            raise EngineError(f"ray: no worker has been there for {READY_LIMIT_S:.0f} s; look after the cluster")


def _room(node: dict[str, float], cores: int, gpus: float) -> int:
    by_cores = int(node.get("CPU", 0) // cores)
    if not gpus:
        return by_cores
    whole = int(node.get("GPU", 0))
    return min(by_cores, whole * int(1 / gpus + 1e-6) if gpus < 1 else int(whole // gpus))


def _line(error: Exception) -> str:
    name = type(error).__name__
    return {"ActorDiedError": "killed, or out of memory", "ActorUnavailableError": "killed, or not to be reached"}.get(
        name, name
    )
