"""The options of an export; importing them imports no PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Precision = Literal["fp32", "fp16", "int8"]
Runtime = Literal["openvino", "onnxruntime"]


@dataclass(frozen=True)
class StyleExport:
    """What is exported, and into what.

    Attributes:
        style: a name, a blend of names, or a `.safetensors` or `.pth` file.
        network: which of the shipped ones a name means.
        output: the file to write; None is the name that engines look for, beside the checkpoint.
        baked: only this style or blend, as part of the file.
        floats: images as float32 (N, 3, H, W), 0..1.
        precision: of convolutions.
        runtime: which int8 is for; ONNX Runtime needs more bytes and loses more quality.
        photo_dir: photographs to calibrate int8 with; None takes those of scikit-image.
        torchscript: write TorchScript instead of ONNX.
    """

    style: str
    network: Literal["fast", "fine"] = "fast"
    output: Path | None = None
    baked: bool = False
    floats: bool = False
    precision: Precision = "fp32"
    runtime: Runtime = "openvino"
    photo_dir: Path | None = None
    torchscript: bool = False
