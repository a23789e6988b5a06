"""Owns measuring what the project promises on an NVIDIA GPU."""

import copy
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from neural_style.errors import StylizationError
from neural_style.networks.fast_net import FastNet
from neural_style.networks.precision import in_precision
from neural_style.networks.transformer_net import TransformerNet
from neural_style.photos import packaged_photos
from neural_style.training.options import TrainOptions
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import StyleCredit, StyleNetwork, load_checkpoint
from realtime.engines.cuda_runner import CudaRunner
from realtime.engines.gpu_memory import let_go_of
from realtime.engines.onnx_engine import OnnxEngine
from realtime.errors import EngineError
from realtime.options import PROVIDERS, EngineOptions
from realtime.style_catalogue import load_catalogue
from speed.acceptance import GpuReport, GpuResult, Requirement, describe_figure
from speed.ceilings import Ceilings
from speed.clips import first_frames
from speed.cost import cost_per_pixel
from speed.gpu_loops import gpu_loops
from speed.gpu_timing import host_fps, resident_ms
from speed.machine import describe_gpu, describe_machine

HD, FULL_HD, UHD = (1280, 720), (1920, 1080), (3840, 2160)
_BATCH_SIZES = (1, 2, 4)
_PARALLEL = 2
_MATMUL, _COPY = "fp16 matmul Gop/s", "copy GB/s"
_COMPARED_FRAMES, _COMPARED_WH = 24, (640, 360)
_TRAINED_STEPS, _FIRST_STEPS = 60, 10
_FAST = SAVED_MODELS / "fast.safetensors"


