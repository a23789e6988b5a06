"""Owns which file becomes which: folders with their structure, one result for each style, nothing overwritten."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import OptionError, SourceError
from realtime.media.codecs import READABLE_SUFFIXES, VIDEO_SUFFIXES
from realtime.media.image_file import IMAGE_SUFFIXES, WRITABLE_SUFFIXES

STANDARD = "-"


@dataclass(frozen=True)
class FileTask:
    """One input and what it becomes.

    Attributes:
        source: a file; None is standard input.
        targets: a file for each style, in their order; empty is standard output.
        is_video: whether it is treated as a video, and not as an image.
    """

    source: Path | None
    targets: tuple[Path, ...]
    is_video: bool


def find_tasks(
    inputs: Sequence[str],
    output: str,
    styles: Sequence[str],
    overwrite: bool,
    note: Callable[[str], None] | None = None,
) -> list[FileTask]:
    """Pairs inputs with outputs.

    One file becomes the output itself, if that is no folder. Several inputs, or a folder, become files
    in the output as a folder; what lies in a folder keeps its place and name. With several
    styles the style's name is put before the suffix.

    Args:
        inputs: files, folders, or "-" for standard input.
        output: a file, a folder, or "-" for standard output.
        styles: their names.
        overwrite: whether files that are there may be replaced.
        note: takes lines for people: which names were made different.

    Raises:
        SourceError: an input is missing or cannot be read, or a folder holds nothing to stylize.
        OptionError: an output is there already, two would be one file, or its kind cannot be written.
    """
    if STANDARD in (*inputs, output):
        return [_standard_task(inputs, output, styles, overwrite)]
    files = [found for text in inputs for found in _files_of(Path(text), Path(output))]
    into_folder = output.endswith(("/", os.sep)) or Path(output).is_dir()
    single = len(inputs) == 1 and not Path(inputs[0]).is_dir() and not into_folder
    if not single and not into_folder and Path(output).suffix.lower() in WRITABLE_SUFFIXES + VIDEO_SUFFIXES:
        raise OptionError(f"output {output}: several files become a folder; write {output}/ if it is to be called so")
    names = {} if single else _folder_names(files, note)
    tasks = []
    for source, place in files:
        is_video = _is_video(source)
        target = Path(output) if single else Path(output) / names[source, place]
        _check_suffix(target, is_video)
        tasks.append(FileTask(source, _for_styles(target, styles), is_video))
    _check_targets(tasks, overwrite)
    return tasks


def _is_video(source: Path) -> bool:
    return source.suffix.lower() not in IMAGE_SUFFIXES


def _folder_names(
    files: Sequence[tuple[Path, Path]], note: Callable[[str], None] | None
) -> dict[tuple[Path, Path], Path]:
    """Where each file goes in the output's folder; where two would be one, those that change their kind keep its name.

    So `IMG_1.HEIC` beside `IMG_1.JPG` becomes `IMG_1.HEIC.jpg`.
    """
    names = {file: file[1].with_suffix(_writable_suffix(file[0].suffix.lower(), _is_video(file[0]))) for file in files}
    found = Counter(names.values())
    changed = {
        (source, place): place.with_name(f"{place.name}{name.suffix}")
        for (source, place), name in names.items()
        if found[name] > 1 and place.suffix != name.suffix
    }
    if changed and note is not None:
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        (_, place), name = next(iter(changed.items()))
        note(f"{place} becomes {name}{others}: another input has the name without its ending")
    return names | changed


def _standard_task(inputs: Sequence[str], output: str, styles: Sequence[str], overwrite: bool) -> FileTask:
    if len(inputs) != 1:
        raise OptionError(f"input {STANDARD}: standard input or output goes with one image, got {len(inputs)} inputs")
    if output == STANDARD:
        if len(styles) != 1:
            raise OptionError(f"output {STANDARD}: standard output takes one style, got {len(styles)}")
        source = None if inputs[0] == STANDARD else _files_of(Path(inputs[0]), Path(output))[0][0]
        return FileTask(source, (), is_video=False)
    _check_suffix(Path(output), is_video=False)
    task = FileTask(None, _for_styles(Path(output), styles), is_video=False)
    _check_targets([task], overwrite)
    return task


def _files_of(path: Path, output: Path) -> list[tuple[Path, Path]]:
    """The files of an input, and where each lies in the output's folder."""
    if path.is_dir():
        found = sorted(_walk(path, output))
        if not found:
            raise SourceError(f"input {path}: the folder holds no image and no video")
        return [(file, file.relative_to(path)) for file in found]
    if not path.exists():
        raise SourceError(f"input {path}: no such file")
    if not path.is_file():
        raise SourceError(f"input {path}: is neither a file nor a folder")
    if not os.access(path, os.R_OK):
        raise SourceError(f"input {path}: may not be read; change its permissions")
    return [(path, Path(path.name))]


def _walk(folder: Path, output: Path) -> Iterator[Path]:
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


def _check_suffix(target: Path, is_video: bool) -> None:
    allowed = VIDEO_SUFFIXES if is_video else WRITABLE_SUFFIXES
    if target.suffix.lower() not in allowed:
        kind = "a video" if is_video else "an image"
        error = OptionError(f"output {target}: {kind} must end in {', '.join(allowed)}; for a folder write {target}/")
        error.exit_status = 2
        raise error


def _for_styles(target: Path, styles: Sequence[str]) -> tuple[Path, ...]:
    if len(styles) == 1:
        return (target,)
    names = [style.replace(":", "_") for style in styles]
    return tuple(target.with_name(f"{target.stem}_{name}{target.suffix}") for name in names)


def _check_targets(tasks: Sequence[FileTask], overwrite: bool) -> None:
    seen: dict[Path, Path | None] = {}
    sources = {_identity(task.source): task.source for task in tasks if task.source is not None}
    for task in tasks:
        for target in task.targets:
            source = sources.get(_identity(target)) if target.exists() else None
            if source is not None:
                which = "the input itself" if source == task.source else f"the input {source}"
                raise OptionError(f"output {target}: is {which}; choose another name")
            if target.is_dir():
                raise OptionError(f"output {target}: is a folder; choose another name")
            if target.exists() and not target.is_file():
                raise OptionError(f"output {target}: is a device and not a file; choose another name")
            if target.exists() and not overwrite:
                raise OptionError(f"output {target}: is there already; use --overwrite, or choose another name")
            if target in seen:
                raise OptionError(f"output {target}: two inputs would become it, {seen[target]} and {task.source}")
            seen[target] = task.source


def _identity(path: Path) -> tuple[int, int]:
    """The same for all names of a file."""
    status = path.stat()
    return status.st_dev, status.st_ino
