"""Owns measuring what the project promises on an NVIDIA GPU."""

import copy
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from neural_style.errors import StylizationError
from neural_style.networks.fast_net import FastNet
from neural_style.networks.transformer_net import TransformerNet
from neural_style.photos import packaged_photos
from neural_style.training.options import TrainOptions
from neural_style.training.trainer import Trainer
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import StyleCredit, StyleNetwork, load_checkpoint
from realtime.engines.cuda_runner import CudaRunner
from realtime.engines.onnx_engine import OnnxEngine
from realtime.errors import EngineError
from realtime.options import PROVIDERS, EngineOptions
from realtime.style_catalogue import load_catalogue
from speed.acceptance import GpuReport, GpuResult, Requirement
from speed.ceilings import Ceilings
from speed.clips import first_frames
from speed.cost import cost_per_pixel
from speed.machine import describe_machine

HD, FULL_HD, UHD = (1280, 720), (1920, 1080), (3840, 2160)
_BATCH_SIZES = (1, 2, 4)
_RUNS = 100
_HOST_FRAMES = 120
_PARALLEL_BATCHES = 2
_COMPARED_FRAMES, _COMPARED_WH = 24, (640, 360)
_TRAINED_STEPS, _FIRST_STEPS = 60, 10
_FAST = SAVED_MODELS / "fast.safetensors"


class GpuAcceptance:
    """The acceptance run of one GPU.

    Args:
        device: as PyTorch names it.
        clip: what frames are from.
        say: takes lines for people: what is measured now, and what was left out.
        sizes_wh: what is measured; tests take small ones.
    """

    def __init__(
        self,
        device: str,
        clip: Path,
        say: Callable[[str], None],
        sizes_wh: tuple[tuple[int, int], ...] = (HD, FULL_HD, UHD),
    ) -> None:
        self._device, self._clip, self._say, self._sizes_wh = torch.device(device), clip, say, sizes_wh
        self._networks: dict[str, StyleNetwork] = {
            "TransformerNet": TransformerNet("random weights, which cost the same").eval(),
            "FastNet": load_checkpoint(_FAST),
        }

    def run(self) -> GpuReport:
        """Measures everything.

        Raises:
            StylizationError: the clip cannot be read.
        """
        ceilings = self.ceilings()
        results = list(self.results(*ceilings.values()))
        requirements = [*speed_requirements(results), *self.exactness(), *self.providers(), self.training()]
        return GpuReport(describe_machine(), ceilings, results, requirements)

    def ceilings(self) -> dict[str, float]:
        """Peak rates of the GPU: of products in fp16 and of copies."""
        self._say("peak rates of the GPU")
        ceilings = Ceilings(str(self._device))
        return {"fp16 matmul Gop/s": ceilings.matmul_gops("fp16"), "copy GB/s": ceilings.copy_gb_per_s()}

    def results(self, matmul_gops: float, copy_gb_per_s: float) -> Iterator[GpuResult]:
        """Measures both networks in every size and batch; what does not fit into memory is left out, and said."""
        for name, size_wh, batch_size in product(self._networks, self._sizes_wh, _BATCH_SIZES):
            what = f"{name}, {size_wh[0]}x{size_wh[1]}, batch {batch_size}"
            self._say(what)
            images = first_frames(self._clip, size_wh, batch_size)
            try:
                runners = [self._runner(name, images.shape) for _ in range(_PARALLEL_BATCHES)]
                vector = _vector(self._networks[name])
                runners[0].run(images, vector)
                times_ms = runners[0].resident_ms(_RUNS)
                host_fps = _host_fps(runners, images, vector)
            except RuntimeError as error:
                self._say(f"left out: {what}: {error}")
                continue
            cost, pixels = cost_per_pixel(copy.deepcopy(self._networks[name]), size_wh), images[..., 0].size
            low_ms, high_ms = (float(value) for value in np.percentile(times_ms, (5, 95)))
            yield GpuResult(
                network=name,
                size_wh=size_wh,
                batch_size=batch_size,
                resident_ms=median(times_ms),
                low_ms=low_ms,
                high_ms=high_ms,
                host_fps=host_fps,
                compute_ms=2 * cost.macs * pixels / matmul_gops / 1e6 if matmul_gops else 0.0,
                memory_ms=cost.bytes_in("fp16") * pixels / copy_gb_per_s / 1e6,
            )

    def exactness(self) -> Iterator[Requirement]:
        """fp16 beside fp32 on the frames of the clip, all styles, and on frames of one colour."""
        self._say("fp16 beside fp32")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # the reference is exact
        frames = first_frames(self._clip, _COMPARED_WH, _COMPARED_FRAMES)
        for name, network in self._networks.items():
            vectors = list(network.style_vectors.float().cpu().numpy()) if isinstance(network, FastNet) else [None]
            worst = self._fp16_differences(name, frames, vectors).max(axis=0)
            for what, unit, limit, value in [
                ("fp16 from fp32, mean of the worst frame", "of 255", 1, worst[0]),
                ("pixels of the worst frame that differ by more than 16", "%", 0.1, worst[1]),
            ]:
                yield Requirement(f"{name}: {what}", unit, limit, None, float(value), True)
        flat = np.stack([np.full(frames.shape[1:], level, np.uint8) for level in (0, 119, 255)])
        largest = self._fp16_differences("FastNet", flat, [_vector(self._networks["FastNet"])])[:, 2].max()
        what = "FastNet: black, grey and white frames, fp16 from fp32"
        yield Requirement(what, "of 255", 8, None, float(largest), True)

    def providers(self) -> Iterator[Requirement]:
        """ONNX Runtime's providers beside PyTorch in fp32, on a frame of the clip, a black one and a checkerboard."""
        catalogue = load_catalogue()
        frames = first_frames(self._clip, _COMPARED_WH, 1)
        board = np.indices(frames.shape[1:3]).sum(axis=0) // 32 % 2 * 255  # (H, W)
        inputs = [frames, np.zeros_like(frames), np.repeat(board[None, :, :, None], 3, axis=3).astype(np.uint8)]
        vector = _vector(self._networks["FastNet"])
        exact = self._runner("FastNet", frames.shape, half=False)
        for provider in PROVIDERS[1:]:
            self._say(f"ONNX Runtime with {provider}")
            value, why = None, ""
            try:
                engine = OnnxEngine(catalogue, EngineOptions("onnx", str(self._device), "fp16", provider=provider))
                pairs = [(engine.stylize(images, catalogue.styles[0]), exact.run(images, vector)) for images in inputs]
                value = max(float(np.mean(cv2.absdiff(*pair))) for pair in pairs)
            except EngineError as error:
                why = str(error)
            what = f"onnx fp16, {provider}: mean difference from fp32, worst of frame, black, checkerboard"
            yield Requirement(what, "of 255", 2, None, value, True, why)

    def training(self) -> Requirement:
        """How long the shipped styles would take from nothing, by the time of a few steps of the same schedule."""
        self._say("training, a few steps")
        with safe_open(_FAST, framework="np") as stored:
            recipe = json.loads(stored.metadata()["training"])
        images = (packaged_photos() * 2)[:12]
        ends_s: list[float] = []
        minutes, why = None, ""
        with TemporaryDirectory(prefix="training_") as folder:
            options = TrainOptions(
                style_images=tuple(images),
                credits=tuple(StyleCredit(f"style {number}", "", "") for number in range(len(images))),
                content_dir=None,
                output=Path(folder) / "styles.safetensors",
                network="fast",
                steps=_TRAINED_STEPS,
                batch_size=recipe["batch_size"],
                crop_px=recipe["crop_px"],
                save_every=_TRAINED_STEPS,
                device=self._device.type,
            )
            try:
                Trainer(options).run(lambda _: ends_s.append(time.perf_counter()))
                step_s = (ends_s[-1] - ends_s[_FIRST_STEPS - 1]) / (_TRAINED_STEPS - _FIRST_STEPS)
                minutes = step_s * recipe["step"] / 60
            except StylizationError as error:
                why = str(error)
        what = f"twelve styles from scratch, by {_TRAINED_STEPS - _FIRST_STEPS} steps"
        return Requirement(what, "minutes", 20, None, minutes, True, why)

    def _fp16_differences(
        self, name: str, frames: NDArray[np.uint8], vectors: Sequence[NDArray[np.float32] | None]
    ) -> NDArray[np.float64]:
        """A line for each style vector and frame: mean, share over 16 in %, and largest difference."""
        half, exact = (self._runner(name, (1, *frames.shape[1:]), is_half) for is_half in (True, False))
        lines = []
        for vector, frame in product(vectors, frames):
            difference = cv2.absdiff(half.run(frame[None], vector)[0], exact.run(frame[None], vector)[0])
            share = 100 * (difference.max(axis=-1) > 16).mean()
            lines.append((difference.mean(), share, difference.max()))
        return np.array(lines, np.float64)

    def _runner(self, name: str, shape: tuple[int, ...], half: bool = True) -> CudaRunner:
        network = copy.deepcopy(self._networks[name]).to(self._device, torch.float16 if half else torch.float32)
        vector_size = network.vector_size if isinstance(network, FastNet) else 0
        return CudaRunner(network, shape, vector_size, self._device)


