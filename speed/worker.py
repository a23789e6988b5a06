"""Owns one engine that is measured, alone in its process, so that its memory and its threads are its own."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from realtime.controls import Command, Controls
from realtime.engines.protocol import Engine, EngineInfo
from realtime.engines.selection import open_named_engine
from realtime.errors import StyleError
from realtime.live import Pipeline
from realtime.options import (
    PARALLEL_BATCHES,
    EngineName,
    EngineOptions,
    LookOptions,
    NetworkName,
    Precision,
    RunOptions,
)
from realtime.sinks.null import NullSink
from realtime.sources.video_file import VideoFileSource
from realtime.stages import Stages
from realtime.style import Style
from realtime.style_catalogue import Catalogue, open_style_list
from speed.clips import first_frames
from speed.results import BASELINE

WARM_UP_RUNS = 3
_ROUND_S = 1.0
_LOOP_S = 1.0
_LOOP_FRAMES = 16, 120
_STATUS = Path("/proc/self/status")

ImageKey = tuple[tuple[int, int], str, str]


@dataclass(frozen=True)
class EngineSetup:
    """What one process measures.

    Attributes:
        engine: "torch", "torchscript", "onnx" or "openvino"; None is the public network.
        precision: number format of weights and features.
        device: as asked for.
        styles: names and blends with commas between, a weights file, or "all".
        network: which of the shipped ones names mean.
        size_wh: width and height in px of the frames.
        batch_size: frames stylized together.
        clip: what frames are from.
        clip_in_size: the same in this size, for end-to-end runs.
    """

    engine: EngineName | None
    precision: Precision
    device: str
    styles: str
    network: NetworkName
    size_wh: tuple[int, int]
    batch_size: int
    clip: Path
    clip_in_size: Path

    def image_of(self, style: str) -> ImageKey:
        """What decides a style's image, whichever engine stylizes it."""
        return self.size_wh, self.network, style

    def __str__(self) -> str:
        name = f"{self.network}, {self.engine} {self.precision}" if self.engine else BASELINE
        return f"{name}, {self.size_wh[0]}x{self.size_wh[1]}, batch {self.batch_size}"


@dataclass(frozen=True)
class OpenedEngine:
    """What was found when an engine was opened.

    Attributes:
        info: what really runs.
        network: the name of what holds the styles.
        checkpoints: the styles that this engine can run, in the asked order, with the weights of their networks.
        left_out: why others cannot be run.
        first_frame_ms: from nothing to the first stylized batch: imports, reading, compiling, running.
        memory_mb: peak memory of the process up to the end of the warm-up.
        gpu_memory_mb: the same on the GPU as far as PyTorch knows; 0 without.
    """

    info: EngineInfo
    network: str
    checkpoints: dict[str, Path | None]
    left_out: list[str]
    first_frame_ms: float
    memory_mb: float
    gpu_memory_mb: float


