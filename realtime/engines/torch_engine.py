"""Owns running a style network with PyTorch, on a CPU, an NVIDIA GPU or Apple's MPS."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neural_style.networks.fast_net import FastNet
from neural_style.networks.tiles import Progress, stylize_in_tiles
from neural_style.weights.checkpoint import StyleNetwork, load_checkpoint
from neural_style.weights.state_dict import first_reason
from realtime.engines.cuda_runner import CudaRunner
from realtime.engines.devices import gpu_number, only_on_gpu
from realtime.engines.protocol import EngineInfo, no_memory, vector_per_image
from realtime.engines.shape_cache import ShapeCache
from realtime.errors import EngineError
from realtime.options import EngineOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_TORCH_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="torch")

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

    On an NVIDIA GPU each shape of batch is recorded once as a CUDA graph; elsewhere networks run in
    eager mode, all in PyTorch's one thread.

    Args:
        catalogue: the styles to keep loaded; one without a checkpoint is left out.
        options: device, precision ("auto" is fp16 on a GPU and fp32 on a CPU), and how many batches
            come at once, which only an NVIDIA GPU can make use of.
        tile_px: stylize images in tiles of at most this side, for those larger than memory; they are the same up to
            rounding. None is in one.
        progress: takes how many passes of tiles are done, and how many there will be.

    Attributes:
        info: see `Engine.info`.

    Raises:
        EngineError: the device or precision cannot be had, or there is no checkpoint.
        CheckpointError: a checkpoint cannot be read.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        options: EngineOptions,
        tile_px: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._device, precision = _device_and_precision(options)
        self._dtype = _DTYPES[precision]
        self._networks = run_in_torch_thread(lambda: self._load_networks(catalogue))
        if not self._networks:
            raise EngineError("engine torch: no style has a checkpoint; use --engine onnx for .onnx files")
        self._progress = progress
        self._tile_px = tile_px  # tiles of an image differ in size, so a recorded graph could not be replayed
        self._records = tile_px is None and self._can_record(self._device)
        self._parallel = options.parallel_batches if self._records else 1
        self._runners: ShapeCache[_Key, CudaRunner] = ShapeCache(self._make_runners, _run_once)
        self.info = EngineInfo("torch", str(self._device), precision, parallel_batches=self._parallel)

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`; without a GPU there is nothing to prepare: all runs in PyTorch's one thread."""
        if not self._records:
            return 0.0
        with self._failures_named(shape):
            return self._runners.prepare((self._path_of(style), shape))

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`."""
        path, vector = self._path_of(style), style.vector_at(strength)
        with self._failures_named(images.shape):
            if self._records:
                with self._runners.taken((path, images.shape)) as runner:
                    return runner.run(images, vector)
            return run_in_torch_thread(lambda: self._stylize(images, self._networks[path], vector))

    def close(self) -> None:
        """See `Engine.close`."""
        self._runners.clear()
        self._networks.clear()

    def _path_of(self, style: Style) -> Path:
        if style.checkpoint is None or style.checkpoint not in self._networks:
            raise EngineError(f"engine torch: style {style.name!r} has no checkpoint; use --engine onnx")
        return style.checkpoint

    @contextmanager
    def _failures_named(self, shape: tuple[int, ...]) -> Iterator[None]:
        """Raises what PyTorch raises as an EngineError that names the shape, or as EngineMemoryError."""
        try:
            yield
        except RuntimeError as error:
            if "out of memory" in str(error).lower():
                torch.cuda.empty_cache()  # without a GPU this does nothing
                raise no_memory(self.info, shape) from error
            raise EngineError(f"engine torch: failed on {shape}: {first_reason(error)}") from error

    @staticmethod
    def _can_record(device: torch.device) -> bool:
        """Whether batches go through CUDA graphs."""
        return device.type == "cuda"

    def _load_networks(self, catalogue: Catalogue) -> dict[Path, StyleNetwork]:
        checkpoints = dict.fromkeys(s.checkpoint for s in catalogue.styles if s.checkpoint is not None and not s.fault)
        return {path: load_checkpoint(path).to(self._device, self._dtype) for path in checkpoints}

    def _make_runners(self, key: _Key) -> list[CudaRunner]:
        """As many as batches come at once, each with its own buffers, for one shape."""
        path, shape = key
        network = self._networks[path]
        vector_size = network.vector_size if isinstance(network, FastNet) else 0
        return [CudaRunner(network, shape, vector_size, self._device) for _ in range(self._parallel)]

    @torch.inference_mode()
    def _stylize(
        self, images: NDArray[np.uint8], network: StyleNetwork, vector: NDArray[np.float32] | None
    ) -> NDArray[np.uint8]:
        if vector is None:
            return self._run(network, images, None)
        return self._run(network, images, torch.from_numpy(vector_per_image(vector, len(images))).to(self._device))

    def _run(self, network: StyleNetwork, images: NDArray[np.uint8], vectors: Tensor | None) -> NDArray[np.uint8]:
        """Passes uint8 (N, H, W, 3) RGB through a network, with style vectors (N, vector_size); gives the same."""
        if self._tile_px is not None:
            per_image = [None] * len(images) if vectors is None else [vector[None] for vector in vectors]
            pairs = zip(images, per_image, strict=True)
            return np.stack([stylize_in_tiles(network, *pair, self._tile_px, self._progress) for pair in pairs])
        frames = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
        stylized = network(frames.permute(0, 3, 1, 2).float(), vectors)  # (N, 3, H, W)
        rounded = stylized.clamp(0, 255).round().to(torch.uint8)
        return np.asarray(rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy(), np.uint8)


def _run_once(key: _Key, runner: CudaRunner) -> None:
    _, shape = key
    runner.run(np.zeros(shape, np.uint8), None)


def _device_and_precision(options: EngineOptions) -> tuple[torch.device, str]:
    wanted = options.precision
    if wanted not in ("auto", *_DTYPES):
        raise EngineError(
            f"precision {wanted}: engine torch has {', '.join(_DTYPES)}; use one of them, "
            "or --device cpu with --engine openvino or onnx"
        )
    if options.device == "mps":
        if not torch.backends.mps.is_available():
            raise EngineError("device mps: this machine or this PyTorch has none; use --device cpu")
        return torch.device("mps"), "fp16" if wanted == "auto" else wanted
    number = gpu_number("torch", options)
    if number is not None:
        return torch.device("cuda", number), "fp16" if wanted == "auto" else wanted
    if wanted == "fp16":
        raise EngineError(f"{only_on_gpu('torch', options)}; use --precision fp32 or bf16")
    return torch.device("cpu"), "fp32" if wanted == "auto" else wanted
