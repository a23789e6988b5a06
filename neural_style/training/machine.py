"""What a training runs on: which device, and how many processes share its batches."""

import torch

from neural_style.errors import TrainingError
from neural_style.machine import usable_cores


def chosen_device(name: str) -> str:
    """Checks the device that was asked for, "auto", "cpu" or "cuda".

    Raises:
        TrainingError: there is no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device cuda: no CUDA device was found; use --device cpu")
    return name


def fitting_processes(batch_size: int, device: str) -> int:
    """The largest number of processes that divides the batch and has a core for each; 1 on a GPU."""
    if device != "cpu":
        return 1
    return max(n for n in range(1, usable_cores() + 1) if batch_size % n == 0)


def computes_in_bf16(device: torch.device) -> bool:
    """Whether a device computes in bf16: of NVIDIA's, those from Ampere on; older ones only emulate it, slowly."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())
