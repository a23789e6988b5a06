"""Owns the choice of an engine.

Must not know how an engine works; it imports only the one that is chosen.
"""

from realtime.engines.protocol import Engine
from realtime.options import EngineOptions
from realtime.styles import Catalogue


def open_engine(catalogue: Catalogue, options: EngineOptions, first_style: int = 0) -> Engine:
    """Opens the engine that was asked for, or with "auto" the one that fits the machine.

    "auto" takes ONNX Runtime, which starts fastest, unless the first style has no
    model file, or a precision or device is asked for that only PyTorch has.

    Args:
        catalogue: the styles to keep loaded.
        options: engine, device and precision.
        first_style: the place of the style to begin with.

    Raises:
        EngineError: what was asked for cannot be had.
    """
    name = options.engine
    if name == "auto":
        name = "torch" if _needs_torch(catalogue, options, first_style) else "onnx"
    if name == "torch":
        from realtime.engines.torch_engine import TorchEngine

        return TorchEngine(catalogue, options)
    from realtime.engines.onnx_engine import OnnxEngine

    return OnnxEngine(catalogue, options)


def _needs_torch(catalogue: Catalogue, options: EngineOptions, first_style: int) -> bool:
    if catalogue.styles[first_style].model_file is None:
        return True
    if options.precision in ("fp16", "bf16") or options.device == "mps":
        return True
    if options.device == "cpu":
        return False
    from realtime.engines.onnx_engine import cuda_is_available

    return cuda_is_available()
