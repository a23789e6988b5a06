"""Owns which file becomes which: folders with their structure, one result for each style, nothing overwritten."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from realtime.errors import OptionError, SourceError
from realtime.media.codecs import PIPE_FORMATS, READABLE_SUFFIXES, VIDEO_SUFFIXES
from realtime.media.image_file import IMAGE_SUFFIXES, WRITABLE_SUFFIXES
from realtime.media.still_reader import (
    DEFAULT_RATE,
    ImageSequence,
    is_animation,
    is_pattern,
    numbered_files,
    sequence_of_folder,
    stem_of_pattern,
)
from realtime.media.video_container import holds_video

STANDARD = "-"


@dataclass(frozen=True)
class VideoForm:
    """How inputs and outputs that do not say it themselves are meant.

    Attributes:
        fps: a folder is the frames of one video, of so many a second; None is a folder of images and videos.
        pipe_format: standard input and output are videos, and output is of this kind; "" is images.
    """

    fps: Fraction | None = None
    pipe_format: str = ""


@dataclass(frozen=True)
class FileTask:
    """One input and what it becomes.

    Attributes:
        source: a file, a folder or a pattern; None is standard input.
        targets: a file for each style, in their order; empty is standard output.
        is_video: whether it is treated as a video, and not as an image.
        sequence: the images of a video that is many files.
    """

    source: Path | None
    targets: tuple[Path, ...]
    is_video: bool
    sequence: ImageSequence | None = None


class FoundInput(NamedTuple):
    """One input, and where it lies in the output's folder."""

    source: Path | None
    place: Path
    is_video: bool
    sequence: ImageSequence | None = None


def find_tasks(
    inputs: Sequence[str],
    output: str,
    styles: Sequence[str],
    overwrite: bool,
    note: Callable[[str], None] | None = None,
    form: VideoForm = VideoForm(),
) -> list[FileTask]:
    """Pairs inputs with outputs.

    One file becomes the output itself, if that is no folder. Several inputs, or a folder, become files
    in the output as a folder; what lies in a folder keeps its place and name. With several
    styles the style's name is put before the suffix.

    Args:
        inputs: files, folders, patterns of numbered images, or "-" for standard input.
        output: a file, a folder, a pattern of numbered images, or "-" for standard output.
        styles: their names.
        overwrite: whether files that are there may be replaced.
        note: takes lines for people: which names were made different.
        form: what is meant by folders and by "-".

    Raises:
        SourceError: an input is missing or cannot be read, or a folder holds nothing to stylize.
        OptionError: an output is there already, two would be one file, or its kind cannot be written.
    """
    if STANDARD in (*inputs, output):
        return [_standard_task(inputs, output, styles, overwrite, form)]
    found = [one for text in inputs for one in inputs_of(text, output, form)]
    if form.fps is not None and not any(one.sequence for one in found):
        raise OptionError("fps: is of numbered images and of a folder of images; leave it out")
    into_folder = output.endswith(("/", os.sep)) or Path(output).is_dir()
    single = len(inputs) == 1 and (form.fps is not None or not Path(inputs[0]).is_dir()) and not into_folder
    if not single and not into_folder and Path(output).suffix.lower() in WRITABLE_SUFFIXES + VIDEO_SUFFIXES:
        frames = "; with --fps a folder becomes a video" if len(inputs) == 1 else ""
        raise OptionError(
            f"output {output}: several files become a folder; write {output}/ if it is to be called so{frames}"
        )
    names = [] if single else _folder_names(found, note)
    tasks = []
    for number, one in enumerate(found):
        target = Path(output) if single else Path(output) / names[number]
        check_suffix(target, one.is_video)
        tasks.append(FileTask(one.source, for_styles(target, styles), one.is_video, one.sequence))
    _check_targets(tasks, overwrite)
    return tasks


def _folder_names(found: Sequence[FoundInput], note: Callable[[str], None] | None) -> list[Path]:
    """Where each input goes in the output's folder; where two would be one, those that change their kind keep its name.

    So `IMG_1.HEIC` beside `IMG_1.JPG` becomes `IMG_1.HEIC.jpg`.
    """
    names = [name_in_folder(one) for one in found]
    times = Counter(names)
    changed: list[tuple[Path, Path]] = []
    for number, (one, name) in enumerate(zip(found, names, strict=True)):
        if times[name] > 1 and one.sequence is None and one.place.suffix != name.suffix:
            names[number] = one.place.with_name(f"{one.place.name}{name.suffix}")
            changed.append((one.place, names[number]))
    if changed and note is not None:
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        note(f"{changed[0][0]} becomes {changed[0][1]}{others}: another input has the name without its ending")
    return names


def _standard_task(
    inputs: Sequence[str], output: str, styles: Sequence[str], overwrite: bool, form: VideoForm
) -> FileTask:
    if len(inputs) != 1:
        raise OptionError(f"input {STANDARD}: standard input or output goes with one file, got {len(inputs)} inputs")
    found = [FoundInput(None, Path(), False)] if inputs[0] == STANDARD else inputs_of(inputs[0], output, form)
    if len(found) != 1:
        raise OptionError(f"output {STANDARD}: standard output takes one file; {inputs[0]} holds {len(found)}")
    one = found[0]
    if output != STANDARD:
        is_video = bool(form.pipe_format) or is_pattern(output) or Path(output).suffix.lower() in VIDEO_SUFFIXES
        check_suffix(Path(output), is_video)
        task = FileTask(None, for_styles(Path(output), styles), is_video)
        _check_targets([task], overwrite)
        return task
    if len(styles) != 1:
        raise OptionError(f"output {STANDARD}: standard output takes one style, got {len(styles)}")
    if one.is_video and not form.pipe_format:
        kinds = ", ".join(PIPE_FORMATS)
        raise OptionError(f"output {STANDARD}: for a video on standard output give --format, one of {kinds}")
    return FileTask(one.source, (), one.is_video or (one.source is None and bool(form.pipe_format)), one.sequence)


