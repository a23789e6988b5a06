"""Owns measuring what the project promises on an NVIDIA GPU.

Must not know how the verdict is shown or kept.
"""

import copy
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from neural_style.networks.fast_net import FastNet
from neural_style.networks.transformer_net import TransformerNet
from neural_style.photos import packaged_photos
from neural_style.training.options import TrainOptions
from neural_style.training.trainer import Trainer
from neural_style.weights.checkpoint import StyleCredit, StyleNetwork, load_checkpoint
from realtime.engines.cuda_runner import CudaRunner
from realtime.engines.onnx_engine import OnnxEngine
from realtime.errors import EngineError, StylizationError
from realtime.options import PROVIDERS, EngineOptions
from realtime.style_catalogue import SAVED_MODELS, load_catalogue
from speed.acceptance import CardFigures, Promise
from speed.ceilings import Ceilings
from speed.clips import first_frames
from speed.cost import cost_per_pixel

HD, FULL_HD, UHD = (1280, 720), (1920, 1080), (3840, 2160)
_BATCH_SIZES = (1, 2, 4)
_RUNS = 100
_HOST_FRAMES = 120
_AT_ONCE = 2
_COMPARED_FRAMES, _COMPARED_WH = 24, (640, 360)
_TRAINED_STEPS, _FIRST_STEPS = 60, 10
_FAST = SAVED_MODELS / "fast.safetensors"


class Card:
    """One GPU.

    Args:
        device: as PyTorch names it.
        clip: what frames are from.
        sizes_wh: what is measured; tests take small ones.
        say: is told what is done now.
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
        self.ceilings: dict[str, float] = {}

    def figures(self) -> Iterator[CardFigures]:
        """Measures both networks in every size and batch; what has no memory is left out, and said."""
        self._say("what the card can do at best")
        ceilings = Ceilings(str(self._device))
        products, copies = ceilings.products_gops("fp16"), ceilings.copy_gb_per_s()
        self.ceilings = {"fp16 products Gop/s": products, "copy GB/s": copies}
        for name, size_wh, batch_size in product(self._networks, self._sizes_wh, _BATCH_SIZES):
            self._say(f"{name}, {size_wh[0]}x{size_wh[1]}, batch {batch_size}")
            images = first_frames(self._clip, size_wh, batch_size)
            cost, pixels = cost_per_pixel(copy.deepcopy(self._networks[name]), size_wh), images[..., 0].size
            try:
                runners = [self._runner(name, images.shape) for _ in range(_AT_ONCE)]
                vector = _vector(self._networks[name])
                runners[0].run(images, vector)
                times_ms = runners[0].resident_ms(_RUNS)
                host_fps = _host_fps(runners, images, vector)
            except RuntimeError as error:
                self._say(f"left out: {name}, {size_wh[0]}x{size_wh[1]}, batch {batch_size}: {error}")
                continue
            low_ms, high_ms = (float(value) for value in np.percentile(times_ms, (5, 95)))
            yield CardFigures(
                network=name,
                size_wh=size_wh,
                batch_size=batch_size,
                resident_ms=median(times_ms),
                low_ms=low_ms,
                high_ms=high_ms,
                host_fps=host_fps,
                arithmetic_ms=2 * cost.macs * pixels / products / 1e6 if products else 0.0,
                memory_ms=cost.bytes_in("fp16") * pixels / copies / 1e6,
            )

    def exactness(self) -> Iterator[Promise]:
        """fp16 beside fp32 on the frames of the clip, all styles, and on frames of one colour."""
        self._say("fp16 beside fp32")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # the reference is exact
        frames = first_frames(self._clip, _COMPARED_WH, _COMPARED_FRAMES)
        flat = np.stack([np.full(frames.shape[1:], level, np.uint8) for level in (0, 119, 255)])
        for name, network in self._networks.items():
            far, differences = [], []
            styles = network.style_vectors.float().cpu().numpy() if isinstance(network, FastNet) else [None]
            half, exact = self._runner(name, (1, *frames.shape[1:])), self._runner(name, (1, *frames.shape[1:]), False)
            for style, frame in product(styles, frames):
                distance = np.abs(half.run(frame[None], style).astype(int) - exact.run(frame[None], style))
                differences.append(float(distance.mean()))
                far.append(float((distance.max(axis=-1) > 16).mean()))
            yield Promise(f"{name}: fp16 from fp32, mean of the worst frame", "of 255", 1, None, max(differences), True)
            yield Promise(
                f"{name}: pixels of the worst frame that differ by more than 16", "%", 0.1, None, 100 * max(far), True
            )
        style = _vector(self._networks["FastNet"])
        half, exact = (self._runner("FastNet", (1, *frames.shape[1:]), wants_half) for wants_half in (True, False))
        stylized = [(half.run(one[None], style), exact.run(one[None], style)) for one in flat]
        worst = max(float(np.abs(a.astype(int) - b).max()) for a, b in stylized)
        yield Promise("FastNet: black, grey and white frames, fp16 from fp32", "of 255", 8, None, worst, True)

    def providers(self) -> Iterator[Promise]:
        """ONNX Runtime's providers beside PyTorch in fp32, on a frame of the clip, a black one and a checkerboard."""
        catalogue = load_catalogue()
        frames = first_frames(self._clip, _COMPARED_WH, 1)
        board = np.indices(frames.shape[1:3]).sum(axis=0) // 32 % 2 * 255  # (H, W)
        checked = [frames, np.zeros_like(frames), np.repeat(board[None, :, :, None], 3, axis=3).astype(np.uint8)]
        vector = _vector(self._networks["FastNet"])
        exact = self._runner("FastNet", frames.shape, False)
        for provider in PROVIDERS[1:]:
            self._say(f"ONNX Runtime with {provider}")
            words = f"onnx fp16, {provider}: mean difference from fp32, worst of frame, black, checkerboard"
            try:
                options = EngineOptions("onnx", str(self._device), "fp16", provider=provider)
                engine = OnnxEngine(catalogue, options)
                stylized = [engine.stylize(batch, catalogue.styles[0]) for batch in checked]
            except EngineError as error:
                yield Promise(words, "of 255", 2, None, None, True, str(error))
                continue
            differences = [
                float(np.abs(a.astype(int) - exact.run(b, vector)).mean())
                for a, b in zip(stylized, checked, strict=True)
            ]
            yield Promise(words, "of 255", 2, None, max(differences), True)

    def training(self) -> Promise:
        """How long the shipped styles would take from nothing, by the time of a few steps of the same schedule."""
        self._say("training, a few steps")
        words = f"twelve styles from scratch, by {_TRAINED_STEPS - _FIRST_STEPS} steps"
        with safe_open(_FAST, framework="np") as stored:
            recipe = json.loads(stored.metadata()["training"])
        images = (packaged_photos() * 2)[:12]
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
            ends_s: list[float] = []
            try:
                Trainer(options).run(lambda _: ends_s.append(time.perf_counter()))
            except StylizationError as error:
                return Promise(words, "minutes", 20, None, None, True, str(error))
        step_s = (ends_s[-1] - ends_s[_FIRST_STEPS - 1]) / (_TRAINED_STEPS - _FIRST_STEPS)
        return Promise(words, "minutes", 20, None, step_s * recipe["step"] / 60, True)

    def _runner(self, name: str, shape: tuple[int, ...], half: bool = True) -> CudaRunner:
        network = copy.deepcopy(self._networks[name]).to(self._device, torch.float16 if half else torch.float32)
        vector_size = network.vector_size if isinstance(network, FastNet) else 0
        return CudaRunner(network, shape, vector_size, self._device)


