"""Stands in for cameras, sources, engines, sinks and displays; makes and reads small clips for tests.

Must not know any test.
"""

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from realtime.controls import Command
from realtime.engines.protocol import EngineInfo
from realtime.errors import EngineError, SourceError
from realtime.frame import Frame, Image
from realtime.sinks.protocol import StylizedFrame
from realtime.sources.protocol import SourceInfo
from realtime.style import Style
from realtime.style_catalogue import Catalogue

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
_TIME_BASE = Fraction(1, 90000)
UNTAGGED = 2
"""FFmpeg's number of an unspecified matrix."""

PATIENCE_S = 20.0
"""How long a fake blocks at most; a test that waits for it has failed long before."""


def solid(colour: tuple[int, int, int], size_wh: tuple[int, int] = (64, 48)) -> Image:
    """One colour everywhere: uint8 (H, W, 3) RGB."""
    return np.full((size_wh[1], size_wh[0], 3), colour, np.uint8)


def noise(size_wh: tuple[int, int] = (64, 48), seed: int = 0) -> Image:
    """An image with soft shapes of all colours: uint8 (H, W, 3) RGB."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)


def make_frame(pixels: Image, index: int = 0, media_time_s: float = 0.0) -> Frame:
    """A frame captured now."""
    return Frame(pixels, index, time.perf_counter(), media_time_s)


def make_stylized(pixels: Image, index: int = 0, media_time_s: float = 0.0) -> StylizedFrame:
    """A frame whose stylized image is itself."""
    return StylizedFrame(make_frame(pixels, index, media_time_s), pixels, pixels)


def make_catalogue(*names: str, identity: float | None = None) -> Catalogue:
    """Styles without files; the one value of a vector is 10 times the style's place.

    Args:
        names: in order.
        identity: the one value of the identity vector; without it styles do not fade by vector.
    """
    identity_vector = None if identity is None else np.array([identity], np.float32)
    vectors = [np.array([10 * place], np.float32) for place in range(len(names))]
    return Catalogue(
        tuple(
            Style(name, "fast", None, None, "", vector, identity_vector)
            for name, vector in zip(names, vectors, strict=True)
        )
    )


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference on the 0..255 scale."""
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())


CaptureStep = Image | threading.Event | Exception | None


class FakeCapture:
    """A scripted `cv2.VideoCapture`.

    Args:
        script: what each `read` does: an image (BGR) is given, None is no image, an
            exception is raised, and an event is waited for before the next step. After
            the last step there is no image any more.
        rate_fps: what the driver says.

    Attributes:
        waits: set while a `read` waits for an event.
        released: how often it was let go.
    """

    def __init__(self, script: Sequence[CaptureStep], rate_fps: float = 30.0) -> None:
        self._script = list(script)
        self._rate_fps = rate_fps
        self.waits = threading.Event()
        self.released = 0

    def read(self) -> tuple[bool, Any]:
        while self._script:
            step = self._script.pop(0)
            if isinstance(step, threading.Event):
                self.waits.set()
                step.wait(PATIENCE_S)
                self.waits.clear()
                continue
            if isinstance(step, Exception):
                raise step
            return step is not None, step
        return False, None

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def get(self, prop: int) -> float:
        return self._rate_fps if prop == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.released += 1


class FakeOpener:
    """Opens scripted captures one after the other; a None among them does not open."""

    def __init__(self, *captures: FakeCapture | None) -> None:
        self._captures = list(captures)
        self.tries = 0

    def __call__(self) -> FakeCapture:
        self.tries += 1
        capture = self._captures.pop(0) if self._captures else None
        if capture is None:
            raise SourceError("fake camera: does not open")
        return capture


