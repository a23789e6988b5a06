"""The options of the live loop and of runs over files: their defaults, and what is allowed."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from realtime.errors import OptionError
from realtime.show_options import ShowOptions

EngineName = Literal["auto", "torch", "torchscript", "onnx", "openvino"]
NetworkName = Literal["auto", "fast", "fine"]
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
ProviderName = Literal["auto", "cuda", "tensorrt"]
SinkName = Literal["window", "web", "virtual", "null"]
CodecName = Literal["h264", "hevc", "av1", "vp9", "prores", "ffv1", "gif", "h264_nvenc", "hevc_nvenc", "av1_nvenc"]

PIPE_FORMAT_NAMES = ("mp4", "mov", "mkv", "webm", "gif")
ENGINE_NAMES: tuple[EngineName, ...] = get_args(EngineName)
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
PROVIDERS: tuple[ProviderName, ...] = get_args(ProviderName)
CODEC_NAMES: tuple[CodecName, ...] = get_args(CodecName)
SINK_NAMES: tuple[SinkName, ...] = get_args(SinkName)
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".gif")
MAX_SIDE_PX = 16384
PARALLEL_BATCHES = 2
"""What loops ask of an engine: enough that no core waits for another that decodes or shows."""


@dataclass(frozen=True)
class EngineOptions:
    """What runs the networks.

    Attributes:
        engine: "auto" chooses and says what.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: number format of weights and features.
        batch_size: frames stylized together; None is what is fastest, and fewer where a GPU's memory is too small
            for it or for a whole image, which is said.
        max_wait_ms: how long an incomplete batch waits for its next frame.
        refresh: with "auto", measure again what is fastest.
        provider: what ONNX Runtime runs on a GPU with; "auto" is CUDA.
        trust: run a TorchScript file that this project did not write.
        parallel_batches: how many the caller will ask for at once; an engine that can do it takes
            longer for each, and less for all.
    """

    engine: EngineName = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    batch_size: int | None = None
    max_wait_ms: float = 50.0
    refresh: bool = False
    provider: ProviderName = "auto"
    trust: bool = False
    parallel_batches: int = 1

    def __post_init__(self) -> None:
        _check_choice("engine", self.engine, ENGINE_NAMES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("provider", self.provider, PROVIDERS)
        if self.provider != "auto" and self.engine not in ("auto", "onnx"):
            raise OptionError(f"provider {self.provider}: only with --engine onnx, got --engine {self.engine}")
        kind, _, number = self.device.partition(":")
        if kind not in ("auto", "cpu", "cuda", "mps") or (
            ":" in self.device and not (kind == "cuda" and number.isdecimal())
        ):
            raise OptionError(f"device {self.device!r}: unknown; allowed: auto, cpu, cuda, cuda:N, mps")
        _check_range("batch-size", self.batch_size, (1, 256))


@dataclass(frozen=True)
class LookOptions:
    """What the image looks like at the start; keys change it later.

    Attributes:
        style: a name of the catalogue, a blend of names, or the path of a weights file.
        strength: 0 is the camera's image, 1 the stylized image.
        keep_colors: stylize with the colours of the camera's image.
        smoothing: 0 is off; up to 1 the last image stays longer where the input did not change.
    """

    style: str = "candy"
    strength: float = 1.0
    keep_colors: bool = False
    smoothing: float = 0.5

    def __post_init__(self) -> None:
        _check_range("strength", self.strength, (0, 1))
        _check_range("smoothing", self.smoothing, (0, 1))


@dataclass(frozen=True)
class WebOptions:
    """Where the web page is served.

    Attributes:
        host: address to listen on; anything but this machine's own loopback needs the token that is printed.
        port: 0 is any that is free.
        tls_cert: certificate as a PEM file, for HTTPS: browsers give no camera to pages without, but on this machine.
        tls_key: its key.
        open_stage: every visitor may change what all see, and not only this machine and who has the operator's token.
        look_is_given: the user said how the show looks; pages of an earlier run then do not set it to what it was.
    """

    host: str = "127.0.0.1"
    port: int = 8350
    tls_cert: Path | None = None
    tls_key: Path | None = None
    open_stage: bool = False
    look_is_given: bool = False

    def __post_init__(self) -> None:
        _check_range("port", self.port, (0, 65535))
        if (self.tls_cert is None) != (self.tls_key is None):
            raise OptionError("tls-cert and tls-key: give both or none")
        for name, path in (("tls-cert", self.tls_cert), ("tls-key", self.tls_key)):
            if path is not None and not path.is_file():
                raise OptionError(f"{name} {path}: no such file; give a PEM file")


@dataclass(frozen=True)
class RunOptions:
    """One live run.

    Attributes:
        source: camera number, path or part of its name, URL, video file, "sample" or "pattern"; None is
            camera 0, or the sample clip where there is no camera.
        size_wh: frames are stylized inside this (width, height); None keeps a video's own size.
        unpaced: read a file as fast as the engine takes it, and drop nothing.
        sinks: where frames leave; empty chooses the window, or the web page without a display.
        record: also write the stylized frames to this video file.
        max_frames: stop after so many stylized frames.
        stats: write statistics to this JSON file at the end.
        overwrite: replace a recording or statistics that are there.
        look: style and strength at the start.
        network: which of the shipped networks; "auto" is fine where it holds the source's rate.
        engine: what runs the networks.
        web: where the page is served.
        show: what happens by itself.
    """

    source: str | None = None
    size_wh: tuple[int, int] | None = None
    unpaced: bool = False
    sinks: tuple[SinkName, ...] = ()
    record: Path | None = None
    max_frames: int | None = None
    stats: Path | None = None
    overwrite: bool = False
    look: LookOptions = field(default_factory=LookOptions)
    network: NetworkName = "auto"
    engine: EngineOptions = field(default_factory=EngineOptions)
    web: WebOptions = field(default_factory=WebOptions)
    show: ShowOptions = field(default_factory=ShowOptions)

    def __post_init__(self) -> None:
        _check_choice("network", self.network, NETWORKS)
        _check_trust(self.engine, self.look.style)
        for sink in self.sinks:
            _check_choice("sink", sink, SINK_NAMES)
        if self.size_wh is not None and not all(1 <= side <= MAX_SIDE_PX for side in self.size_wh):
            raise OptionError(f"size {self.size_wh[0]}x{self.size_wh[1]}: each side must be 1 to {MAX_SIDE_PX} px")
        if self.max_frames is not None and self.max_frames < 1:
            raise OptionError(f"max-frames {self.max_frames}: must be at least 1")
        if self.record is not None and self.record.suffix.lower() not in VIDEO_SUFFIXES:
            raise OptionError(f"record {self.record}: must end in {', '.join(VIDEO_SUFFIXES)}")


@dataclass(frozen=True)
class FileOptions:
    """One run over files.

    Attributes:
        inputs: files, folders, or "-" for standard input.
        output: a file, a folder, or "-" for standard output.
        styles: names and blends with commas between, or "all".
        look: strength and colours; its style counts for nothing.
        smoothing: 0..1 for all; None is 0 for images and the live default for videos.
        fps: frames per second of numbered images, and a folder of images is one video; None is a folder of files.
        pipe_format: standard input and output are videos, and output is of this kind; "" is images.
        codec: of videos; None is the usual one of the container.
        start_s: first moment of videos that is wanted.
        end_s: the moment after the last; None is their end.
        max_side_px: larger images and videos are shrunk to it.
        stroke: how large strokes are, 0.5 to 4; in images relative to the image, in videos in pixels.
        tile_px: side of the parts in which images are stylized; None is in one.
        sheet: one contact sheet of all styles for each image.
        replay: the input is a recorded show, whose looks decide.
        resume: keep unfinished videos, and go on with those of an earlier run.
        overwrite: replace files that are there.
        watch: the input is a folder, and what appears in it is stylized until the run is interrupted.
        report: write a JSON file of figures beside the result of each input.
        stats: write statistics of videos to this JSON file at the end.
        network: which of the shipped networks; "auto" is fine.
        engine: what runs the networks.
    """

    inputs: tuple[str, ...]
    output: str
    styles: str = LookOptions.style
    look: LookOptions = field(default_factory=LookOptions)
    smoothing: float | None = None
    fps: Fraction | None = None
    pipe_format: str = ""
    codec: CodecName | None = None
    start_s: float = 0.0
    end_s: float | None = None
    max_side_px: int | None = None
    stroke: float = 1.0
    tile_px: int | None = None
    sheet: bool = False
    replay: bool = False
    resume: bool = False
    overwrite: bool = False
    watch: bool = False
    report: bool = False
    stats: Path | None = None
    network: NetworkName = "auto"
    engine: EngineOptions = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        _check_choice("network", self.network, NETWORKS)
        _check_trust(self.engine, self.styles)
        if self.watch and (len(self.inputs) != 1 or "-" in (self.inputs[0], self.output)):
            raise OptionError(f"watch: takes one folder and an output folder, got {', '.join(self.inputs)}")
        if self.watch and (self.stats is not None or self.fps is not None):
            raise OptionError("watch: goes neither with --stats nor with --fps; --report writes figures of each file")
        _check_range("smoothing", self.smoothing, (0, 1))
        if self.pipe_format and "-" not in (*self.inputs, self.output):
            raise OptionError("format: is of standard input and output; write - for one of them, or leave it out")
        _check_range("fps", None if self.fps is None else float(self.fps), (0.001, 1000))
        if self.start_s < 0 or (self.end_s is not None and self.end_s <= self.start_s):
            raise OptionError(f"start {self.start_s} s, end {self.end_s} s: the end must be later than the start")
        _check_range("max-side", self.max_side_px, (16, MAX_SIDE_PX), " px")
        _check_range("stroke", self.stroke, (0.5, 4))
        _check_range("tile", self.tile_px, (128, MAX_SIDE_PX), " px")


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(f"{name} {value!r}: unknown; allowed: {', '.join(allowed)}")


def _check_trust(engine: EngineOptions, styles: str) -> None:
    if engine.trust and not styles.lower().endswith(".pt"):
        raise OptionError(f"trust: is for a TorchScript file as --style, got {styles}; leave --trust out")


def _check_range(name: str, value: float | None, allowed: tuple[float, float], unit: str = "") -> None:
    """Checks a number; None is a value that was left out."""
    if value is not None and not allowed[0] <= value <= allowed[1]:
        raise OptionError(f"{name} {value}: must be {allowed[0]} to {allowed[1]}{unit}")
