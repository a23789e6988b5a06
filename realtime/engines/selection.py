"""Owns the choice of an engine.

Must not know how an engine works; it imports only the one that is chosen.
"""

from dataclasses import replace
from pathlib import Path

from realtime.engines.protocol import Engine
from realtime.options import EngineOptions
from realtime.styles import Catalogue, Style


def open_engine(catalogue: Catalogue, options: EngineOptions, first_style: int = 0) -> Engine:
    """Opens the engine that was asked for, or with "auto" the one that fits the machine.

    "auto" takes PyTorch in half precision where the machine has it (fp16 on a GPU, bf16
    on a CPU with such instructions, which was measured to be faster), and PyTorch where
    only it can do what is asked for; else ONNX Runtime, which starts faster and was
    measured faster in fp32.

    Args:
        catalogue: the styles to keep loaded.
        options: engine, device and precision.
        first_style: the place of the style to begin with.

    Raises:
        EngineError: what was asked for cannot be had.
    """
    if options.engine == "auto":
        options = _chosen(catalogue.styles[first_style], options)
    if options.engine == "torch":
        from realtime.engines.torch_engine import TorchEngine

        return TorchEngine(catalogue, options)
    from realtime.engines.onnx_engine import OnnxEngine

    return OnnxEngine(catalogue, options)


def _chosen(style: Style, options: EngineOptions) -> EngineOptions:
    """The same options with "auto" replaced by an engine, and by bf16 where a CPU is to compute in it."""
    if style.checkpoint is None:
        return replace(options, engine="onnx")
    on_gpu = options.precision == "auto" and runs_on_gpu(options)
    if options.precision == "auto" and not on_gpu and _cpu_has_bf16():
        return replace(options, engine="torch", precision="bf16")
    only_torch = style.model_file is None or options.precision in ("fp16", "bf16") or options.device == "mps"
    return replace(options, engine="torch" if on_gpu or only_torch else "onnx")


def runs_on_gpu(options: EngineOptions) -> bool:
    """Whether frames would be stylized on a GPU, found out without opening an engine."""
    return options.device == "mps" or (options.device != "cpu" and _has_cuda())


def _cpu_has_bf16() -> bool:
    """Asks the system, because asking PyTorch takes seconds; only Linux tells."""
    cpu_info = Path("/proc/cpuinfo")
    flags = cpu_info.read_text(encoding="utf-8") if cpu_info.is_file() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _has_cuda() -> bool:
    from realtime.engines.onnx_engine import cuda_is_available

    return cuda_is_available()
