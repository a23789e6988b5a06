"""Owns what every engine promises.

Must not know any engine.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.styles import Style


@dataclass(frozen=True)
class EngineInfo:
    """What really runs.

    Attributes:
        engine: "torch", "onnx" or "openvino".
        device: for example "cpu" or "cuda:0".
        precision: "fp32", "fp16", "bf16" or "int8".
        provider: the ONNX Runtime execution provider; "" for other engines.
        parallel_batches: how many threads may call `Engine.stylize` at once.
    """

    engine: str
    device: str
    precision: str
    provider: str = ""
    parallel_batches: int = 1


class Engine(Protocol):
    """Runs style networks. All its styles stay loaded, so that a switch costs nothing."""

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        ...

    def stylize(self, pictures: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """Stylizes a batch.

        Args:
            pictures: uint8 (N, H, W, 3), RGB, 0..255.
            style: one whose network is among those that the engine was opened with.
            strength: 0 gives back the pictures, 1 is the style; only a style that fades by
                vector (`Style.fades_by_vector`) looks at it.

        Returns:
            uint8 (N, H, W, 3), RGB, 0..255; an array of its own.

        Raises:
            EngineError: the network cannot take this batch.
        """
        ...

    def close(self) -> None:
        """Frees what the engine holds."""
        ...
