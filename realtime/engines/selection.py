"""Owns the choice of an engine.

Must not know how an engine works; it imports only those that are chosen or measured.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from realtime.engines.autotune import Candidate, fastest_candidate
from realtime.engines.devices import gpu_fault, unused_gpu
from realtime.engines.low_memory import SparingEngine
from realtime.engines.model_choice import model_file_of
from realtime.engines.protocol import Engine
from realtime.options import EngineName, EngineOptions, Precision
from realtime.style_catalogue import Catalogue, Style

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
    GPU it takes PyTorch in fp16, or ONNX Runtime where PyTorch cannot; a GPU that neither can use
    is told, with what to do. What a GPU's memory is too small for is stylized in smaller batches,
    or in parts.

    Args:
        catalogue: the styles to keep loaded.
        options: engine, device and precision.
        first_style: the place of the style to begin with.
        size_wh: width and height in px of the images that will come.
        say: is told what is measured, and which GPU is not used.

    Raises:
        EngineError: what was asked for cannot be had.
    """
    say = say or _silent
    options = choose_engine(catalogue, first_style, options, size_wh, say)
    engine = open_named_engine(catalogue, options)
    if engine.info.device == "cpu" and options.engine != "openvino":
        _say_if_any(unused_gpu(options.engine, options), say)
    if options.batch_size is not None or engine.info.device == "cpu":
        return engine

    def open_tiled(tile_px: int) -> Engine:
        from realtime.engines.tiled_engine import TiledEngine

        return TiledEngine(catalogue, options, tile_px)

    return SparingEngine(engine, open_tiled, say)


def open_named_engine(catalogue: Catalogue, options: EngineOptions) -> Engine:
    """Opens the engine that `options.engine` names, which is not "auto".

    Raises:
        EngineError: it cannot be had.
    """
    if options.engine == "torch":
        from realtime.engines.torch_engine import TorchEngine

        return TorchEngine(catalogue, options)
    if options.engine == "openvino":
        from realtime.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(catalogue, options)
    from realtime.engines.onnx_engine import OnnxEngine

    return OnnxEngine(catalogue, options)


def choose_engine(
    catalogue: Catalogue, first_style: int, options: EngineOptions, size_wh: tuple[int, int], say: Say
) -> EngineOptions:
    """The same options with an engine and a precision in place of "auto"; arguments and errors as of `open_engine`."""
    return _chosen(catalogue, first_style, options, size_wh, say) if options.engine == "auto" else options


def _chosen(
    catalogue: Catalogue, first_style: int, options: EngineOptions, size_wh: tuple[int, int], say: Say
) -> EngineOptions:
    style = catalogue.styles[first_style]
    if options.provider != "auto":
        return replace(options, engine="onnx")
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
    _say_if_any(unused_gpu(on_gpu[0], options), say)
    options = replace(options, device="cpu")
    if len(candidates) == 1:
        return replace(options, engine=candidates[0].engine, precision=candidates[0].precision)

    def open_candidate(candidate: Candidate) -> Engine:
        # One batch at a time: whoever measures asks for no more, and an engine that waits for two is half idle.
        wanted = replace(options, engine=candidate.engine, precision=candidate.precision, parallel_batches=1)
        return open_named_engine(Catalogue((style,)), wanted)

    best = fastest_candidate(candidates, open_candidate, style, size_wh, options.refresh, say)
    return replace(options, engine=best.engine, precision=best.precision)


def _cpu_candidates(style: Style, precision: Precision) -> list[Candidate]:
    """What could run a style on this CPU: the likely fastest first."""
    has_openvino = _has_openvino()
    floating: Precision = "bf16" if precision != "fp32" and _cpu_has_bf16() else "fp32"
    candidates = []
    if style.model_file is not None:
        if has_openvino and _is_there(style, "openvino", "int8"):
            candidates.append(Candidate("openvino", "int8"))
        if has_openvino:
            candidates.append(Candidate("openvino", floating))
        if _is_there(style, "onnx", "int8"):
            candidates.append(Candidate("onnx", "int8"))
        candidates.append(Candidate("onnx", "fp32"))
    if style.checkpoint is not None:
        candidates.append(Candidate("torch", floating))
    return candidates


def _is_there(style: Style, engine: str, precision: Precision) -> bool:
    """Whether there is a file made for a precision; what a user named is what it is."""
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


def _cpu_has_bf16() -> bool:
    """Asks the system, because asking PyTorch takes seconds; only Linux tells."""
    cpu_info = Path("/proc/cpuinfo")
    flags = cpu_info.read_text(encoding="utf-8") if cpu_info.is_file() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _has_openvino() -> bool:
    return find_spec("openvino") is not None


def _say_if_any(line: str, say: Say) -> None:
    if line:
        say(line)


def _silent(_: str) -> None:
    """For those who need not be told."""
