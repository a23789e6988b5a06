"""Owns running the engines on a GPU as they are used: chosen by "auto", in the live loop, sizes mixed, memory short."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch

from realtime.controls import Controls
from realtime.engines import Engine, open_engine
from realtime.flow import EngineStage
from realtime.live import Pipeline
from realtime.options import PARALLEL_BATCHES, EngineOptions, LookOptions, RunOptions
from realtime.sinks.null import NullSink
from realtime.sources.video_file import VideoFileSource
from realtime.stages import Stages
from realtime.style_catalogue import Catalogue, open_styles
from speed.acceptance import Requirement
from speed.clips import first_frames

_LOOP_FRAMES = 240
_MIXED_WH = ((640, 480), (1280, 720), (720, 1280), (333, 251), (1920, 1080), (800, 600))
_SHORT_OF_MEMORY_WH = (3840, 2160)
_MEMORY_SHARE = 0.05


def gpu_loops(device: str, clip: Path) -> Iterator[Requirement]:
    """Runs everything once.

    Args:
        device: as PyTorch names it.
        clip: what frames are from.
    """
    catalogue, place = open_styles(LookOptions.style)
    options = EngineOptions(device=device, parallel_batches=PARALLEL_BATCHES)
    said: list[str] = []
    with closing(open_engine(catalogue, options, place, say=said.append)) as engine:
        what = f"live loop with engine auto ({engine.info.engine} {engine.info.precision})"
        yield Requirement(what, "fps", 60, None, _loop_fps(engine, catalogue, place, clip))
        yield _stylized_all(engine, catalogue, place, "sizes and batches mixed: batches that came out", clip)
    with closing(open_engine(catalogue, options, place, say=said.append)) as engine:
        torch.cuda.set_per_process_memory_fraction(_MEMORY_SHARE)
        try:
            images = first_frames(clip, _SHORT_OF_MEMORY_WH, 8)
            engine.stylize(images, catalogue.styles[place])
            limited = len(engine.stylize(images, catalogue.styles[place]))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        words = said[-1] if said else "nothing had to be halved"
        yield Requirement(f"a twentieth of the memory, 8 frames of 4K ({words})", "frames", 8, None, float(limited))


def _loop_fps(engine: Engine, catalogue: Catalogue, place: int, clip: Path) -> float:
    source = VideoFileSource(clip, "clip", paced=False, loop=True)
    stages = Stages(source, engine, Controls(catalogue, place, LookOptions()), [NullSink()])
    options = RunOptions(unpaced=True, max_frames=_LOOP_FRAMES)
    return float(Pipeline(stages, options, lambda _: None).run().fps)


def _stylized_all(engine: Engine, catalogue: Catalogue, place: int, what: str, clip: Path) -> Requirement:
    """Each size in batches of one to five, twice, as a page's visitors send them."""
    wanted = [(size_wh, count) for size_wh in _MIXED_WH for count in range(1, 6)] * 2
    done = 0
    with EngineStage[None](engine) as stage:
        for size_wh, count in wanted:
            images = np.repeat(first_frames(clip, size_wh, 1), count, axis=0)
            done += len(stage.stylize(images, catalogue.styles[place], 1.0)) == count
    return Requirement(what, "", len(wanted), None, float(done))