def promises_of_speed(figures: list[CardFigures]) -> list[Promise]:
    """What the figures must reach."""
    found = {(row.network, row.size_wh, row.batch_size): row for row in figures}
    promises = []
    for name, size_wh, limit, goal, resident in [
        ("TransformerNet", FULL_HD, 300, 400, True),
        ("TransformerNet", UHD, 80, 100, True),
        ("FastNet", FULL_HD, 1500, 2500, True),
        ("FastNet", FULL_HD, 400, None, False),
    ]:
        where = "on the card" if resident else "from host frames"
        row = found.get((name, size_wh, 1))
        value = None if row is None else row.resident_fps if resident else row.host_fps
        words = f"{name}, fp16, {size_wh[0]}x{size_wh[1]}, {where}, batch 1"
        promises.append(Promise(words, "fps", limit, goal, value, why="the card could not run it"))
    return promises


def _vector(network: StyleNetwork) -> NDArray[np.float32] | None:
    """The first style of a network; float32 (vector_size,)."""
    return network.style_vectors[0].float().cpu().numpy() if isinstance(network, FastNet) else None


def _host_fps(runners: list[CudaRunner], images: NDArray[np.uint8], vector: NDArray[np.float32] | None) -> float:
    """Frames per second from and to the computer's memory, a thread for each runner."""
    batches = max(2 * len(runners), _HOST_FRAMES // len(images))

    def work(runner: CudaRunner) -> None:
        for _ in range(batches // len(runners)):
            runner.run(images, vector)

    for runner in runners:
        runner.run(images, vector)
    with ThreadPoolExecutor(len(runners)) as pool:
        start_s = time.perf_counter()
        list(pool.map(work, runners))
        elapsed_s = time.perf_counter() - start_s
    return batches // len(runners) * len(runners) * len(images) / elapsed_s