class FakeSource:
    """Gives numbered grey frames, whose value is the index modulo 256.

    Args:
        count: how many; None never ends.
        size_wh: width and height in px.
        colour: one colour for all frames instead of numbers.
        interval_s: how long each `read` waits.
        stop_at: the index at which `error` is raised, or, without one, at which `read` hangs.
        error: see `stop_at`.

    Attributes:
        closed: how often it was closed.
        let_go: ends a `read` that hangs.
    """

    def __init__(
        self,
        count: int | None = None,
        size_wh: tuple[int, int] = (16, 12),
        colour: tuple[int, int, int] | None = None,
        interval_s: float = 0.0,
        stop_at: int | None = None,
        error: BaseException | None = None,
    ) -> None:
        self._count, self._colour, self._interval_s = count, colour, interval_s
        self._stop_at, self._error = stop_at, error
        self._index = 0
        self.closed = 0
        self.let_go = threading.Event()
        self.info = SourceInfo("fake source", size_wh, 30.0, can_pause=True)

    def read(self) -> Frame | None:
        if self._interval_s:
            time.sleep(self._interval_s)
        if self._index == self._stop_at:
            if self._error is not None:
                raise self._error
            self.let_go.wait(PATIENCE_S)
        if self.closed or self._index == self._count:
            return None
        grey = self._index % 256
        pixels = solid(self._colour or (grey, grey, grey), self.info.size_wh)
        frame = make_frame(pixels, self._index, self._index / self.info.rate_fps)
        self._index += 1
        return frame

    def close(self) -> None:
        self.closed += 1


class IdentityEngine:
    """Gives back what it gets.

    Attributes:
        batches: size of each batch, and the name of its style.
        strengths: of each batch.
        opened: whether it was not closed.
    """

    def __init__(self) -> None:
        self.info = EngineInfo("identity", "cpu", "fp32")
        self.batches: list[tuple[int, str]] = []
        self.strengths: list[float] = []
        self.opened = True
        self.prepared: list[tuple[int, ...]] = []

    def prepare(self, shape: tuple[int, ...], _: Style) -> float:
        self.prepared.append(shape)
        return 0.0

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self.batches.append((len(images), style.name))
        self.strengths.append(strength)
        return self._stylize(images, style)

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        return images.copy()

    def close(self) -> None:
        self.opened = False


class InvertingEngine(IdentityEngine):
    """Stylizes the negative."""

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        return 255 - images


