"""Owns the options of the benchmark: their defaults, and what is allowed."""

from dataclasses import dataclass
from pathlib import Path

from realtime.errors import OptionError
from realtime.options import ENGINE_NAMES, MAX_SIDE_PX, EngineName, EngineOptions, NetworkName, Precision

_SUFFIXES = {"json": ".json", "csv": ".csv", "plot": ".png"}


@dataclass(frozen=True)
class BenchmarkOptions:
    """One run of the benchmark.

    Attributes:
        styles: names and blends with commas between, a weights file, or "all".
        networks: which of the shipped ones names of styles mean.
        engines: which to measure; empty is all.
        precisions: which to measure; empty is all that the engines have.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        sizes_wh: (width, height) in px of the frames.
        batch_sizes: frames stylized together.
        rounds: how often all are measured in turn.
        runs: timed runs of each in a round, at most a second of them.
        threads: CPU cores that may be used; None is all that there are.
        clip: video that the frames are from; None is the sample clip.
        json: where results are written as they come.
        csv: where they are written as a table at the end.
        plot: where they are drawn at the end.
        compare: results of an earlier run.
        overwrite: replace files that are there.
    """

    styles: str = "candy"
    networks: tuple[NetworkName, ...] = ("fast",)
    engines: tuple[EngineName, ...] = ()
    precisions: tuple[Precision, ...] = ()
    device: str = "auto"
    sizes_wh: tuple[tuple[int, int], ...] = ((640, 480),)
    batch_sizes: tuple[int, ...] = (1,)
    rounds: int = 5
    runs: int = 20
    threads: int | None = None
    clip: Path | None = None
    json: Path | None = None
    csv: Path | None = None
    plot: Path | None = None
    compare: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        for network in self.networks:
            if network not in ("fast", "fine"):
                raise OptionError(f"network {network}: the benchmark measures networks by name; allowed: fast, fine")
        for engine in self.engines:
            EngineOptions(engine, self.device)
            if engine == "auto":
                allowed = ", ".join(ENGINE_NAMES[1:])
                raise OptionError(f"engine auto: the benchmark measures engines by name; allowed: {allowed}")
        for precision in self.precisions:
            EngineOptions(precision=precision)
        for batch_size in self.batch_sizes:
            EngineOptions(device=self.device, batch_size=batch_size)
        for width, height in self.sizes_wh:
            if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
                raise OptionError(f"size {width}x{height}: each side must be 1 to {MAX_SIDE_PX} px")
        for name, number in (("rounds", self.rounds), ("runs", self.runs), ("threads", self.threads)):
            if number is not None and number < 1:
                raise OptionError(f"{name} {number}: must be at least 1")
        self._check_outputs()

    def _check_outputs(self) -> None:
        for name, suffix in _SUFFIXES.items():
            path: Path | None = getattr(self, name)
            if path is not None and path.suffix.lower() != suffix:
                raise OptionError(f"{name} {path}: must end in {suffix}")
            if path is not None and not path.parent.is_dir():
                raise OptionError(f"{name} {path}: there is no folder {path.parent}; make it, or choose another place")
