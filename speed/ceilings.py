"""Owns the peak rates of a device: products of large matrices, and copies of memory."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

_SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
_COPIED_BYTES = 2**28
_RUNS = 3
_WINDOW_S = 1.0
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Ceilings:
    """Measures one device with PyTorch.

    Args:
        device: as PyTorch names it.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._side = _SIDE[self._device.type]

    def matmul_gops(self, precision: str) -> float:
        """Additions and multiplications, 1e9 per second, of a product of two square matrices; 0 where there is none.

        Args:
            precision: of both matrices; int8 adds up in int32.
        """
        shape = self._side, self._side
        try:
            if precision == "int8":
                left, right = (torch.randint(-127, 128, shape, dtype=torch.int8, device=self._device) for _ in "ab")
                best_s = self._best_s(lambda: torch._int_mm(left, right))
            else:
                a, b = (torch.randn(shape, device=self._device).to(_DTYPES[precision]) for _ in "ab")
                best_s = self._best_s(lambda: a @ b)
        except RuntimeError:  # this device, or this PyTorch, has no such product
            return 0.0
        return float(2 * self._side**3 / best_s / 1e9)

    def copy_gb_per_s(self) -> float:
        """Bytes read and written, 1e9 per second, while a block far larger than any cache is copied."""
        source = torch.ones(_COPIED_BYTES // 4, device=self._device)
        target = torch.empty_like(source)
        return 2 * _COPIED_BYTES / self._best_s(lambda: target.copy_(source)) / 1e9

    def _best_s(self, run: Callable[[], Tensor]) -> float:
        """Seconds of one run in the fastest of a few windows; a run on a GPU alone would be hidden by its launch."""
        run()
        self._wait()
        count = 1 if self._device.type == "cpu" else max(1, round(_WINDOW_S / self._window_s(run, 1)))
        return min(self._window_s(run, count) for _ in range(_RUNS)) / count

    def _window_s(self, run: Callable[[], Tensor], count: int) -> float:
        start_s = time.perf_counter()
        for _ in range(count):
            run()
        self._wait()
        return time.perf_counter() - start_s

    def _wait(self) -> None:
        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)
