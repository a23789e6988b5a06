"""Owns trying out whether PyTorch and ONNX Runtime really start on an NVIDIA GPU.

To be called only where a driver shows one: both packages take time to import, and print what they miss.
"""

import contextlib
import io
import warnings
from functools import cache

_WARNINGS, _FATAL_ONLY = 2, 4


def torch_fault_on_cuda() -> str:
    """Why PyTorch starts on no GPU, and what to do; "" where it does. Imports PyTorch, which takes seconds."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return ""
    reason = f" ({str(caught[0].message).splitlines()[0]})" if caught else ""
    return f"PyTorch {torch.__version__} finds no CUDA device{reason}; restart the machine or update the NVIDIA driver"


@cache
def onnx_fault_on_cuda() -> str:
    """Why ONNX Runtime's CUDA provider does not start, and what to do; "" where it does.

    A convolution is run because cuDNN is loaded no earlier, and ONNX Runtime does not say beforehand what is missing.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL_ONLY)  # of what it cannot start it prints whole pages
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()  # finds the CUDA libraries that pip installed
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # it would be folded away
        session = onnxruntime.InferenceSession(_convolution(), options, providers=["CUDAExecutionProvider"])
        if session.get_providers()[0] == "CUDAExecutionProvider":
            session.run(None, {})
            return ""
        reason = ""
    except Exception as error:  # noqa: BLE001
        reason = f" ({str(error).splitlines()[0]})"
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
    return (
        f"ONNX Runtime {onnxruntime.__version__} could not start CUDA{reason}; "
        f"run pip install 'onnxruntime-gpu[cuda,cudnn]=={onnxruntime.__version__}'"
    )


def _convolution() -> bytes:
    """A model file of one convolution without inputs."""
    from onnx import parser

    model = parser.parse_model(
        '<ir_version: 10, opset_import: ["": 18]> convolution () => (float[1, 1, 1, 1] result) '
        "<float[1, 1, 1, 1] one = {1}> { result = Conv(one, one) }"
    )
    return bytes(model.SerializeToString())
