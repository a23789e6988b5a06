"""Machines that a test can put in the place of this one: what their driver, PyTorch and ONNX Runtime answer."""

from dataclasses import dataclass

import onnxruntime
import pytest

from realtime.engines import devices
from realtime.engines.devices import Gpu, NvidiaDriver

CPU_PROVIDER, CUDA_PROVIDER = "CPUExecutionProvider", "CUDAExecutionProvider"
GPU_NAME = "NVIDIA GeForce RTX 4090"
_TWO_GPUS = (Gpu(GPU_NAME, (8, 9)), Gpu("NVIDIA RTX A2000", (8, 6)))
_NEW_DRIVER = NvidiaDriver(_TWO_GPUS, (13, 0))
_FOR_CPUS, _WITH_CUDA = ("2.13.0+cpu", None), ("2.13.0+cu130", (13, 0))


@dataclass(frozen=True)
class Machine:
    """What the probes of `realtime.engines.devices` find.

    Attributes:
        driver: what the NVIDIA driver tells.
        torch: PyTorch's version and that of its CUDA.
        torch_fault: what PyTorch says of the GPU when it is asked.
        onnx_has_cuda: whether ONNX Runtime was built with CUDA.
        onnx_fault: what it says when it starts there.
    """

    driver: NvidiaDriver = _NEW_DRIVER
    torch: tuple[str, tuple[int, int] | None] | None = _WITH_CUDA
    torch_fault: str = ""
    onnx_has_cuda: bool = True
    onnx_fault: str = ""

    def take_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answers for this machine until the test ends."""
        providers = [CUDA_PROVIDER] * self.onnx_has_cuda + [CPU_PROVIDER]
        monkeypatch.setattr(devices, "ask_driver", lambda: self.driver)
        monkeypatch.setattr(devices, "torch_build", lambda: self.torch)
        monkeypatch.setattr(devices, "torch_fault_on_cuda", lambda: self.torch_fault)
        monkeypatch.setattr(devices, "onnx_fault_on_cuda", lambda: self.onnx_fault)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
        monkeypatch.setattr(onnxruntime, "cuda_version", "13.0")


NO_LIBRARIES = "ONNX Runtime 1.31.1 could not start CUDA; run pip install 'onnxruntime-gpu[cuda,cudnn]==1.31.1'"

WHOLE = Machine()
NO_GPU = Machine(NvidiaDriver())
ONLY_A_DRIVER = Machine(torch=_FOR_CPUS, onnx_fault=NO_LIBRARIES)
WITHOUT_TORCH = Machine(torch=_FOR_CPUS)
WITHOUT_ONNX = Machine(onnx_has_cuda=False)
OLD_DRIVER = Machine(NvidiaDriver(_TWO_GPUS, (12, 8)))
