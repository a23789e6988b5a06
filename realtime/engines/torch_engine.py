"""Owns running a style network with PyTorch, on a CPU, an NVIDIA GPU or Apple's MPS."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neural_style.networks.precision import in_precision
from neural_style.networks.tiles import Progress, stylize_in_tiles
from neural_style.weights.checkpoint import load_checkpoint
from neural_style.weights.state_dict import first_reason
from realtime.engines.cuda_runner import CudaRunner, Network
from realtime.engines.devices import gpu_number, only_on_gpu
from realtime.engines.gpu_memory import is_out_of_memory, let_go_of, with_room
from realtime.engines.protocol import EngineInfo, no_memory, vector_per_image
from realtime.engines.shape_cache import CacheMemory, ShapeCache
from realtime.errors import EngineError, EngineMemoryError
from realtime.options import EngineName, EngineOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_TORCH_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="torch")

_RECORDED_AT = 3
"""A shape that nobody announced is recorded when it comes for this time: a single image is done sooner without."""

_BATCH_SIZES = (1, 2, 4, 8)
"""Of recorded graphs; batches between them are filled up, so that a page's visitors do not need a graph each."""

_MOST_SEEN = 256
_SHARE_OF_MEMORY = 0.5
"""Of a GPU's memory, what recorded graphs may hold when none of them is at work."""

Result = TypeVar("Result")
_Key = tuple[Path, tuple[int, ...]]


def run_in_torch_thread(function: Callable[[], Result]) -> Result:
    """Runs something in the one thread of this process that calls PyTorch, and returns what it gives.

    OpenMP keeps a pool of threads for each thread that ever called PyTorch, and two pools on the
    same cores slow each other down: 27 to 21 fps, measured on two cores.
    """
    return _TORCH_THREAD.submit(function).result()


