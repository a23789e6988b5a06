"""Owns passing batches of one shape through a network on an NVIDIA GPU: pinned memory, a stream, a CUDA graph."""

from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realtime.engines.protocol import vector_per_image

_WARM_UP_RUNS = 3


class Network(Protocol):
    """What stylizes: a network, or one in TorchScript.

    Attributes:
        vector_size: values of a style vector; 0 for a network that takes none.
    """

    @property
    def vector_size(self) -> int: ...  # noqa: D102

    def __call__(self, images: Tensor, vectors: Tensor | None) -> Any: ...  # noqa: D102


class CudaRunner:
    """Records the network once as a CUDA graph, and replays it for every batch.

    Two runners overlap: one uploads or downloads while the other computes.

    Args:
        network: on the GPU, in the dtype to compute in.
        shape: (N, H, W, 3) of every batch that will come.
        vector_size: values of a style vector; 0 for a network that takes none.
        device: the GPU.

    Attributes:
        held_bytes: of the GPU's memory that it keeps, those of its graph among them; about, where another thread
            allocates at the same time.

    Raises:
        RuntimeError: the GPU's memory is too small, or it cannot run the network.
    """

    def __init__(self, network: Network, shape: tuple[int, ...], vector_size: int, device: torch.device) -> None:
        self._network, self._has_vector = network, vector_size > 0
        before_bytes = torch.cuda.memory_reserved(device)
        # Only from pinned memory, which the system cannot move, copies go on beside other work.
        self._uploaded = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._uploaded_vectors = torch.zeros(shape[0], max(1, vector_size), pin_memory=True)
        self._downloaded = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._frames = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._vectors = torch.zeros(shape[0], max(1, vector_size), device=device)
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.inference_mode(), torch.cuda.device(device):
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UP_RUNS):  # libraries choose and allocate now: a graph must not
                    self._stylize()
            self._stream.synchronize()
            # Another runner may be at work in another thread; it must not spoil the recording.
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                self._stylized = self._stylize()
        self.held_bytes = max(0, torch.cuda.memory_reserved(device) - before_bytes)

    @torch.inference_mode()
    def run(self, images: NDArray[np.uint8], vector: NDArray[np.float32] | None) -> NDArray[np.uint8]:
        """Stylizes a batch, from one thread at a time.

        Args:
            images: uint8 (N, H, W, 3) RGB of the recorded shape.
            vector: float32 (vector_size,), or (N, vector_size), for a network that takes one.

        Returns:
            uint8 (N, H, W, 3) RGB, an array of its own.
        """
        self._uploaded.copy_(torch.from_numpy(np.ascontiguousarray(images)))
        if vector is not None:
            self._uploaded_vectors.copy_(torch.from_numpy(vector_per_image(vector, len(images))))
        with torch.cuda.stream(self._stream):
            self._frames.copy_(self._uploaded, non_blocking=True)
            self._vectors.copy_(self._uploaded_vectors, non_blocking=True)
            self._graph.replay()
            self._downloaded.copy_(self._stylized, non_blocking=True)
        self._stream.synchronize()
        return np.array(self._downloaded.numpy(), np.uint8)

    def resident_ms(self, runs: int) -> list[float]:
        """Times in ms of so many runs from frames to stylized images in the GPU's memory, by CUDA events.

        The frames are those of the last `run`.
        """
        events = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            events[0].record()
            for event in events[1:]:
                self._graph.replay()
                event.record()
        self._stream.synchronize()
        return [float(before.elapsed_time(after)) for before, after in pairwise(events)]

    def _stylize(self) -> torch.Tensor:
        images = self._frames.permute(0, 3, 1, 2).float()  # (N, 3, H, W)
        stylized: torch.Tensor = self._network(images, self._vectors if self._has_vector else None)
        return stylized.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
