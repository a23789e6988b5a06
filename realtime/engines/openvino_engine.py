"""Owns running exported model files with OpenVINO, on a CPU.

Must not import torch: it has to start fast.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from neural_style.machine import usable_cores
from neural_style.weights.onnx_format import ModelFile
from realtime.engines.model_choice import ModelFiles, model_inputs
from realtime.engines.protocol import EngineInfo
from realtime.engines.shape_cache import ShapeCache
from realtime.errors import EngineError
from realtime.options import EngineOptions
from realtime.style import Style
from realtime.style_catalogue import Catalogue

_COMPUTES_IN = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
"""OpenVINO's name of the format for a precision. In an int8 model it is that of the layers that are not int8."""

_Key = tuple[Path, tuple[int, ...]]


@cache
def _core() -> openvino.Core:
    """The process's one core, never let go of.

    Its CPU plugin gives the thread that loads it another stack for signal handlers, and frees it
    in the thread that lets go of the core: where they differ, the next Ctrl-C would crash.
    """
    return openvino.Core()


def _has_bf16() -> bool:
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine:
    """Compiles the model files of a catalogue for each size of image that comes, which takes part of a second.

    Several batches at once share out the cores instead of the rows of an image. That is as fast
    in a quiet loop, and faster in a busy one: no core waits for another that decodes or shows.

    Args:
        catalogue: the styles to keep loaded; one without a model file is left out.
        options: device, precision ("auto" is int8), and how many batches come at once.

    Attributes:
        info: see `Engine.info`.

    Raises:
        EngineError: the device or precision cannot be had, or a model file is missing,
            damaged, refused or older than its checkpoint.
    """

    def __init__(self, catalogue: Catalogue, options: EngineOptions) -> None:
        if options.device not in ("auto", "cpu"):
            raise EngineError(
                f"device {options.device}: engine openvino runs on cpu only; use --device cpu, or another --engine"
            )
        precision = "int8" if options.precision == "auto" else options.precision
        if precision not in _COMPUTES_IN:
            raise EngineError(f"precision {precision}: engine openvino has {', '.join(_COMPUTES_IN)}; use one of them")
        if precision == "bf16" and not _has_bf16():
            raise EngineError("precision bf16: this CPU has no instructions for it; use --precision fp32 or int8")
        self._files = ModelFiles(catalogue, "openvino", precision)
        self._precision_hint = _COMPUTES_IN[precision] if _has_bf16() else "f32"
        self._parallel = min(options.parallel_batches, usable_cores())
        self._requests: ShapeCache[_Key, openvino.InferRequest] = ShapeCache(self._request_makers, self._run_once)
        runs_int8 = self._files.stated_precision == "int8"
        self.info = EngineInfo("openvino", "cpu", "int8" if runs_int8 else precision, parallel_batches=self._parallel)

    def prepare(self, shape: tuple[int, ...], style: Style) -> float:
        """See `Engine.prepare`."""
        path = self._files.path_of(style)
        with _failures_named(path, shape):
            return self._requests.prepare((path, shape))

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        """See `Engine.stylize`."""
        path, inputs = self._files.path_of(style), model_inputs(images, style.vector_at(strength))
        with _failures_named(path, images.shape), self._requests.taken((path, images.shape)) as request:
            results = request.infer(inputs, share_inputs=True)
        return np.asarray(results[0], np.uint8)

    def release_unprepared(self) -> None:
        """See `KeepsShapes`."""
        self._requests.drop_unprepared()

    def close(self) -> None:
        """See `Engine.close`."""
        self._requests.clear()

    def _run_once(self, key: _Key, request: "openvino.InferRequest") -> None:
        request.infer(self._files.warm_up_inputs(*key), share_inputs=True)

    def _request_makers(self, key: _Key) -> "list[Callable[[], openvino.InferRequest]]":
        """As many as batches come at once, of a network compiled for one shape."""
        path, shape = key
        compiled = self._compiled(self._files.by_path[path], shape)
        return [compiled.create_infer_request] * self._parallel

    def _compiled(self, file: ModelFile, shape: tuple[int, ...]) -> "openvino.CompiledModel":
        """A fixed shape is a third faster than a dynamic one."""
        model = _core().read_model(file.content, b"")
        shapes = {"frames": list(shape)} | ({"style": [shape[0], file.vector_size]} if file.vector_size else {})
        model.reshape(shapes)
        settings = {
            "PERFORMANCE_HINT": "LATENCY" if self._parallel == 1 else "THROUGHPUT",
            "NUM_STREAMS": self._parallel,
            "INFERENCE_NUM_THREADS": usable_cores(),
            "INFERENCE_PRECISION_HINT": self._precision_hint,
            "ENABLE_CPU_PINNING": False,  # the loop's other threads need a place, too
        }
        return _core().compile_model(model, "CPU", settings)


@contextmanager
def _failures_named(path: Path, shape: tuple[int, ...]) -> Iterator[None]:
    """Raises what OpenVINO raises as an EngineError that names file and shape."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"engine openvino: {path.name} failed on {shape}: {reason}") from error
