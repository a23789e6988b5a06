"""One run of the benchmark, and of the acceptance on a GPU: measures, shows and keeps what was asked for."""

import sys
from pathlib import Path

from rich.console import Console

from realtime.cli import say
from realtime.engines.devices import GPU_PRECISIONS, gpu_fault
from realtime.errors import EngineError
from realtime.interrupts import INTERRUPTED
from realtime.options import EngineOptions
from realtime.output_names import check_output
from realtime.sources.selection import SAMPLE_CLIP
from speed.acceptance import GpuReport, gpu_table, requirement_table
from speed.machine import use_cores
from speed.options import BenchmarkOptions
from speed.plot import check_plotting, draw
from speed.results import Comparison, Report, compare, read_report
from speed.table import comparison_table, cost_table, speed_table


def run_benchmark(options: BenchmarkOptions) -> int:
    """Measures, shows and keeps what was asked for, and returns the exit status.

    Raises:
        StylizationError: something that was asked for cannot be had.
        OSError: an output cannot be written.
    """
    inputs = [path for path in (options.clip, options.compare) if path is not None]
    _check_outputs({"json": options.json, "csv": options.csv, "plot": options.plot}, inputs, options.overwrite)
    earlier = read_report(options.compare) if options.compare is not None else None
    if options.plot is not None:
        check_plotting()
    if options.threads is not None:
        use_cores(options.threads)
    _check_device(options)
    from speed.measurement import Measurement  # after the cores were chosen, because it imports PyTorch

    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    with console.status("starting") as status:

        def keep(report: Report) -> None:
            if options.json is not None:
                report.write_json(options.json)

        measurement = Measurement(options, console.print, status.update, keep)
        try:
            report, interrupted = measurement.run(), False
        except KeyboardInterrupt:
            report, interrupted = measurement.report(), True
    if report.results:
        _show(report)
    if report.results and options.csv is not None:
        report.write_csv(options.csv)
    if report.results and options.plot is not None:
        draw(report, options.plot)
    if interrupted:
        so_far = "these are the results so far" if report.results else "nothing was measured yet"
        console.print(f"interrupted: {so_far}")
        return INTERRUPTED
    return 1 if earlier is not None and _has_become_slower(compare(earlier, report), earlier, report) else 0


def _check_device(options: BenchmarkOptions) -> None:
    """Raises EngineError where a GPU was asked for that none of the engines can use, before each says so."""
    if not options.device.startswith("cuda"):
        return
    engines = [engine for engine in options.engines or GPU_PRECISIONS if engine in GPU_PRECISIONS]
    faults = {engine: gpu_fault(engine, EngineOptions(device=options.device)) for engine in engines}
    if all(faults.values()):
        fault = next(iter(faults.values()), "of the engines that were asked for none computes on a GPU")
        raise EngineError(f"device {options.device}: cannot be measured: {fault}, or use --device cpu")


def _check_outputs(outputs: dict[str, Path | None], inputs: list[Path], overwrite: bool) -> None:
    checked: list[Path] = []
    for name, path in outputs.items():
        if path is not None:
            check_output(name, path, inputs, checked, overwrite)
            checked.append(path)


def accept(clip: Path | None, json: Path | None, overwrite: bool = False) -> int:
    """Measures what is promised on an NVIDIA GPU, shows the verdicts, and returns the exit status.

    Raises:
        StylizationError: there is no such GPU, or the clip cannot be read.
        OSError: the figures cannot be written.
    """
    _check_outputs({"json": json}, [] if clip is None else [clip], overwrite)
    import torch

    if not torch.cuda.is_available():
        raise EngineError(
            "gpu-acceptance: PyTorch finds no NVIDIA GPU; install a driver and a CUDA build of PyTorch, "
            "or run it elsewhere"
        )
    from speed.gpu import GpuAcceptance

    console = Console(stderr=True, markup=False, highlight=False)

    def keep(report: GpuReport) -> None:
        if json is not None:
            report.write_json(json)

    report = GpuAcceptance("cuda:0", clip or SAMPLE_CLIP, console.print).run(keep)
    shown = Console(width=None if sys.stdout.isatty() else 200)
    shown.print(gpu_table(report))
    shown.print(requirement_table(report))
    say(", ".join(f"{name}: {value}" for name, value in report.machine.items()))
    return 0 if report.passed else 1


def _show(report: Report) -> None:
    console = Console()
    if console.is_terminal is False:
        console.width = 160  # a log has no edge
    console.print(speed_table(report))
    console.print(cost_table(report))
    say(", ".join(f"{name}: {value}" for name, value in {"clip": report.clip, **report.machine}.items()))


def _has_become_slower(compared: list[Comparison], earlier: Report, report: Report) -> bool:
    """Shows the comparison; whether a result is slower beyond the spread of both runs."""
    Console().print(comparison_table(compared))
    for name in sorted(earlier.machine.keys() | report.machine.keys()):
        old, new = earlier.machine.get(name, "none"), report.machine.get(name, "none")
        if old != new:
            say(f"other than in the earlier run: {name} was {old}, is {new}")
    if len(compared) < len(report.results):
        say(f"{len(report.results) - len(compared)} results are not in the earlier run")
    slower = [pair for pair in compared if pair.verdict == "slower"]
    say(f"slower: {len(slower)} of {len(compared)}" if compared else "the two runs have no result in common")
    return bool(slower)
