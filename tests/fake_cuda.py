"""Stands in for the CUDA that `CudaRunner` uses, on a CPU: what is recorded is replayed from the same buffers.

The runner itself is the real one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import cycle
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 7 GiB"
EVENTS_MS = (1.0, 2.0, 9.0)
"""What passes between two events, again and again."""


class FakeGraph(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Like a CUDA graph it knows no Python: only which operation reads and writes which buffers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and to skip it would import all of it, which takes seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.steps.append((func, args, kwargs or {}, result))
        return result

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the buffer that the first operation reads."""
        return tuple(self.steps[0][1][0].shape)

    def replay(self) -> None:
        """Runs every operation again, into the buffers of the recording."""
        with torch.inference_mode():
            for func, args, kwargs, recorded in self.steps:
                for buffer, value in zip(tree_leaves(recorded), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(buffer, torch.Tensor) and buffer.data_ptr() != value.data_ptr():
                        buffer.copy_(value)


class _Stream:
    def wait_stream(self, _: Any) -> None:
        """Work is done as soon as it is asked for."""

    def synchronize(self) -> None:
        """See `wait_stream`."""


class _Event:
    _times_ms = cycle(EVENTS_MS)

    def record(self) -> None:
        """Time does not pass."""

    def elapsed_time(self, _: "_Event") -> float:
        return next(self._times_ms)


class FakeCuda:
    """What `torch.cuda` gives a `CudaRunner`.

    Attributes:
        graphs: all that were recorded.
        has_memory: whether a graph can be recorded.
    """

    def __init__(self) -> None:
        self.graphs: list[FakeGraph] = []
        self.has_memory = True

    def take_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Until the end of a test the runner finds this in the place of `torch.cuda`, and no memory is pinned."""
        monkeypatch.setattr("realtime.engines.cuda_runner.torch", _TorchWith(self))
        monkeypatch.setattr("realtime.engines.cuda_runner._WARM_UP_RUNS", 1)

    def memory_reserved(self, _: Any) -> int:
        return 1000 * len(self.graphs)

    def Stream(self, _: Any) -> _Stream:  # noqa: N802
        return _Stream()

    def Event(self, enable_timing: bool) -> _Event:  # noqa: N802
        assert enable_timing
        return _Event()

    def CUDAGraph(self) -> FakeGraph:  # noqa: N802
        return FakeGraph()

    def current_stream(self, _: Any) -> _Stream:
        return _Stream()

    def device(self, _: Any) -> nullcontext[None]:
        return nullcontext()

    def stream(self, _: _Stream) -> nullcontext[None]:
        return nullcontext()

    @contextmanager
    def graph(self, graph: FakeGraph, stream: _Stream, capture_error_mode: str) -> Iterator[None]:
        if not self.has_memory:
            raise RuntimeError(OUT_OF_MEMORY)
        with graph:
            yield
        self.graphs.append(graph)


class _TorchWith:
    """PyTorch with another `cuda`."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def empty(self, shape: tuple[int, ...], pin_memory: bool, dtype: torch.dtype) -> torch.Tensor:
        return torch.full(shape, 77, dtype=dtype)  # whatever lay there before

    def zeros(self, *sides: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        return torch.zeros(*sides, **options)
