"""What an export can be asked for; importing it imports no PyTorch."""

from typing import Literal

Precision = Literal["fp32", "fp16", "int8"]
Runtime = Literal["openvino", "onnxruntime"]

SCRIPT_PRECISIONS = ("fp32", "fp16", "bf16")
"""Of TorchScript files."""
