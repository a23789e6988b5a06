"""Owns the order of measuring: all engines are opened first, and then each runs in every round.

So other load on the machine slows all of them alike.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from neural_style.errors import StylizationError
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import load_checkpoint
from realtime.errors import EngineError
from realtime.frame import Image
from realtime.options import EngineName, Precision
from realtime.sources.selection import SAMPLE_CLIP
from realtime.style_catalogue import open_style_list
from speed.ceilings import Ceilings
from speed.clips import write_clip
from speed.cost import Cost, cost_per_pixel
from speed.machine import describe_machine
from speed.options import BenchmarkOptions
from speed.processes import RemoteObject
from speed.results import BASELINE, Report, Result
from speed.worker import EngineSetup, EngineWorker, ImageKey, OpenedEngine

_PRECISIONS: dict[EngineName, tuple[Precision, ...]] = {
    "torch": ("fp32", "bf16", "fp16"),
    "torchscript": ("fp32", "bf16", "fp16"),
    "onnx": ("fp32", "int8", "fp16"),
    "openvino": ("fp32", "bf16", "int8"),
}
_COPY = "copy GB/s"

Say = Callable[[str], None]


@dataclass
class _Measured:
    """One engine in its process, and what was measured of each of its styles.

    Attributes:
        setup: what was asked for.
        remote: the `EngineWorker`.
        opened: what was found.
        times_ms: of single batches, a list for each round.
        loop_fps: of the live loop, a number for each round.
        images: the first frame stylized.
        failed: it raised an error, and is not measured any more.
    """

    setup: EngineSetup
    remote: RemoteObject
    opened: OpenedEngine
    times_ms: dict[str, list[list[float]]] = field(default_factory=dict)
    loop_fps: dict[str, list[float]] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    failed: bool = False


class Measurement:
    """One run of the benchmark.

    Args:
        options: what is measured.
        say: takes lines for people: what was left out, and why.
        progress: takes a few words on what is done now.
        keep: is given the report so far after every measurement.
    """

    def __init__(self, options: BenchmarkOptions, say: Say, progress: Say, keep: Callable[[Report], None]) -> None:
        self._options, self._say, self._progress, self._keep = options, say, progress, keep
        self._clip = options.clip or SAMPLE_CLIP
        self._engines: list[_Measured] = []
        self._references: dict[ImageKey, Image] = {}
        self._costs: dict[tuple[Path | None, tuple[int, int]], Cost] = {}
        self._machine = describe_machine()
        self._ceilings: dict[str, float] = {}

    def run(self) -> Report:
        """Measures everything.

        Raises:
            StylizationError: a style or the clip cannot be had, or nothing that was asked for can be measured.
        """
        for network in self._options.networks:
            open_style_list(self._options.styles, network)  # a style that does not exist ends the run
        with TemporaryDirectory(prefix="benchmark_") as folder, ExitStack() as stack:
            for size_wh in self._options.sizes_wh:
                clip_in_size = Path(folder) / f"{size_wh[0]}x{size_wh[1]}.mp4"
                self._progress("cutting the clip")
                write_clip(self._clip, size_wh, clip_in_size)
                opened = (self._open(setup, stack, self._say) for setup in self._setups(size_wh, clip_in_size))
                self._engines += [measured for measured in opened if measured is not None]
            if not any(measured.setup.engine for measured in self._engines):
                raise EngineError("nothing that was asked for can be measured here; see the lines above")
            self._progress("comparing with fp32")
            self._take_images()
            self._run_rounds(stack)
        return self.report()

    def report(self) -> Report:
        """All results so far."""
        results = [self._result(*each) for each in self._in_order() if each[1] in each[0].times_ms]
        return Report(self._machine, self._clip.name, dict(self._ceilings), tuple(results))

    def _setups(self, size_wh: tuple[int, int], clip_in_size: Path) -> Iterator[EngineSetup]:
        """What is asked for in one size; the baseline comes last."""
        options = self._options
        baseline = EngineSetup(
            None, "fp32", options.device, options.styles, options.networks[0], size_wh, 1, self._clip, clip_in_size
        )
        engines = options.engines or _PRECISIONS
        for batch_size, network, engine in product(options.batch_sizes, options.networks, engines):
            for precision in options.precisions or _PRECISIONS[engine]:
                yield replace(baseline, engine=engine, precision=precision, network=network, batch_size=batch_size)
        yield baseline

    def _open(self, setup: EngineSetup, stack: ExitStack, say: Say) -> _Measured | None:
        """An engine in a process that ends with the stack; None where it cannot be had, and `say` gets the reason."""
        self._progress(f"opening {setup}")
        try:
            remote = RemoteObject(str(setup), EngineWorker, setup)
        except StylizationError as error:
            say(f"left out: {error}")
            return None
        stack.callback(remote.close)
        opened: OpenedEngine = remote.ask("found")
        for reason in opened.left_out:
            say(f"left out: {reason}")
        return _Measured(setup, remote, opened)

    def _take_images(self) -> None:
        """Keeps what each engine makes of the first frame, and what one in fp32 makes of it."""
        for measured in self._engines:
            self._keep_images(measured)
        for measured in self._engines:
            keys = [measured.setup.image_of(style) for style in measured.opened.checkpoints]
            if measured.setup.engine and not all(key in self._references for key in keys):
                for engine in ("torch", "onnx"):  # opened only to compare with
                    exact = replace(measured.setup, engine=engine, precision="fp32", batch_size=1)
                    with ExitStack() as stack:
                        reference = self._open(exact, stack, lambda _: None)
                        if reference is not None:
                            self._keep_images(reference)

    def _keep_images(self, measured: _Measured) -> None:
        for style in measured.opened.checkpoints:
            image = measured.images[style] = measured.remote.ask("image", style)
            if measured.setup.engine and measured.opened.info.precision == "fp32":
                self._references.setdefault(measured.setup.image_of(style), image)

    def _run_rounds(self, stack: ExitStack) -> None:
        device = next((d for measured in self._engines if (d := measured.opened.info.device) != "cpu"), "cpu")
        ceilings = RemoteObject("ceilings", Ceilings, device)
        stack.callback(ceilings.close)
        for number in range(1, self._options.rounds + 1):
            this_round = f"round {number} of {self._options.rounds}"
            self._progress(f"{this_round}: peak rates of the machine")
            self._measure_ceilings(ceilings)
            for measured, style in self._in_order():
                self._progress(f"{this_round}: {style}, {measured.setup}")
                if not measured.failed:
                    self._measure(measured, style)
                    self._keep(self.report())

    def _measure(self, measured: _Measured, style: str) -> None:
        """An engine that fails, for example for memory, is not measured again; its earlier times stay."""
        try:
            times_ms = measured.remote.ask("times_ms", style, self._options.runs)
            measured.times_ms.setdefault(style, []).append(times_ms)
            if measured.setup.engine:
                loop_fps = measured.remote.ask("loop_fps", style, median(times_ms))
                measured.loop_fps.setdefault(style, []).append(loop_fps)
        except StylizationError as error:
            measured.failed = True
            self._say(f"not measured any more: {measured.setup}: {error}")

    def _measure_ceilings(self, ceilings: RemoteObject) -> None:
        """Keeps the best of all rounds."""
        rates = {_COPY: ceilings.ask("copy_gb_per_s")}
        for precision in dict.fromkeys(measured.opened.info.precision for measured in self._engines):
            rates[_matmul(precision)] = ceilings.ask("matmul_gops", precision)
        self._ceilings = {name: max(rate, self._ceilings.get(name, 0.0)) for name, rate in rates.items()}

    def _in_order(self) -> Iterator[tuple[_Measured, str]]:
        """Every style of every engine: sizes and batches outside, then styles."""
        groups = groupby(self._engines, lambda each: (each.setup.size_wh, each.setup.batch_size, not each.setup.engine))
        for _, group in groups:
            engines = list(group)
            for style in dict.fromkeys(style for measured in engines for style in measured.opened.checkpoints):
                yield from ((measured, style) for measured in engines if style in measured.opened.checkpoints)

    def _result(self, measured: _Measured, style: str) -> Result:
        setup, opened, rounds_ms = measured.setup, measured.opened, measured.times_ms[style]
        times_ms = [time_ms for times in rounds_ms for time_ms in times]
        medians_ms = [median(times) for times in rounds_ms]
        p50_ms, p95_ms, p99_ms = (float(value) for value in np.percentile(times_ms, (50, 95, 99)))
        width, height = setup.size_wh
        pixels_per_s = width * height * setup.batch_size / (p50_ms / 1000)
        loop_fps, cost, precision = measured.loop_fps.get(style), self._cost(measured, style), opened.info.precision
        mean_difference, psnr_db = self._difference(measured, style)
        return Result(
            style=style,
            network=opened.network if setup.engine else BASELINE,
            engine=opened.info.engine,
            precision=precision,
            device=opened.info.device,
            size=f"{width}x{height}",
            batch_size=setup.batch_size,
            rounds=len(rounds_ms),
            runs=len(times_ms),
            first_frame_ms=opened.first_frame_ms,
            median_ms=p50_ms,
            low_ms=min(medians_ms),
            high_ms=max(medians_ms),
            p95_ms=p95_ms,
            p99_ms=p99_ms,
            fps=setup.batch_size * 1000 / p50_ms,
            loop_fps=median(loop_fps) if loop_fps else None,
            memory_mb=opened.memory_mb,
            gpu_memory_mb=opened.gpu_memory_mb,
            macs_per_pixel=cost.macs if cost else None,
            bytes_per_pixel=cost.bytes_in(precision) if cost else None,
            compute_share=self._share(2 * cost.macs * pixels_per_s, _matmul(precision)) if cost else None,
            bandwidth_share=self._share(cost.bytes_in(precision) * pixels_per_s, _COPY) if cost else None,
            mean_difference=mean_difference,
            psnr_db=psnr_db,
        )

    def _cost(self, measured: _Measured, style: str) -> Cost | None:
        """What its network does for a pixel; None where only a model file is there."""
        path, size_wh = measured.opened.checkpoints[style], measured.setup.size_wh
        if path is None and measured.setup.engine:
            return None
        if (path, size_wh) not in self._costs:
            network = TransformerNet(BASELINE) if path is None else load_checkpoint(path)
            self._costs[path, size_wh] = cost_per_pixel(network, size_wh)
        return self._costs[path, size_wh]

    def _share(self, per_s: float, ceiling: str) -> float | None:
        peak = self._ceilings.get(ceiling)
        return per_s / 1e9 / peak if peak else None

    def _difference(self, measured: _Measured, style: str) -> tuple[float | None, float | None]:
        """Mean difference and PSNR in dB to the image in fp32, None for fp32 itself or where there is none."""
        image, exact = measured.images.get(style), self._references.get(measured.setup.image_of(style))
        if image is None or exact is None or exact is image:
            return None, None
        mean_difference = float(np.mean(cv2.absdiff(image, exact)))
        return mean_difference, cv2.PSNR(image, exact) if mean_difference else None


def _matmul(precision: str) -> str:
    """The ceiling's name."""
    return f"{precision} matmul Gop/s"