class TorchEngine:
    """Loads every network of a catalogue.

    On an NVIDIA GPU each shape of batch is recorded as a CUDA graph, when it was announced by `prepare` or came
    often enough; elsewhere networks run in eager mode, all in PyTorch's one thread.

    Args:
        catalogue: the styles to keep loaded; one without a checkpoint is left out.
        options: device, precision ("auto" is fp16 on a GPU and fp32 on a CPU), and how many batches
            come at once, which only an NVIDIA GPU can make use of.
        tile_px: stylize images in tiles of at most this side, for those larger than memory; they are the same up to
            rounding. None is in one.
        progress: takes how many passes of tiles are done, and how many there will be.
        neighbour: another engine on the same GPU, whose recorded graphs go where memory is too small for this one.

    Attributes:
        info: see `Engine.info`.

    Raises:
        EngineError: the device or precision cannot be had, or there is no checkpoint.
        CheckpointError: a checkpoint cannot be read.
    """

    name: ClassVar[EngineName] = "torch"

    def __init__(
        self,
        catalogue: Catalogue,
        options: EngineOptions,
        tile_px: int | None = None,
        progress: Progress | None = None,
        neighbour: "TorchEngine | None" = None,
    ) -> None:
        self._device, self._precision = _device_and_precision(self.name, options)
        if self._device.type == "cuda" and self._precision == "fp32":
            # Else convolutions would be computed in TF32, which has the ten bits of fp16.
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        self._networks = run_in_torch_thread(lambda: self._fitted_networks(catalogue))
        if not self._networks:
            raise EngineError(f"engine {self.name}: no style has a checkpoint; use --engine onnx for .onnx files")
        self._progress, self._neighbour = progress, neighbour
        self._tile_px = tile_px  # tiles of an image differ in size, so a recorded graph could not be replayed
        self._records = tile_px is None and self._can_record(self._device)
        self._parallel = options.parallel_batches if self._records else 1
        self._batch_sizes = sorted({*_BATCH_SIZES, options.batch_size or 1})
        self._seen: Counter[_Key] = Counter()
        memory = CacheMemory[CudaRunner](lambda runner: runner.held_bytes, self._cache_limit_bytes, _empty_cache)
        self._runners: ShapeCache[_Key, CudaRunner] = ShapeCache(self._runner_makers, _run_once, memory)
        self.info = EngineInfo(self.name, str(self._device), self._precision, parallel_batches=self._parallel)

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`; without a GPU there is nothing to prepare: all runs in PyTorch's one thread."""
        if not self._records:
            return 0.0
        path = self._path_of(style)
        with self._failures_named(shape):
            return self._runners.prepare((path, self._recorded_shape(shape)))

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`."""
        path, vector = self._path_of(style), style.vector_at(strength)
        key = path, self._recorded_shape(images.shape)
        with self._failures_named(images.shape):
            if self._records and self._comes_again(key):
                filled, vectors = _filled(images, vector, key[1][0])
                with self._runners.taken(key) as runner:
                    return runner.run(filled, vectors)[: len(images)]
            run = partial(run_in_torch_thread, lambda: self._stylize(images, self._networks[path], vector))
            return with_room(run, self.make_room)

    def make_room(self) -> bool:
        """Lets go of a recorded graph; False where there is none."""
        return self._runners.drop_oldest() or (self._neighbour is not None and self._neighbour.make_room())

    def release_unprepared(self) -> None:
        """See `KeepsShapes`."""
        self._runners.drop_unprepared()

    def close(self) -> None:
        """See `Engine.close`."""
        self._runners.clear()
        self._networks.clear()

    def _path_of(self, style: Style) -> Path:
        if style.checkpoint is None or style.checkpoint not in self._networks:
            raise EngineError(f"engine {self.name}: style {style.name!r} has no checkpoint; use --engine onnx")
        return style.checkpoint

    def _recorded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the graph that takes batches of (N, H, W, 3)."""
        return (next((size for size in self._batch_sizes if size >= shape[0]), shape[0]), *shape[1:])

    def _comes_again(self, key: _Key) -> bool:
        """Whether a batch is replayed from a graph: one that is there, or is worth recording."""
        if self._runners.is_ready(key):
            return True
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen[key] += 1
        return self._seen[key] >= _RECORDED_AT

    @contextmanager
    def _failures_named(self, shape: tuple[int, ...]) -> Iterator[None]:
        """Raises what PyTorch raises as an EngineError that names the shape, or as EngineMemoryError."""
        try:
            yield
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise EngineError(f"engine {self.name}: failed on {shape}: {first_reason(error)}") from error
            let_go_of(error)
        else:
            return
        _empty_cache()  # only now, when nothing holds the tensors of the failed attempt any more
        raise no_memory(self.info, shape)

    @staticmethod
    def _can_record(device: torch.device) -> bool:
        """Whether batches go through CUDA graphs."""
        return device.type == "cuda"

    def _cache_limit_bytes(self) -> float:
        """What recorded graphs may hold."""
        if self._device.type != "cuda":
            return math.inf
        return _SHARE_OF_MEMORY * torch.cuda.get_device_properties(self._device).total_memory

    def _fitted_networks(self, catalogue: Catalogue) -> dict[Path, Network]:
        """The networks; raises EngineMemoryError where a GPU has no room for their weights."""
        try:
            return self._load_networks(catalogue)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        raise EngineMemoryError(
            f"device {self._device}: its memory is too small for the network; close other programs that use it, "
            "or use --device cpu"
        )

    def _load_networks(self, catalogue: Catalogue) -> dict[Path, Network]:
        checkpoints = dict.fromkeys(s.checkpoint for s in catalogue.styles if s.checkpoint is not None and not s.fault)
        dtype = _DTYPES[self._precision]
        return {path: in_precision(load_checkpoint(path).to(self._device), dtype) for path in checkpoints}

    def _runner_makers(self, key: _Key) -> list[Callable[[], CudaRunner]]:
        """As many as batches come at once, each with its own buffers, for one shape."""
        path, shape = key
        network = self._networks[path]
        return [partial(CudaRunner, network, shape, network.vector_size, self._device)] * self._parallel

    @torch.inference_mode()
    def _stylize(
        self, images: NDArray[np.uint8], network: Network, vector: NDArray[np.float32] | None
    ) -> NDArray[np.uint8]:
        if vector is None:
            return self._run(network, images, None)
        return self._run(network, images, torch.from_numpy(vector_per_image(vector, len(images))).to(self._device))

    def _run(self, network: Network, images: NDArray[np.uint8], vectors: Tensor | None) -> NDArray[np.uint8]:
        """Passes uint8 (N, H, W, 3) RGB through a network, with style vectors (N, vector_size); gives the same."""
        if self._tile_px is not None:
            per_image = [None] * len(images) if vectors is None else [vector[None] for vector in vectors]
            tiled = partial(self._in_tiles, network, self._tile_px)
            return np.stack([tiled(image, vector) for image, vector in zip(images, per_image, strict=True)])
        frames = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
        stylized = network(frames.permute(0, 3, 1, 2).float(), vectors)  # (N, 3, H, W)
        rounded = stylized.clamp(0, 255).round().to(torch.uint8)
        return np.asarray(rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy(), np.uint8)

    def _in_tiles(
        self, network: Any, tile_px: int, image: NDArray[np.uint8], vector: Tensor | None
    ) -> NDArray[np.uint8]:
        return stylize_in_tiles(network, image, vector, tile_px, self._progress)


def _filled(
    images: NDArray[np.uint8], vector: NDArray[np.float32] | None, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """A batch of `count` images, the last one repeated, and the vectors for it."""
    if len(images) == count:
        return images, vector
    more = [(0, count - len(images)), (0, 0)]
    vectors = np.pad(vector, more, mode="edge") if vector is not None and vector.ndim > 1 else vector
    return np.pad(images, [*more, (0, 0), (0, 0)], mode="edge"), vectors


def _empty_cache() -> None:
    torch.cuda.empty_cache()  # without a GPU this does nothing


def _run_once(key: _Key, runner: CudaRunner) -> None:
    _, shape = key
    runner.run(np.zeros(shape, np.uint8), None)


def _device_and_precision(engine: EngineName, options: EngineOptions) -> tuple[torch.device, str]:
    wanted = options.precision
    if wanted not in ("auto", *_DTYPES):
        raise EngineError(
            f"precision {wanted}: engine {engine} has {', '.join(_DTYPES)}; use one of them, "
            "or --device cpu with --engine openvino or onnx"
        )
    if options.device == "mps":
        if not torch.backends.mps.is_available():
            raise EngineError("device mps: this machine or this PyTorch has none; use --device cpu")
        return torch.device("mps"), "fp16" if wanted == "auto" else wanted
    number = gpu_number(engine, options)
    if number is not None:
        return torch.device("cuda", number), "fp16" if wanted == "auto" else wanted
    if wanted == "fp16":
        raise EngineError(f"{only_on_gpu(engine, options)}; use --precision fp32 or bf16")
    return torch.device("cpu"), "fp32" if wanted == "auto" else wanted
