"""Owns the exceptions of frames, sources, engines and sinks, and shows the tree of all the project's.

Whoever uses the project from Python catches `StylizationError`; its text is one line that says what failed, the value
that was given, what is allowed and what to do.

    StylizationError            anything a user can understand, in one line
    |-- CheckpointError         weights cannot be read, are refused, or fit no network
    |-- TrainingError           training cannot start or go on
    |-- ExportError             a model file does not give what PyTorch gives (`export/exporter.py`)
    |-- EvaluationError         a style cannot be judged
    |-- MissingPackageError     an optional package is not installed
    |-- OptionError             an option has a value that is not allowed
    |-- FrameError              pixels are not uint8 (H, W, 3), or sizes in a batch differ
    |-- SourceError             a camera, stream or file cannot be opened or read
    |-- StyleError              there is no such style
    |-- EngineError             an engine, device, precision or provider cannot be had, or failed
    |   |-- EngineMemoryError   a device's memory is too small for what it was given at once
    |   `-- EngineTimeoutError  an engine did not give a batch back within its time limit
    `-- SinkError               a window or a file cannot be opened or written

Those that networks, training and judging raise are in `neural_style/errors.py`, because `neural_style` does not
import `realtime`.
"""

from neural_style.errors import StylizationError


class OptionError(StylizationError):
    """An option has a value that is not allowed."""


class FrameError(StylizationError):
    """Pixels have another dtype or shape than uint8 (H, W, 3), or frames of a batch differ in size."""


class SourceError(StylizationError):
    """A camera, stream or file cannot be opened or read."""


class StyleError(StylizationError):
    """There is no such style."""


class EngineError(StylizationError):
    """An engine, device, precision or provider cannot be had, or failed."""


class EngineMemoryError(EngineError):
    """A device's memory is too small for what it was given at once."""


class EngineTimeoutError(EngineError):
    """An engine did not give a batch back within its time limit."""


class SinkError(StylizationError):
    """A window or a file cannot be opened or written."""
