"""Owns reading videos that are images one after the other: numbered files, and animated WebP, PNG and AVIF."""

import re
import time as clock
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from realtime.errors import SourceError
from realtime.frame import fit_size_wh
from realtime.media.colour import ColourTags
from realtime.media.image_file import DECODERS_RAISE, IMAGE_SUFFIXES, StillImage, read_still, shown_image
from realtime.media.image_memory import ImageLimits
from realtime.media.resize import resize
from realtime.media.video_frame import Cut, VideoFrame, VideoInfo

DEFAULT_RATE = Fraction(25)
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, MemoryError, *DECODERS_RAISE)
_SRGB = ColourTags(matrix=1, primaries=1, transfer=13)
_ANIMATED = {".webp": "WEBP", ".png": "PNG", ".apng": "PNG", ".avif": "AVIF"}
_UNIT = Fraction(1, 1000)
_UNSTATED_MS = 100
"""How long browsers show an image that states no duration."""

_NUMBER = re.compile(r"%0?(\d*)d")


@dataclass(frozen=True)
class ImageSequence:
    """Images in files that are the frames of a video.

    Attributes:
        name: what was asked for: "frames/%05d.png" or a folder.
        files: by their numbers, rising; one that is missing lets the image before stay.
        rate: frames per second.
    """

    name: str
    files: dict[int, Path]
    rate: Fraction

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class _Timed:
    """An image before it is decoded; time and duration in units of the video's time base."""

    load: Callable[[], StillImage]
    time: int
    duration: int


def is_pattern(text: str) -> bool:
    """Whether a name is that of numbered files, such as "frames/%05d.png"."""
    return len(_NUMBER.findall(Path(text).name)) == 1


def stem_of_pattern(pattern: Path) -> str:
    """A name for the whole of numbered files: what stands beside the number, or their folder's name."""
    return _NUMBER.sub("", pattern.stem).strip("_-. ") or pattern.resolve().parent.name or "video"


def numbered(pattern: Path, number: int) -> Path:
    """One of the files that a pattern means."""
    return pattern.with_name(_NUMBER.sub(lambda found: f"{number:0{found[1] or 1}d}", pattern.name))


def numbered_files(pattern: Path) -> dict[int, Path]:
    """The files that are there for a pattern, by their numbers, rising; empty where there is no folder."""
    found = _NUMBER.search(pattern.name)
    if found is None or not pattern.parent.is_dir():
        return {}
    width = int(found[1] or 1)
    before, after = re.escape(pattern.name[: found.start()]), re.escape(pattern.name[found.end() :])
    name = re.compile(rf"{before}(\d{{{width},}}){after}")
    pairs = [(match[1], path) for path in pattern.parent.iterdir() if (match := name.fullmatch(path.name))]
    return {int(digits): path for digits, path in sorted(pairs, key=lambda pair: int(pair[0]))}


def sequence_of_folder(folder: Path, rate: Fraction) -> ImageSequence:
    """The images of a folder in the order of their names, in which numbers count as such."""

    def key(path: Path) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]

    paths = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    return ImageSequence(str(folder), dict(enumerate(sorted(paths, key=key))), rate)


def is_animation(path: Path) -> bool:
    """Whether a file is an animated WebP, PNG or AVIF; False where it cannot be read."""
    if path.suffix.lower() not in _ANIMATED:
        return False
    try:
        with _opened(path) as opened:
            return bool(getattr(opened, "is_animated", False))
    except _DAMAGE:
        return False


class StillReader:
    """Gives images as the frames of a video; `realtime.media.video_reader.VideoReader` has the same methods.

    The first image that can be read decides the size; others are fitted into it, on black.

    Args:
        name: for messages.
        images: all of them.
        count: how many there are.
        rate: frames per second, nominal.
        time_base: seconds of one unit of time.
        max_side_px: larger images are shrunk until their longer side is this.

    Attributes:
        info: what the video is.
        lost: images that could not be decoded, so far.
        damaged: 0: an image that is decoded is whole.

    Raises:
        SourceError: no image can be decoded.
    """

    def __init__(
        self, name: str, images: Iterable[_Timed], count: int, rate: Fraction, time_base: Fraction,
        max_side_px: int | None,
    ) -> None:  # fmt: skip
        self.lost, self.damaged = 0, 0
        self._max_side_px, self._images = max_side_px, iter(images)
        self._first: tuple[_Timed, StillImage] | None = None
        reason = "there is none"
        for timed in self._images:
            try:
                self._first = timed, timed.load().shrunk(max_side_px)
                break
            except SourceError as error:
                self.lost, reason = self.lost + 1, str(error)
        if self._first is None:
            raise SourceError(f"video {name}: holds no image that can be decoded ({reason})")
        timed, image = self._first
        size_wh = (image.pixels.shape[1], image.pixels.shape[0])
        alpha = image.alpha is not None
        self.info = VideoInfo(size_wh, time_base, rate, _SRGB, 8, alpha, frames=count, start=timed.time)

    def frames(self, cut: Cut | None = None, skip: int = 0) -> Iterator[VideoFrame]:
        """See `VideoReader.frames`."""
        begin, end = (self.info.start, None) if cut is None else cut.bounds(self.info)
        waiting: VideoFrame | None = None
        number = 0
        for timed in self._all():
            if timed.time < begin:
                continue
            if end is not None and timed.time >= end:
                break
            number += 1
            frame = self._frame(timed) if number > skip else None
            if waiting is not None and frame is not None:
                yield replace(waiting, duration=frame.time - waiting.time)
            waiting = frame or waiting
        if waiting is not None:
            yield waiting

    @property
    def remarks(self) -> list[str]:
        """See `VideoReader.remarks`."""
        return []

    def close(self) -> None:
        """See `VideoReader.close`."""
        self._images = iter(())

    def _all(self) -> Iterator[_Timed]:
        assert self._first is not None
        timed, image = self._first
        yield replace(timed, load=lambda: image)
        yield from self._images

    def _frame(self, timed: _Timed) -> VideoFrame | None:
        try:
            image = timed.load()
        except SourceError:
            self.lost += 1
            return None
        width, height = self.info.size_wh
        pixels, alpha = _fitted(image.pixels, (width, height)), None
        if self.info.alpha:
            opaque = np.full(image.pixels.shape[:2], 255, np.uint8) if image.alpha is None else image.alpha
            alpha = _fitted(opaque, (width, height))
        return VideoFrame(pixels, timed.time, timed.duration, clock.perf_counter(), alpha)