class EngineWorker:
    """An engine with frames to stylize.

    Args:
        setup: what to open.

    Raises:
        EngineError: it cannot be had.
        StyleError: there is no such style.
        SourceError: the clip cannot be read.
    """

    def __init__(self, setup: EngineSetup) -> None:
        self._setup = setup
        self._images = first_frames(setup.clip, setup.size_wh, setup.batch_size)
        start_s = time.perf_counter()
        self._catalogue, places = open_style_list(setup.styles, setup.network)
        self._engine = self._open_engine()
        self._loop_engine: Engine | None = None
        self._styles, left_out = {BASELINE: Style(BASELINE, "transformer", None, None, "")}, list[str]()
        if setup.engine:
            asked = [self._catalogue.styles[place] for place in places]
            self._styles, left_out = _runnable(asked, self._catalogue, setup.engine)
        for style in list(self._styles.values())[:1]:
            self._engine.stylize(self._images, style)
        first_frame_ms = (time.perf_counter() - start_s) * 1000
        for style in self._styles.values():
            for _ in range(WARM_UP_RUNS):
                self._engine.stylize(self._images, style)
        self._opened = OpenedEngine(
            self._engine.info,
            next((style.network for style in self._styles.values()), setup.network),
            {style.name: style.checkpoint for style in self._styles.values()},
            left_out,
            first_frame_ms,
            _peak_memory_mb(),
            _peak_gpu_memory_mb(),
        )

    def found(self) -> OpenedEngine:
        """What was found when the engine was opened."""
        return self._opened

    def image(self, style: str) -> NDArray[np.uint8]:
        """What the engine makes of the first frame of the clip: uint8 (H, W, 3) RGB."""
        stylized: NDArray[np.uint8] = self._engine.stylize(self._images[:1], self._styles[style])[0]
        return stylized

    def times_ms(self, style: str, runs: int) -> list[float]:
        """Times of so many runs, or as many as a second holds; one before them is not timed."""
        self._engine.stylize(self._images, self._styles[style])
        times_ms: list[float] = []
        while not times_ms or (len(times_ms) < runs and sum(times_ms) < _ROUND_S * 1000):
            start_s = time.perf_counter()
            self._engine.stylize(self._images, self._styles[style])
            times_ms.append((time.perf_counter() - start_s) * 1000)
        return times_ms

    def loop_fps(self, style: str, batch_ms: float) -> float:
        """Frames per second of the live loop for about a second: decoding, engine, smoothing and overlay.

        Args:
            style: its name.
            batch_ms: what the engine takes for a batch.
        """
        wanted = round(_LOOP_S * 1000 / batch_ms) * self._setup.batch_size
        frames = min(max(wanted, _LOOP_FRAMES[0], 2 * self._setup.batch_size), _LOOP_FRAMES[1])
        options = RunOptions(unpaced=True, max_frames=frames, engine=EngineOptions(batch_size=self._setup.batch_size))
        if self._loop_engine is None:
            self._loop_engine = self._open_engine(PARALLEL_BATCHES)
        source = VideoFileSource(self._setup.clip_in_size, "clip", paced=False, loop=True)
        controls = Controls(self._catalogue, self._catalogue.index_of(style), LookOptions())
        screen = _UnseenDisplay()
        stages = Stages(source, self._loop_engine, controls, [screen], screen)
        return Pipeline(stages, options, lambda _: None).run().fps

    def _open_engine(self, parallel_batches: int = 1) -> Engine:
        setup = self._setup
        if setup.engine is None:
            from speed.baseline import PublicNetwork

            return PublicNetwork(setup.device)
        options = EngineOptions(setup.engine, setup.device, setup.precision, parallel_batches=parallel_batches)
        return open_named_engine(self._catalogue, options)


class _UnseenDisplay(NullSink):
    """A display that shows nothing; with it the live loop draws the overlay."""

    def commands(self) -> list[Command]:
        """See `Display.commands`."""
        return []

    def toggle_full_screen(self) -> None:
        """See `Display.toggle_full_screen`."""


def _runnable(asked: list[Style], catalogue: Catalogue, engine: EngineName) -> tuple[dict[str, Style], list[str]]:
    """The styles that an engine can run, by their names, and why it cannot run the others."""
    runnable, left_out = {}, []
    for style in asked:
        try:
            catalogue.runnable_by(engine, style.name)
            runnable[style.name] = style
        except StyleError as error:
            left_out.append(str(error))
    return runnable, left_out


def _peak_memory_mb() -> float:
    """The largest resident memory that this process ever had."""
    if _STATUS.is_file():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    memory = psutil.Process().memory_info()
    return float(getattr(memory, "peak_wset", memory.rss)) / 2**20


def _peak_gpu_memory_mb() -> float:
    """The largest memory that PyTorch ever held on the GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return float(torch.cuda.max_memory_reserved()) / 2**20
