"""Owns what every engine promises."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from realtime.errors import EngineMemoryError
from realtime.style import Style


@dataclass(frozen=True)
class EngineInfo:
    """What really runs.

    Attributes:
        engine: "torch", "torchscript", "onnx" or "openvino".
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


def no_memory(info: EngineInfo, shape: tuple[int, ...]) -> EngineMemoryError:
    """What to raise where a batch of (N, H, W, 3) does not fit into a device's memory."""
    count, height, width = shape[:3]
    return EngineMemoryError(
        f"device {info.device}: its memory is too small for {count} frames of {width}x{height} at once; "
        "use a smaller --batch-size or image, or another --device"
    )


def vector_per_image(vector: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A style vector for each image: float32 (count, vector_size).

    Args:
        vector: float32 (vector_size,), the same for all, or (count, vector_size).
        count: of the images.
    """
    return np.array(np.broadcast_to(vector, (count, vector.shape[-1])))


@runtime_checkable
class KeepsShapes(Protocol):
    """An engine that keeps something for each shape that it was given."""

    def release_unprepared(self) -> None:
        """Gives back what is kept for shapes that nobody prepared: images that came once. From any thread."""


class Engine(Protocol):
    """Runs style networks. All its styles stay loaded, so that a switch costs nothing."""

    @property
    def info(self) -> EngineInfo:
        """What really runs."""

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """Compiles, captures or builds what a shape needs, and runs it once; does nothing for one that is ready.

        May take long: TensorRT needs minutes. Any thread may call it: one shape is prepared at a
        time, and those that are ready are stylized meanwhile. `stylize` prepares what nobody has.

        Args:
            shape: (N, H, W, 3) of the batches that will come.
            style: any one of the network that will run.

        Returns:
            Seconds that one batch of this shape took when it was first run; 0 where none was run.

        Raises:
            EngineMemoryError: the device's memory is too small for this shape.
            EngineError: the network cannot take this shape.
        """

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """Stylizes a batch.

        Args:
            images: uint8 (N, H, W, 3), RGB, 0..255.
            style: one whose network is among those that the engine was opened with; one made by
                `realtime.style.together` has a vector for each image.
            strength: 0 gives back the images, 1 is the style; only a style that fades by
                vector (`Style.fades_by_vector`) looks at it.

        Returns:
            uint8 (N, H, W, 3), RGB, 0..255; an array of its own.

        Raises:
            EngineMemoryError: the device's memory is too small for this batch.
            EngineError: the network cannot take this batch.
        """

    def close(self) -> None:
        """Frees what the engine holds."""
