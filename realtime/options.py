"""Owns the options of the live loop: their defaults, and what is allowed.

Must not know the command line's parser or what the options switch on.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from realtime.errors import OptionError

EngineName = Literal["auto", "torch", "onnx"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
SinkName = Literal["window", "null"]

ENGINE_NAMES: tuple[EngineName, ...] = ("auto", "torch", "onnx")
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "fp16", "bf16")
SINK_NAMES: tuple[SinkName, ...] = ("window", "null")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov")
MAX_SIDE_PX = 16384


@dataclass(frozen=True)
class EngineOptions:
    """What runs the networks.

    Attributes:
        engine: "auto" chooses and says what.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: number format of weights and features.
        batch_size: frames stylized together.
        max_wait_ms: how long an incomplete batch waits for its next frame.
    """

    engine: EngineName = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    batch_size: int = 1
    max_wait_ms: float = 50.0

    def __post_init__(self) -> None:
        _check_choice("engine", self.engine, ENGINE_NAMES)
        _check_choice("precision", self.precision, PRECISIONS)
        kind, _, number = self.device.partition(":")
        if kind not in ("auto", "cpu", "cuda", "mps") or (
            ":" in self.device and not (kind == "cuda" and number.isdecimal())
        ):
            raise OptionError(f"device {self.device!r}: unknown; allowed: auto, cpu, cuda, cuda:N, mps")
        if not 1 <= self.batch_size <= 256:
            raise OptionError(f"batch-size {self.batch_size}: must be 1 to 256")


@dataclass(frozen=True)
class LookOptions:
    """What the picture looks like at the start; keys change it later.

    Attributes:
        style: a name of the catalogue, a blend of names, or the path of a weights file.
        strength: 0 is the camera's picture, 1 the painting.
        keep_colors: paint with the colours of the camera's picture.
        smoothing: 0 is off; up to 1 the last picture stays longer where the input did not change.
    """

    style: str = "candy"
    strength: float = 1.0
    keep_colors: bool = False
    smoothing: float = 0.5

    def __post_init__(self) -> None:
        for name in ("strength", "smoothing"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise OptionError(f"{name} {getattr(self, name)}: must be 0 to 1")


@dataclass(frozen=True)
class RunOptions:
    """One live run.

    Attributes:
        source: camera number or path, URL, video file, "sample" or "pattern"; None is
            camera 0, or the sample clip where there is no camera.
        size_wh: frames are stylized inside this (width, height); None keeps a clip's own size.
        unpaced: read a file as fast as the engine takes it, and drop nothing.
        sinks: where frames leave; empty chooses the window, or a recording without a display.
        record: also write the stylized frames to this video file.
        max_frames: stop after so many stylized frames.
        stats: write statistics to this JSON file at the end.
        look: style and strength at the start.
        engine: what runs the networks.
    """

    source: str | None = None
    size_wh: tuple[int, int] | None = None
    unpaced: bool = False
    sinks: tuple[SinkName, ...] = ()
    record: Path | None = None
    max_frames: int | None = None
    stats: Path | None = None
    look: LookOptions = field(default_factory=LookOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        for sink in self.sinks:
            _check_choice("sink", sink, SINK_NAMES)
        if self.size_wh is not None and not all(1 <= side <= MAX_SIDE_PX for side in self.size_wh):
            raise OptionError(f"size {self.size_wh[0]}x{self.size_wh[1]}: each side must be 1 to {MAX_SIDE_PX} px")
        if self.max_frames is not None and self.max_frames < 1:
            raise OptionError(f"max-frames {self.max_frames}: must be at least 1")
        if self.record is not None and self.record.suffix.lower() not in VIDEO_SUFFIXES:
            raise OptionError(f"record {self.record}: must end in {', '.join(VIDEO_SUFFIXES)}")


def parse_size_wh(text: str) -> tuple[int, int]:
    """Reads "640x480" as (width, height) in px.

    Raises:
        OptionError: it is written differently.
    """
    width, separator, height = text.lower().partition("x")
    if not (separator and width.isdecimal() and height.isdecimal()):
        raise OptionError(f"size {text!r}: write WIDTHxHEIGHT in px, for example 640x480")
    return int(width), int(height)


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(f"{name} {value!r}: unknown; allowed: {', '.join(allowed)}")
