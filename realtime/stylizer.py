"""Owns the Python interface: `Stylizer` turns NumPy images, batches of them and video files into stylized ones."""

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.engines import TYPICAL_SIZE_WH, Engine, EngineInfo, open_engine
from realtime.errors import FrameError, OptionError
from realtime.flow import EngineStage
from realtime.frame import Image, check_image
from realtime.look import Look
from realtime.media.codecs import find_encoder
from realtime.options import (
    PARALLEL_BATCHES,
    CodecName,
    EngineName,
    EngineOptions,
    FileOptions,
    LookOptions,
    NetworkName,
    Precision,
)
from realtime.output_names import held_names
from realtime.postprocess import Finisher
from realtime.stroke_size import StrokeEngine
from realtime.style_catalogue import bound_note, find_style, open_styles
from realtime.videos.outputs import find_tasks
from realtime.videos.stylize_video import VideoJob, VideoReport, make_videos


class Stylizer:
    """Stylizes images and videos as `stylize.py` does, with one engine that stays open.

    Use it in a `with` statement, or call `close`. Any thread may call it: images of several threads are
    stylized one call after the other, and videos beside them.

    Args:
        style: a name of `styles`; a blend such as "candy:0.6+udnie:0.4"; or the path of a `.safetensors`,
            `.pth` or `.onnx` file.
        strength: 0 gives back the image, 1 is the style.
        keep_colors: keep the colours of the original.
        smoothing: 0..1, against flicker in videos; images have none.
        stroke: 0.5..4, how large strokes are. Those of images above one megapixel grow with the image.
        network: size of the network; "auto" is fine where it is there.
        engine: what runs it; "auto" measures once what is fastest on this machine, and remembers it.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "fp32", "fp16", "bf16" or "int8", as far as the engine has it.
        report: takes lines for people, such as what "auto" chose and why; `print` will do. None keeps silent.

    Raises:
        StyleError: there is no such style, or it cannot be used.
        OptionError: another option has a value that is not allowed.
        EngineError: the engine, device or precision cannot be had.
        MissingPackageError: what the engine needs is not installed.
    """

    def __init__(  # noqa: PLR0913 - the options of the command line, by their names
        self,
        style: str = LookOptions.style,
        *,
        strength: float = LookOptions.strength,
        keep_colors: bool = LookOptions.keep_colors,
        smoothing: float = LookOptions.smoothing,
        stroke: float = FileOptions.stroke,
        network: NetworkName = FileOptions.network,
        engine: EngineName = EngineOptions.engine,
        device: str = EngineOptions.device,
        precision: Precision = EngineOptions.precision,
        report: Callable[[str], None] | None = None,
    ) -> None:
        look = LookOptions(style, strength, keep_colors, smoothing)
        wanted = EngineOptions(engine, device, precision)
        self._options = FileOptions((), "", look=look, stroke=stroke, network=network, engine=wanted)
        self._report = report or (lambda _: None)
        self._catalogue, self._place = open_styles(style, network)
        if network == "auto" and (line := bound_note(style)):
            self._report(line)
        self._engine = self._open_engine(parallel_batches=1)
        name = self._catalogue.styles[self._place].name
        self._catalogue = self._catalogue.runnable_by(self._engine.info.engine, name)
        self._place = self._catalogue.index_of(name)
        self._images = EngineStage[None](StrokeEngine(self._engine, stroke), report=self._report, prepares=False)
        self._one_call = threading.Lock()

    def __enter__(self) -> "Stylizer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def info(self) -> EngineInfo:
        """Which engine, device and precision images are really stylized with."""
        return self._engine.info

    @property
    def styles(self) -> tuple[str, ...]:
        """The names of the styles that can be switched between."""
        return self._catalogue.names

    def __call__(self, image: Image, style: str | None = None) -> Image:
        """Stylizes one image.

        Args:
            image: uint8 (H, W, 3), RGB, 0..255.
            style: another of `styles`, or a blend of them; they are all loaded, so a switch costs nothing.

        Returns:
            uint8 (H, W, 3), RGB, 0..255; a new array.

        Raises:
            FrameError: the image has another dtype or shape.
            StyleError: there is no such style.
            EngineError: the engine failed, needs too much memory, took too long, or is closed.
        """
        check_image(image)
        return np.asarray(self.batch(image[None], style)[0])

    def batch(self, images: NDArray[np.uint8], style: str | None = None) -> NDArray[np.uint8]:
        """Stylizes images of one size together.

        Args:
            images: uint8 (N, H, W, 3), RGB, 0..255.
            style: as of a call.

        Returns:
            uint8 (N, H, W, 3), RGB, 0..255; a new array.

        Raises:
            FrameError: the images have another dtype or shape.
            StyleError: there is no such style.
            EngineError: the engine failed, needs too much memory, took too long, or is closed.
        """
        if not isinstance(images, np.ndarray) or images.ndim != 4 or len(images) == 0:
            got = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
            raise FrameError(f"images: got {got}, expected a NumPy array uint8 (N, H, W, 3); np.stack makes one")
        check_image(images[0])
        images = np.require(images, requirements=["C", "W"])  # PyTorch takes no read-only array, and no reversed view
        look = self._look(style)
        with self._one_call:
            stylized = self._images.stylize(images, look.style, look.strength)
        return np.stack([Finisher().finish(*pair, look) for pair in zip(stylized, images, strict=True)])

    def video(
        self,
        source: str | Path,
        target: str | Path,
        *,
        codec: CodecName | None = None,
        overwrite: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> VideoReport:
        """Stylizes a video file, with its sound, subtitles and exact times; no frame is dropped.

        It opens an engine of its own for the time, which stylizes several frames at once where that is faster.

        Args:
            source: the video.
            target: the file to write; it appears when it is whole. Its suffix chooses the container.
            codec: None is the usual one of the container.
            overwrite: whether a file that is there may be replaced.
            progress: takes the frames done and how many there will be; 0 of them is unknown.

        Returns:
            What came of it: frames, speed, and the frames of a damaged video that were lost.

        Raises:
            SourceError: the video is missing, or cannot be read.
            OptionError: the target is there already, or is no kind of video that can be written.
            SinkError: the target cannot be written.
            EngineError: the engine failed, needs too much memory, or took too long.
            OSError: the target's folder cannot be made.
        """
        tasks = find_tasks([str(source)], str(target), [self._options.look.style], overwrite)
        if len(tasks) != 1 or tasks[0].source is None or not tasks[0].is_video:
            raise OptionError(f"source {source}: must be one video file; images are stylized by calling the stylizer")
        targets = tasks[0].targets
        encoder = find_encoder(codec, targets[0].suffix.lower())
        job = VideoJob(tasks[0].source, (self._look(None),), targets, encoder, overwrite=overwrite)
        targets[0].parent.mkdir(parents=True, exist_ok=True)
        with held_names(targets, overwrite), closing(self._open_engine(PARALLEL_BATCHES)) as engine:
            stroke = self._options.stroke
            sized = engine if stroke == 1.0 else StrokeEngine(engine, stroke, None)
            return make_videos(job, sized, self._report, progress or (lambda *_: None))

    def close(self) -> None:
        """Frees what the engine holds, after the calls that are under way."""
        with self._one_call:
            self._images.abort()
            self._engine.close()

    def _open_engine(self, parallel_batches: int) -> Engine:
        wanted = replace(self._options.engine, parallel_batches=parallel_batches)
        return open_engine(self._catalogue, wanted, self._place, TYPICAL_SIZE_WH, self._report)

    def _look(self, style: str | None) -> Look:
        chosen, look = self._catalogue.styles[self._place], self._options.look
        if style is not None:
            chosen = find_style(style, self._catalogue)
        return Look(chosen, look.strength, look.keep_colors, look.smoothing)
