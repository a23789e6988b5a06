"""Owns the order of measuring: everything is opened first, and then runs in turn, round after round.

Noise of the machine so hits all alike. Must not know how figures are shown or kept.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import load_checkpoint
from realtime.errors import EngineError, StylizationError
from realtime.frame import Image
from realtime.options import EngineName, NetworkName, Precision
from realtime.sources.selection import SAMPLE_CLIP
from realtime.style_catalogue import Catalogue, open_style_list
from speed.ceilings import Ceilings
from speed.clips import write_clip
from speed.cost import Cost, cost_per_pixel
from speed.machine import describe_machine
from speed.options import BenchmarkOptions
from speed.processes import Remote
from speed.results import PUBLIC_NETWORK, Figures, Row
from speed.worker import ImageKey, Opened, Setup, Subject

_VARIANTS: dict[EngineName, tuple[Precision, ...]] = {
    "torch": ("fp32", "bf16", "fp16"),
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
}

_COPY = "copy GB/s"


@dataclass
class _Lane:
    """One engine in its process, and the times of its styles in ms: a list for each round."""

    setup: Setup
    remote: Remote
    opened: Opened
    times_ms: dict[str, list[list[float]]] = field(default_factory=dict)
    loops_fps: dict[str, list[float]] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    failed: bool = False


class Measurement:
    """One run of the benchmark.

    Args:
        options: what is measured.
        say: takes lines for people: what was left out, and why.
        progress: takes a few words on what is done now.
        keep: is given all figures so far after every turn.
    """

    def __init__(
        self,
        options: BenchmarkOptions,
        say: Callable[[str], None],
        progress: Callable[[str], None],
        keep: Callable[[Figures], None],
    ) -> None:
        self._options, self._say, self._progress, self._keep = options, say, progress, keep
        self._clip = options.clip or SAMPLE_CLIP
        self._lanes: list[_Lane] = []
        self._references: dict[ImageKey, Image] = {}
        self._costs: dict[ImageKey, Cost] = {}
        self._machine = describe_machine()
        self._ceilings: dict[str, float] = {}

    def run(self) -> Figures:
        """Measures everything.

        Raises:
            StylizationError: a style or the clip cannot be had, or nothing that was asked for can be measured.
        """
        catalogues = {name: open_style_list(self._options.styles, name)[0] for name in self._options.networks}
        with TemporaryDirectory(prefix="benchmark_") as folder, ExitStack() as stack:
            for size_wh in self._options.sizes_wh:
                clip_in_size = Path(folder) / f"{size_wh[0]}x{size_wh[1]}.mp4"
                self._progress("cutting the clip")
                write_clip(self._clip, size_wh, clip_in_size)
                for setup in self._setups(size_wh, clip_in_size):
                    self._open(setup, stack)
            if not any(lane.setup.engine for lane in self._lanes):
                raise EngineError("nothing that was asked for can be measured here; see the lines above")
            self._progress("comparing with fp32")
            self._take_images()
            self._count_costs(catalogues)
            self._run_rounds(stack)
        return self.figures()

    def figures(self) -> Figures:
        """All figures so far: a row for everything whose turn has come."""
        rows = [self._row(lane, style) for lane, style in self._in_order() if lane.times_ms.get(style)]
        return Figures(self._machine, self._clip.name, dict(self._ceilings), tuple(rows))

    def _setups(self, size_wh: tuple[int, int], clip_in_size: Path) -> Iterator[Setup]:
        """What is asked for in one size; the yardstick comes last."""
        options = self._options
        asked = Setup(
            None, "fp32", options.device, options.styles, options.networks[0], size_wh, 1, self._clip, clip_in_size
        )
        for batch_size, network, engine in product(options.batch_sizes, options.networks, options.engines or _VARIANTS):
            for precision in options.precisions or _VARIANTS[engine]:
                yield replace(asked, engine=engine, precision=precision, network=network, batch_size=batch_size)
        yield asked

    def _open(self, setup: Setup, stack: ExitStack) -> None:
        self._progress(f"opening {setup}")
        try:
            remote = Remote(str(setup), Subject, setup)
        except StylizationError as error:
            self._say(f"left out: {error}")
            return
        stack.callback(remote.close)
        opened: Opened = remote.ask("found")
        for reason in opened.left_out:
            self._say(f"left out: {reason}")
        self._lanes.append(_Lane(setup, remote, opened))

    def _take_images(self) -> None:
        """Keeps what each engine makes of the first frame, and what one in fp32 makes of it."""
        for lane in self._lanes:
            lane.images = {style: lane.remote.ask("image", style) for style in lane.opened.styles}
            if lane.opened.info.precision == "fp32" and lane.setup.engine:
                self._keep_references(lane.setup, lane.images)
        for lane in self._lanes:
            if lane.setup.engine and any(lane.setup.image_of(s) not in self._references for s in lane.opened.styles):
                for engine in ("torch", "onnx"):
                    self._take_references(replace(lane.setup, engine=engine, precision="fp32", batch_size=1))

    def _take_references(self, setup: Setup) -> None:
        """Opens an engine in fp32 only to compare with it; without one there is nothing to compare with."""
        self._progress(f"opening {setup}, to compare with")
        try:
            remote = Remote(str(setup), Subject, setup)
        except StylizationError:
            return
        opened: Opened = remote.ask("found")
        if opened.info.precision == "fp32":
            self._keep_references(setup, {style: remote.ask("image", style) for style in opened.styles})
        remote.close()

    def _keep_references(self, setup: Setup, images: dict[str, Image]) -> None:
        for style, image in images.items():
            self._references.setdefault(setup.image_of(style), image)

    def _count_costs(self, catalogues: dict[NetworkName, Catalogue]) -> None:
        checkpoints = {
            (network, style.name): style.checkpoint
            for network, catalogue in catalogues.items()
            for style in catalogue.styles
        }
        known: dict[tuple[Path, tuple[int, int]], Cost] = {}
        for lane in self._lanes:
            size_wh = lane.setup.size_wh
            for style in lane.opened.styles:
                path = checkpoints.get((lane.setup.network, style))
                if lane.setup.engine is None:
                    self._costs[lane.setup.image_of(style)] = cost_per_pixel(TransformerNet(PUBLIC_NETWORK), size_wh)
                elif path is not None:
                    if (path, size_wh) not in known:
                        known[path, size_wh] = cost_per_pixel(load_checkpoint(path), size_wh)
                    self._costs[lane.setup.image_of(style)] = known[path, size_wh]

    def _run_rounds(self, stack: ExitStack) -> None:
        device = next((d for lane in self._lanes if (d := lane.opened.info.device) != "cpu"), "cpu")
        ceilings = Remote("ceilings", Ceilings, device)
        stack.callback(ceilings.close)
        for count in range(1, self._options.rounds + 1):
            self._measure_ceilings(ceilings, f"round {count} of {self._options.rounds}")
            for lane, style in self._in_order():
                self._progress(f"round {count} of {self._options.rounds}: {style}, {lane.setup}")
                if not lane.failed:
                    self._take_turn(lane, style)
                    self._keep(self.figures())

    def _take_turn(self, lane: _Lane, style: str) -> None:
        """An engine that fails, for example for memory, has no more turns; what was measured of it stays."""
        try:
            times_ms = lane.remote.ask("turn", style, self._options.runs)
            lane.times_ms.setdefault(style, []).append(times_ms)
            if lane.setup.engine:
                lane.loops_fps.setdefault(style, []).append(lane.remote.ask("loop", style, median(times_ms)))
        except StylizationError as error:
            lane.failed = True
            self._say(f"no more turns for {lane.setup}: {error}")

    def _measure_ceilings(self, ceilings: Remote, words: str) -> None:
        """Keeps the best of all rounds."""
        self._progress(f"{words}: what the machine can do at best")
        found = {_COPY: ceilings.ask("copy_gb_per_s")}
        for precision in dict.fromkeys(lane.opened.info.precision for lane in self._lanes):
            found[_products(precision)] = ceilings.ask("products_gops", precision)
        for name, value in found.items():
            self._ceilings[name] = max(value, self._ceilings.get(name, 0.0))

    def _in_order(self) -> Iterator[tuple[_Lane, str]]:
        """Every style of every engine: sizes and batches outside, then styles."""
        groups = groupby(
            self._lanes, lambda lane: (lane.setup.size_wh, lane.setup.batch_size, lane.setup.engine is None)
        )
        for _, group in groups:
            lanes = list(group)
            for style in dict.fromkeys(style for lane in lanes for style in lane.opened.styles):
                yield from ((lane, style) for lane in lanes if style in lane.opened.styles)

    def _row(self, lane: _Lane, style: str) -> Row:
        setup, info, rounds_ms = lane.setup, lane.opened.info, lane.times_ms[style]
        times_ms = [time_ms for times in rounds_ms for time_ms in times]
        medians_ms = [median(times) for times in rounds_ms]
        p50_ms, p95_ms, p99_ms = (float(value) for value in np.percentile(times_ms, (50, 95, 99)))
        loops_fps, cost = lane.loops_fps.get(style), self._costs.get(setup.image_of(style))
        pixels_per_s = setup.size_wh[0] * setup.size_wh[1] * setup.batch_size / (p50_ms / 1000)
        mean_difference, psnr_db = self._difference(lane, style)
        return Row(
            style=style,
            network=lane.opened.network if setup.engine else PUBLIC_NETWORK,
            engine=info.engine,
            precision=info.precision,
            device=info.device,
            size=f"{setup.size_wh[0]}x{setup.size_wh[1]}",
            batch_size=setup.batch_size,
            rounds=len(rounds_ms),
            runs=len(times_ms),
            first_frame_ms=lane.opened.first_frame_ms,
            median_ms=p50_ms,
            low_ms=min(medians_ms),
            high_ms=max(medians_ms),
            p95_ms=p95_ms,
            p99_ms=p99_ms,
            fps=setup.batch_size * 1000 / p50_ms,
            loop_fps=median(loops_fps) if loops_fps else None,
            memory_mb=lane.opened.memory_mb,
            gpu_memory_mb=lane.opened.gpu_memory_mb,
            macs_per_pixel=cost.macs if cost else None,
            bytes_per_pixel=cost.bytes_in(info.precision) if cost else None,
            products_share=self._share(2 * cost.macs * pixels_per_s, _products(info.precision)) if cost else None,
            copy_share=self._share(cost.bytes_in(info.precision) * pixels_per_s, _COPY) if cost else None,
            mean_difference=mean_difference,
            psnr_db=psnr_db,
        )

    def _share(self, per_s: float, ceiling: str) -> float | None:
        best = self._ceilings.get(ceiling)
        return per_s / 1e9 / best if best else None

    def _difference(self, lane: _Lane, style: str) -> tuple[float | None, float | None]:
        """Mean distance and PSNR in dB to the image in fp32, None for fp32 itself or where there is none."""
        exact = self._references.get(lane.setup.image_of(style))
        if exact is None or exact is lane.images.get(style):
            return None, None
        distance = lane.images[style].astype(np.float64) - exact
        mean_square = float((distance**2).mean())
        psnr_db = 10 * math.log10(255**2 / mean_square) if mean_square else None
        return float(np.abs(distance).mean()), psnr_db


def _products(precision: str) -> str:
    """The ceiling's name."""
    return f"{precision} products Gop/s"