class GpuAcceptance:
    """The acceptance run of one GPU.

    Args:
        device: as PyTorch names it.
        clip: what frames are from.
        say: takes lines for people: what is measured now, each figure as it comes, and what was left out.
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
        self._networks: dict[str, StyleNetwork] = {"TransformerNet": _contrasting(), "FastNet": load_checkpoint(_FAST)}

    def run(self, keep: Callable[[GpuReport], None]) -> GpuReport:
        """Measures everything; a part that fails costs its own figures only.

        Args:
            keep: is given the report so far after every figure.
        """
        report = GpuReport(describe_machine() | describe_gpu(), {}, [], [])
        ceilings, results = report.ceilings, report.results

        def measure(part: Callable[[], Iterable[GpuResult | Requirement | tuple[str, float]]], name: str) -> None:
            self._say(name)
            try:
                for figure in part():
                    report.add(figure)
                    self._say(f"  {describe_figure(figure)}")
                    keep(report)
            except Exception as error:  # noqa: BLE001 - other parts can be measured all the same
                why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                report.add(Requirement(name, "", 0, None, None, why=why))
                self._say(f"  failed: {why}")
                keep(report)

        measure(self.ceilings, "peak rates of the GPU")
        peaks = ceilings.get(_MATMUL, 0.0), ceilings.get(_COPY, 0.0)
        measure(lambda: self.results(*peaks), "networks")
        measure(lambda: speed_requirements(results), "speed")
        measure(lambda: self.variants(*peaks), "other settings of the networks")
        measure(self.exactness, "fp16 beside fp32")
        measure(self.providers, "ONNX Runtime")
        measure(lambda: gpu_loops(str(self._device), self._clip), "engines as they are used")
        measure(lambda: [self.training()], "training")
        return report

    def ceilings(self) -> Iterator[tuple[str, float]]:
        """Peak rates of the GPU: of products in fp16 and of copies."""
        ceilings = Ceilings(str(self._device))
        yield _MATMUL, ceilings.matmul_gops("fp16")
        yield _COPY, ceilings.copy_gb_per_s()

    def results(self, matmul_gops: float, copy_gb_per_s: float) -> Iterator[GpuResult]:
        """Measures both networks in every size and batch; what does not fit into memory is left out, and said."""
        for name, size_wh, batch_size in product(self._networks, self._sizes_wh, _BATCH_SIZES):
            try:
                yield self._result(name, self._half(name), size_wh, batch_size, (matmul_gops, copy_gb_per_s))
            except RuntimeError as error:
                let_go_of(error)
                self._say(f"left out: {name}, {size_wh[0]}x{size_wh[1]}, batch {batch_size}: {error}")

    def variants(self, matmul_gops: float, copy_gb_per_s: float) -> Iterator[GpuResult]:
        """What other settings of PyTorch would give, none of which is used: for whoever wants to change that."""
        for name in self._networks:
            peaks, size_wh = (matmul_gops, copy_gb_per_s), self._sizes_wh[-2]
            last = self._half(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            yield self._result(name, last, size_wh, 1, peaks, ", channels last")
            torch.backends.cudnn.benchmark = True
            try:
                yield self._result(name, self._half(name), size_wh, 1, peaks, ", cuDNN benchmark")
            finally:
                torch.backends.cudnn.benchmark = False

    def _result(
        self,
        name: str,
        network: StyleNetwork,
        size_wh: tuple[int, int],
        batch_size: int,
        peaks: tuple[float, float],
        setting: str = "",
    ) -> GpuResult:
        """Measures one network; its runners are let go of when it is done."""
        images = first_frames(self._clip, size_wh, batch_size)
        cost, pixels = cost_per_pixel(copy.deepcopy(self._networks[name]), size_wh), images[..., 0].size
        vector = _vector(self._networks[name])
        runners = [CudaRunner(network, images.shape, network.vector_size, self._device) for _ in range(_PARALLEL)]
        runners[0].run(images, vector)
        times_ms = resident_ms(runners[0])
        low_ms, high_ms = (float(value) for value in np.percentile(times_ms, (5, 95)))
        matmul_gops, copy_gb_per_s = peaks
        return GpuResult(
            network=f"{name}{setting}",
            size_wh=size_wh,
            batch_size=batch_size,
            resident_ms=median(times_ms),
            low_ms=low_ms,
            high_ms=high_ms,
            host_fps=host_fps(runners, images, vector),
            compute_ms=2 * cost.macs * pixels / matmul_gops / 1e6 if matmul_gops else 0.0,
            memory_ms=cost.bytes_in("fp16") * pixels / copy_gb_per_s / 1e6 if copy_gb_per_s else 0.0,
        )

    def exactness(self) -> Iterator[Requirement]:
        """fp16 beside fp32 on the frames of the clip, all styles, and on frames of one colour."""
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
        from neural_style.training.trainer import Trainer  # which needs more packages than the others do

        with safe_open(_FAST, framework="np") as stored:
            recipe = json.loads(stored.metadata()["training"])
        ends_s: list[float] = []
        minutes, why = None, ""
        with TemporaryDirectory(prefix="training_") as folder:
            try:
                options = _training_options(Path(folder), recipe, self._device.type)
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

    def _half(self, name: str) -> StyleNetwork:
        return in_precision(copy.deepcopy(self._networks[name]).to(self._device), torch.float16)

    def _runner(self, name: str, shape: tuple[int, ...], half: bool = True) -> CudaRunner:
        network = self._half(name) if half else copy.deepcopy(self._networks[name]).to(self._device)
        return CudaRunner(network, shape, network.vector_size, self._device)


def speed_requirements(results: list[GpuResult]) -> list[Requirement]:
    """What the results must reach on any card: a share of what its own peak rates allow, and real time."""
    found = {(result.network, result.size_wh): result for result in results if result.batch_size == 1}
    requirements = []
    for name, size_wh, limit, goal in [
        ("TransformerNet", FULL_HD, 15, 30),
        ("TransformerNet", UHD, 15, 30),
        ("FastNet", FULL_HD, 10, 25),
    ]:
        result = found.get((name, size_wh))
        what = f"{name}, fp16, {size_wh[0]}x{size_wh[1]}, batch 1: share of the GPU's own peak rate"
        share = None if result is None else 100 * result.share_of_peak
        requirements.append(Requirement(what, "%", limit, goal, share, why="the GPU could not run it"))
    real = found.get(("FastNet", FULL_HD))
    what = f"FastNet, fp16, {FULL_HD[0]}x{FULL_HD[1]}, from host frames, batch 1: real time"
    reached = None if real is None else real.host_fps
    return [*requirements, Requirement(what, "fps", 60, None, reached, why="the GPU could not run it")]


def _contrasting() -> TransformerNet:
    """Random weights, which cost the same as trained ones, with the contrast of trained ones.

    Else the network would give values of 0 to 1 only, and nothing would be seen of rounding.
    """
    torch.manual_seed(0)
    network = TransformerNet("random weights").eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if ".in" in f".{name}":
            parameter.add_(0.3 * torch.randn_like(parameter))
    network.deconv3.conv2d.weight.mul_(130)
    if network.deconv3.conv2d.bias is not None:
        network.deconv3.conv2d.bias.fill_(127)
    return network


def _training_options(folder: Path, recipe: dict[str, Any], device: str) -> TrainOptions:
    images = (packaged_photos() * 2)[:12]
    return TrainOptions(
        style_images=tuple(images),
        credits=tuple(StyleCredit(f"style {number}", "", "") for number in range(len(images))),
        content_dir=None,
        output=folder / "styles.safetensors",
        network="fast",
        steps=_TRAINED_STEPS,
        batch_size=recipe["batch_size"],
        crop_px=recipe["crop_px"],
        save_every=_TRAINED_STEPS,
        device=device,
    )


def _vector(network: StyleNetwork) -> NDArray[np.float32] | None:
    """The first style of a network; float32 (vector_size,)."""
    return network.style_vectors[0].float().cpu().numpy() if isinstance(network, FastNet) else None