def inputs_of(text: str, output: str, form: VideoForm) -> list[FoundInput]:
    """What an input is: a file, a video of many images, or all that is in a folder."""
    path = Path(text)
    if is_pattern(text) and not path.exists():
        files = numbered_files(path)
        if not files:
            raise SourceError(f"input {text}: there is no file of such a name with a number")
        rate = DEFAULT_RATE if form.fps is None else form.fps
        return [FoundInput(path, Path(stem_of_pattern(path)), True, ImageSequence(text, files, rate))]
    if form.fps is not None and path.is_dir():
        sequence = sequence_of_folder(path, form.fps)
        if not sequence.files:
            raise SourceError(f"input {path}: the folder holds no image; leave --fps out to stylize the folders in it")
        return [FoundInput(path, Path(path.resolve().name), True, sequence)]
    return [FoundInput(file, place, _is_video(file)) for file, place in _files_of(path, Path(output))]


def _is_video(file: Path) -> bool:
    return file.suffix.lower() not in IMAGE_SUFFIXES or is_animation(file)


def name_in_folder(one: FoundInput) -> Path:
    """The file that an input becomes, relative to the output's folder."""
    if one.sequence is not None:
        return Path(f"{one.place}.mp4")
    return one.place.with_suffix(_writable_suffix(one.place.suffix.lower(), one.is_video))


def _files_of(path: Path, output: Path) -> list[tuple[Path, Path]]:
    """The files of an input, and where each lies in the output's folder."""
    if path.is_dir():
        found = sorted(files_below(path, output))
        if not found:
            raise SourceError(f"input {path}: the folder holds no image and no video")
        return [(file, file.relative_to(path)) for file in found]
    if not path.exists():
        raise SourceError(f"input {path}: no such file")
    if not path.is_file():
        raise SourceError(f"input {path}: is neither a file nor a folder")
    if not os.access(path, os.R_OK):
        raise SourceError(f"input {path}: may not be read; change its permissions")
    if path.suffix.lower() not in IMAGE_SUFFIXES + READABLE_SUFFIXES and not holds_video(path):
        raise SourceError(f"input {path}: is neither an image nor a video")
    return [(path, Path(path.name))]


def files_below(folder: Path, output: Path) -> Iterator[Path]:
    """Images and videos below a folder; hidden ones and those in the output are left out."""

    def fail(error: OSError) -> None:
        raise SourceError(f"input {error.filename}: cannot be read ({error.strerror})")

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [n for n in folders if not n.startswith(".") and (Path(parent) / n).resolve() != output.resolve()]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES + READABLE_SUFFIXES:
                yield Path(parent) / name


def _writable_suffix(suffix: str, is_video: bool) -> str:
    """The suffix of a result in a folder: the input's own, if such files can be written."""
    if is_video:
        return suffix if suffix in VIDEO_SUFFIXES else ".mp4"
    return suffix if suffix in WRITABLE_SUFFIXES else ".jpg"


def check_suffix(target: Path, is_video: bool) -> None:
    """Raises OptionError where files of that kind cannot be written."""
    in_images = is_video and is_pattern(target.name)
    allowed = VIDEO_SUFFIXES if is_video and not in_images else WRITABLE_SUFFIXES
    if target.suffix.lower() not in allowed:
        kind = "a video" if is_video and not in_images else "an image"
        error = OptionError(f"output {target}: {kind} must end in {', '.join(allowed)}; for a folder write {target}/")
        error.exit_status = 2
        raise error


def for_styles(target: Path, styles: Sequence[str]) -> tuple[Path, ...]:
    """The file for each style: with several, its name is put before the suffix."""
    if len(styles) == 1:
        return (target,)
    names = [style.replace(":", "_") for style in styles]
    return tuple(target.with_name(f"{target.stem}_{name}{target.suffix}") for name in names)


def _check_targets(tasks: Sequence[FileTask], overwrite: bool) -> None:
    seen: dict[Path, Path | None] = {}
    sources = {_identity(task.source): task.source for task in tasks if task.source and task.source.exists()}
    for task in tasks:
        for target in task.targets:
            source = sources.get(_identity(target)) if target.exists() else None
            if source is not None:
                which = "the input itself" if source == task.source else f"the input {source}"
                raise OptionError(f"output {target}: is {which}; choose another name")
            if task.is_video and is_pattern(target.name):
                _check_numbered(target, task.sequence, overwrite)
            if target.is_dir():
                raise OptionError(f"output {target}: is a folder; choose another name")
            if target.exists() and not target.is_file():
                raise OptionError(f"output {target}: is a device and not a file; choose another name")
            if target.exists() and not overwrite:
                raise OptionError(f"output {target}: is there already; use --overwrite, or choose another name")
            if target in seen:
                raise OptionError(f"output {target}: two inputs would become it, {seen[target]} and {task.source}")
            seen[target] = task.source


def _check_numbered(pattern: Path, source: ImageSequence | None, overwrite: bool) -> None:
    there = {path.resolve() for path in numbered_files(pattern).values()}
    if source is not None and there & {path.resolve() for path in source.files.values()}:
        raise OptionError(f"output {pattern}: are the images of the input itself; choose another name")
    if there and not overwrite:
        raise OptionError(
            f"output {pattern}: {len(there)} such images are there already; use --overwrite, or choose another name"
        )


def _identity(path: Path) -> tuple[int, int]:
    """The same for all names of a file."""
    status = path.stat()
    return status.st_dev, status.st_ino