def speed_requirements(results: list[GpuResult]) -> list[Requirement]:
    """What the results must reach."""
    found = {(result.network, result.size_wh): result for result in results if result.batch_size == 1}
    requirements = []
    for name, size_wh, limit, goal, resident in [
        ("TransformerNet", FULL_HD, 300, 400, True),
        ("TransformerNet", UHD, 80, 100, True),
        ("FastNet", FULL_HD, 1500, 2500, True),
        ("FastNet", FULL_HD, 400, None, False),
    ]:
        result = found.get((name, size_wh))
        value = None if result is None else result.resident_fps if resident else result.host_fps
        where = "in the GPU's memory" if resident else "from host frames"
        what = f"{name}, fp16, {size_wh[0]}x{size_wh[1]}, {where}, batch 1"
        requirements.append(Requirement(what, "fps", limit, goal, value, why="the GPU could not run it"))
    return requirements


def _vector(network: StyleNetwork) -> NDArray[np.float32] | None:
    """The first style of a network; float32 (vector_size,)."""
    return network.style_vectors[0].float().cpu().numpy() if isinstance(network, FastNet) else None


def _host_fps(runners: list[CudaRunner], images: NDArray[np.uint8], vector: NDArray[np.float32] | None) -> float:
    """Frames per second from and to the computer's memory, a thread for each runner."""
    batches_each = max(2, _HOST_FRAMES // len(images) // len(runners))

    def work(runner: CudaRunner) -> None:
        for _ in range(batches_each):
            runner.run(images, vector)

    for runner in runners:
        runner.run(images, vector)
    with ThreadPoolExecutor(len(runners)) as pool:
        start_s = time.perf_counter()
        list(pool.map(work, runners))
        return batches_each * len(runners) * len(images) / (time.perf_counter() - start_s)