def open_sequence(sequence: ImageSequence, max_side_px: int | None = None) -> StillReader:
    """Opens images in files; numbers that are missing count as lost.

    Raises:
        SourceError: no image can be decoded.
    """
    numbers = list(sequence.files)
    images = [
        _Timed(lambda path=sequence.files[number]: read_still(path, "frame"), number - numbers[0], 1)  # type: ignore[misc]
        for number in numbers
    ]
    reader = StillReader(sequence.name, images, len(images), sequence.rate, 1 / sequence.rate, max_side_px)
    reader.lost += numbers[-1] - numbers[0] + 1 - len(numbers)
    return reader


def open_animation(path: Path, max_side_px: int | None = None) -> StillReader:
    """Opens an animated image; each of its images is as it is shown, whatever part of it the file holds.

    Raises:
        SourceError: no image can be decoded, or they are too large.
    """
    name = f"image {path}"
    try:
        opened = _opened(path)
    except UnidentifiedImageError as error:
        raise SourceError(f"{name}: is damaged") from error
    except OSError as error:
        raise SourceError(f"{name}: cannot be read ({error.strerror or error})") from error
    ImageLimits().check(name, opened.width, opened.height)
    durations = _durations_ms(path)
    count = len(durations)
    rate = Fraction(1000 * count, max(1, sum(durations))).limit_denominator(1001)
    return StillReader(str(path), _animated(opened, durations), count, rate, _UNIT, max_side_px)


def _opened(path: Path) -> Pillow.Image:
    Pillow.init()  # else it knows only the usual kinds by name
    Pillow.MAX_IMAGE_PIXELS = None  # `ImageLimits` are ours
    return Pillow.open(path, formats=(_ANIMATED[path.suffix.lower()],))


def _durations_ms(path: Path) -> list[int]:
    """How long each image is shown, as far as the file can be read."""
    durations = []
    with _opened(path) as opened:
        for number in range(getattr(opened, "n_frames", 1)):
            try:
                opened.seek(number)
                opened.load()
            except _DAMAGE:
                durations.append(_UNSTATED_MS)
                continue
            durations.append(round(float(opened.info.get("duration") or 0)) or _UNSTATED_MS)
    return durations[_first_shown(opened) :]


def _first_shown(opened: Pillow.Image) -> int:
    """An animated PNG may begin with an image for programs that show no animation."""
    return 1 if opened.info.get("default_image") else 0


def _animated(opened: Pillow.Image, durations: list[int]) -> Iterator[_Timed]:
    time = 0
    for number, duration in enumerate(durations, start=_first_shown(opened)):

        def load(number: int = number) -> StillImage:
            try:
                opened.seek(number)
                return shown_image(opened.copy(), ".png")
            except _DAMAGE as error:
                raise SourceError(f"image {number + 1}: is damaged ({error})") from error

        yield _Timed(load, time, duration)
        time += duration
    opened.close()


def _fitted(image: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """An image, uint8 (H, W, 3) or (H, W), fitted into a size; what is left is 0."""
    inside_wh = fit_size_wh((image.shape[1], image.shape[0]), size_wh)
    fitted = resize(image, inside_wh)
    across, down = size_wh[0] - inside_wh[0], size_wh[1] - inside_wh[1]
    if not (across or down):
        return fitted
    sides = down // 2, down - down // 2, across // 2, across - across // 2
    return np.asarray(cv2.copyMakeBorder(fitted, *sides, cv2.BORDER_CONSTANT), np.uint8)