class VectorEngine(IdentityEngine):
    """Stylizes everything in the value of the style's vector at that strength."""

    def _stylize(self, images: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
        vector = style.vector_at(self.strengths[-1])
        assert vector is not None
        return np.full_like(images, round(float(vector[0])))


class SlowEngine(IdentityEngine):
    """Takes its time for each batch."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        time.sleep(self._seconds)
        return images.copy()


class UnevenEngine(IdentityEngine):
    """Stylizes several batches at once, some faster than those before them.

    Attributes:
        most: the largest number of batches at once.
    """

    def __init__(self, parallel_batches: int, fails_after: int | None = None) -> None:
        super().__init__()
        self.info = EngineInfo("uneven", "cpu", "fp32", parallel_batches=parallel_batches)
        self.most = self._now = 0
        self._fails_after, self._lock = fails_after, threading.Lock()

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            number = len(self.batches)
        time.sleep(0.012 if number % 3 == 0 else 0.003)
        with self._lock:
            self._now -= 1
        if self._fails_after is not None and number > self._fails_after:
            raise EngineError("engine uneven: out of stylize")
        return 255 - images


class FailingEngine(IdentityEngine):
    """Raises after a number of batches."""

    def __init__(self, after: int, error: BaseException) -> None:
        super().__init__()
        self._after, self._error = after, error

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        if len(self.batches) > self._after:
            raise self._error
        return images.copy()


class HalvingEngine(IdentityEngine):
    """Breaks the promise that the output has the size of the input."""

    def _stylize(self, images: NDArray[np.uint8], _: Style) -> NDArray[np.uint8]:
        return images[:, ::2, ::2].copy()


class CollectingSink:
    """Keeps every frame.

    Attributes:
        frames: what was written.
        ended: "closed" or "abandoned", once for each call.
    """

    def __init__(self) -> None:
        self.frames: list[StylizedFrame] = []
        self.ended: list[str] = []

    @property
    def indices(self) -> list[int]:
        return [stylized.frame.index for stylized in self.frames]

    def write(self, stylized: StylizedFrame) -> None:
        self.frames.append(stylized)

    def close(self) -> str:
        self.ended.append("closed")
        return ""

    def abandon(self) -> str:
        self.ended.append("abandoned")
        return ""


class FailingSink(CollectingSink):
    """Raises once: after so many frames, or, without a number, when it is closed."""

    def __init__(self, error: BaseException, after: int | None = None) -> None:
        super().__init__()
        self._error, self._after = error, after

    def write(self, stylized: StylizedFrame) -> None:
        if len(self.frames) == self._after:
            self._after = -1
            if not isinstance(self._error, KeyboardInterrupt):
                raise self._error
            signal.raise_signal(signal.SIGINT)
        super().write(stylized)

    def close(self) -> str:
        super().close()
        if self._after is None:
            raise self._error
        return ""


class FakeDisplay(CollectingSink):
    """A display whose person follows a script.

    Args:
        script: commands by the number of frames that must have been shown before; an
            exception is raised instead, and KeyboardInterrupt is a real Ctrl-C.

    Attributes:
        full_screen: how often that was asked for.
    """

    def __init__(self, script: Mapping[int, Sequence[Command] | BaseException]) -> None:
        super().__init__()
        self._script = dict(script)
        self.full_screen = 0

    def commands(self) -> list[Command]:
        due = [count for count in self._script if count <= len(self.frames)]
        asked: list[Command] = []
        for count in sorted(due):
            step = self._script.pop(count)
            if isinstance(step, KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            elif isinstance(step, BaseException):
                raise step
            else:
                asked.extend(step)
        return asked

    def toggle_full_screen(self) -> None:
        self.full_screen += 1


@dataclass(frozen=True)
class ClipFormat:
    """How `write_clip` encodes.

    Attributes:
        rate_fps: nominal, and the times of the frames where none are given.
        times_s: a time for each frame.
        matrix: the one that is used.
        color_range: the one that is used.
        tag: the matrix that the file states; None is the one that is used, `UNTAGGED` is no word about it.
    """

    rate_fps: int = 10
    times_s: tuple[float, ...] | None = None
    matrix: Colorspace = Colorspace.ITU601
    color_range: ColorRange = ColorRange.MPEG
    tag: int | None = None


def write_clip(path: Path, images: Sequence[Image], clip_format: ClipFormat | None = None) -> Path:
    """Encodes H.264 in 4:2:0, nearly lossless, from uint8 (H, W, 3) RGB."""
    chosen = clip_format or ClipFormat()
    times_s = chosen.times_s or tuple(i / chosen.rate_fps for i in range(len(images)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=chosen.rate_fps)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "4"}
        context = stream.codec_context
        context.time_base = _TIME_BASE
        context.colorspace, context.color_range = chosen.tag or chosen.matrix, chosen.color_range
        for pixels, time_s in zip(images, times_s, strict=True):
            image = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=chosen.matrix, dst_color_range=chosen.color_range
            )
            image.pts, image.time_base = round(time_s / _TIME_BASE), _TIME_BASE
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


@dataclass(frozen=True)
class DecodedClip:
    """What a player finds in a file: images uint8 (H, W, 3) RGB, times in s, and the codec's name."""

    images: list[Image]
    times_s: list[float]
    codec: str
    size_wh: tuple[int, int]


def read_clip(path: Path) -> DecodedClip:
    """Decodes a whole file by the matrix and range that it states."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        images = [
            np.asarray(
                frame.reformat(
                    format="rgb24", src_colorspace=frame.colorspace, dst_color_range=ColorRange.JPEG
                ).to_ndarray(),
                np.uint8,
            )
            for frame in frames
        ]
        times_s = [float(frame.time or 0.0) for frame in frames]
        return DecodedClip(images, times_s, stream.codec_context.name, (stream.width, stream.height))
