"""Owns the choice of an engine; imports only those that are chosen or measured."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

from neural_style.machine import cpu_has_bf16
from neural_style.packages import optional_packages
from realtime.engines.autotune import Autotune, Candidate
from realtime.engines.devices import gpu_fault, unused_gpu
from realtime.engines.low_memory import LowMemoryEngine
from realtime.engines.model_choice import model_file_of
from realtime.engines.protocol import Engine
from realtime.interrupts import signals_delayed
from realtime.options import EngineName, EngineOptions, Precision
from realtime.style import Style
from realtime.style_catalogue import Catalogue

TYPICAL_SIZE_WH = (640, 480)
Say = Callable[[str], None]


def open_engine(
    catalogue: Catalogue,
    options: EngineOptions,
    first_style: int = 0,
    size_wh: tuple[int, int] = TYPICAL_SIZE_WH,
    say: Say | None = None,
) -> Engine:
    """Opens the engine that was asked for, or with "auto" the fastest on this machine.

    On a CPU "auto" measures once which engine and precision is fastest, and remembers it. On a
    GPU it takes PyTorch in fp16, or ONNX Runtime where PyTorch cannot; `say` is told of a GPU that
    neither can use, with what to do. Where a GPU's memory is too small, batches get smaller, and
    then images are stylized in tiles.

    Args:
        catalogue: the styles to keep loaded.
        options: engine, device and precision.
        first_style: the place of the style to begin with.
        size_wh: width and height in px of the images that will come.
        say: takes lines for people: what is measured, and which GPU is not used.

    Raises:
        EngineError: what was asked for cannot be had.
    """
    say = say or (lambda _: None)
    options = choose_engine(catalogue, first_style, options, size_wh, say)
    engine = open_named_engine(catalogue, options)
    if engine.info.device == "cpu":
        if options.engine != "openvino":
            report_unused_gpu(options.engine, options, say)
        return engine
    if options.batch_size is not None:
        return engine

    def open_tiled(tile_px: int) -> Engine:
        from realtime.engines.torch_engine import TorchEngine

        neighbour = engine if isinstance(engine, TorchEngine) else None
        return TorchEngine(catalogue, options, tile_px, neighbour=neighbour)

    return LowMemoryEngine(engine, open_tiled, say)


def open_named_engine(catalogue: Catalogue, options: EngineOptions) -> Engine:
    """Opens the engine that `options.engine` names, which is not "auto".

    Raises:
        EngineError: it cannot be had.
        MissingPackageError: its package is not installed.
    """
    with signals_delayed(), optional_packages(f"engine {options.engine}"):
        if options.engine == "torch":
            from realtime.engines.torch_engine import TorchEngine

            return TorchEngine(catalogue, options)
        if options.engine == "torchscript":
            from realtime.engines.torchscript_engine import TorchScriptEngine

            return TorchScriptEngine(catalogue, options)
        if options.engine == "openvino":
            from realtime.engines.openvino_engine import OpenVinoEngine

            return OpenVinoEngine(catalogue, options)
        from realtime.engines.onnx_engine import OnnxEngine

        return OnnxEngine(catalogue, options)


def choose_engine(
    catalogue: Catalogue, first_style: int, options: EngineOptions, size_wh: tuple[int, int], say: Say
) -> EngineOptions:
    """The same options with an engine and a precision in place of "auto"; arguments and errors as of `open_engine`."""
    if options.engine != "auto":
        return options
    style = catalogue.styles[first_style]
    if options.provider != "auto" or style.script_file is not None:
        return replace(options, engine="onnx" if options.provider != "auto" else "torchscript")
    on_gpu = _gpu_engines(style)
    if options.device == "mps":
        return replace(options, engine=on_gpu[0])
    if options.device != "cpu":
        able = [engine for engine in on_gpu if not gpu_fault(engine, options)]
        if able or options.device != "auto":  # where none is able, the first says why
            return replace(options, engine=(able or on_gpu)[0])
    candidates = [c for c in _cpu_candidates(style, options.precision) if options.precision in ("auto", c.precision)]
    if not candidates:  # the engine says why not
        return replace(options, engine=on_gpu[0])
    report_unused_gpu(on_gpu[0], options, say)
    options, best = replace(options, device="cpu"), candidates[0]
    if len(candidates) > 1:

        def open_candidate(candidate: Candidate) -> Engine:
            # The measurement stylizes one batch at a time; an engine that is set up for two would be half idle.
            wanted = replace(options, engine=candidate.engine, precision=candidate.precision, parallel_batches=1)
            return open_named_engine(Catalogue((style,)), wanted)

        best = Autotune(open_candidate, style, size_wh, options.refresh).fastest(candidates, say)
    return replace(options, engine=best.engine, precision=best.precision)


def _cpu_candidates(style: Style, precision: Precision) -> list[Candidate]:
    """What could run a style on this CPU: the likely fastest first."""
    has_openvino = _is_installed("openvino")
    floating: Precision = "bf16" if precision != "fp32" and cpu_has_bf16() else "fp32"
    has_model = style.model_file is not None
    can_run = {
        Candidate("openvino", "int8"): has_model and has_openvino and _is_there(style, "openvino", "int8"),
        Candidate("openvino", floating): has_model and has_openvino,
        Candidate("onnx", "int8"): has_model and _is_there(style, "onnx", "int8"),
        Candidate("onnx", "fp32"): has_model,
        Candidate("torch", floating): style.checkpoint is not None and (not has_model or _is_installed("torch")),
    }
    return [candidate for candidate, can in can_run.items() if can]


def _is_there(style: Style, engine: str, precision: Precision) -> bool:
    """Whether there is a file made for a precision; a file that the user named has only its own."""
    path = model_file_of(style, engine, precision)
    return style.checkpoint is not None and path is not None and path.is_file()


def _gpu_engines(style: Style) -> list[EngineName]:
    """What could run a style on a GPU, the fastest first; at least one."""
    if style.checkpoint is None:
        return ["onnx"]
    return ["torch", "onnx"] if style.model_file is not None else ["torch"]


def runs_on_gpu(options: EngineOptions) -> bool:
    """Whether frames would be stylized on a GPU, found out without opening an engine."""
    if options.device in ("cpu", "mps") or options.engine == "openvino":
        return options.device == "mps"
    engines = (options.engine,) if options.engine != "auto" else ("torch", "onnx")
    if options.provider != "auto":
        engines = ("onnx",)
    return any(not gpu_fault(engine, options) for engine in engines)


def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def report_unused_gpu(engine: str, options: EngineOptions, say: Say) -> None:
    """Says why a GPU that is there is not used, if so."""
    line = unused_gpu(engine, options)
    if line:
        say(line)
