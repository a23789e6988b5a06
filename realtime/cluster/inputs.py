"""Owns which input becomes which result in a run on many machines, with addresses in place of paths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from realtime.cluster.manifest import manifest_address
from realtime.cluster.storage import files_below, is_address, joined, parent_and_name, place_of
from realtime.cluster.units import Source
from realtime.errors import OptionError, SourceError
from realtime.media.codecs import READABLE_SUFFIXES
from realtime.media.image_file import IMAGE_SUFFIXES
from realtime.media.still_reader import ImageSequence, is_pattern
from realtime.options import FileOptions
from realtime.videos.outputs import (
    FileTask,
    FoundInput,
    VideoForm,
    check_suffix,
    find_tasks,
    for_styles,
    inputs_of,
    name_in_folder,
)
from realtime.videos.task_checks import check_images, check_video


@dataclass(frozen=True)
class ClusterInput:
    """One input and what it becomes; paths are whole, because workers begin in another folder.

    Attributes:
        name: for people.
        source: the input.
        targets: a file for each style.
        is_video: whether it is treated as a video, and not as an image.
    """

    name: str
    source: Source
    targets: tuple[str, ...]
    is_video: bool

    @property
    def suffix(self) -> str:
        """Of its results."""
        return PurePosixPath(self.targets[0]).suffix.lower()


def find_inputs(
    options: FileOptions, styles: Sequence[str], note: Callable[[str], None]
) -> tuple[list[ClusterInput], str]:
    """Pairs inputs with results, and gives the manifest's address with them.

    Whether results are there already is not looked at: an earlier run may have made them.

    Raises:
        SourceError: an input is missing or cannot be read, or a folder holds nothing to stylize.
        OptionError: two results would be one file, or a kind of file cannot be written.
    """
    output = options.output
    if any(map(is_address, (*options.inputs, output))):
        inputs, into_folder = _with_addresses(options, styles)
    else:
        tasks = find_tasks(options.inputs, output, styles, True, note, VideoForm(options.fps))
        first = tasks[0].targets[0]
        asked = Path(output)
        beside = first.parent == asked.parent and first.suffix == asked.suffix and not asked.is_dir()
        into_folder = len(tasks) > 1 or not beside
        inputs = [_of_task(task) for task in tasks]
    check_images([_task_of(one) for one in inputs], options)
    for one in inputs:
        if is_pattern(parent_and_name(one.targets[0])[1]):
            raise OptionError(f"output {output}: numbered images are written by one machine; leave --ray out")
        if one.is_video:
            check_video(_task_of(one), options)
    return inputs, manifest_address(_whole(output), into_folder)


def _task_of(one: ClusterInput) -> FileTask:
    """The same as one machine would have it; addresses in it name no file."""
    return FileTask(Path(one.name), tuple(map(Path, one.targets)), one.is_video)


def _of_task(task: FileTask) -> ClusterInput:
    source: Source = str(task.source)
    if task.sequence is not None:
        files = {number: file.absolute() for number, file in task.sequence.files.items()}
        source = ImageSequence(task.sequence.name, files, task.sequence.rate)
    elif task.source is not None:
        source = str(task.source.absolute())
    targets = tuple(str(target.absolute()) for target in task.targets)
    return ClusterInput(str(task.source), source, targets, task.is_video)


def _with_addresses(options: FileOptions, styles: Sequence[str]) -> tuple[list[ClusterInput], bool]:
    """What `find_tasks` does for paths, where an input or the output is an address."""
    output = options.output
    found = [one for text in options.inputs for one in _found(text, output)]
    is_folder = output.endswith("/") or (not is_address(output) and Path(output).is_dir())
    into_folder = is_folder or len(found) > 1 or not PurePosixPath(output).suffix
    inputs: dict[str, ClusterInput] = {}
    for source, one in found:
        folder, name = (output, str(name_in_folder(one))) if into_folder else parent_and_name(output)
        check_suffix(Path(name), one.is_video)
        targets = tuple(joined(_whole(folder), target.as_posix()) for target in for_styles(Path(name), styles))
        if targets[0] in inputs:
            raise OptionError(
                f"output {targets[0]}: two inputs would become it, {inputs[targets[0]].name} and {source}"
            )
        inputs[targets[0]] = ClusterInput(
            source, source if is_address(source) else _whole(source), targets, one.is_video
        )
    _check_no_input_is_replaced(list(inputs.values()))
    return list(inputs.values()), into_folder


def _check_no_input_is_replaced(inputs: Sequence[ClusterInput]) -> None:
    sources = {place_of(one.source) for one in inputs if isinstance(one.source, str)}
    for target in (target for one in inputs for target in one.targets):
        if place_of(target) in sources:
            raise OptionError(f"output {target}: is the input itself; choose another name")


def _found(text: str, output: str) -> list[tuple[str, FoundInput]]:
    if not is_address(text):
        return [(str(one.source), one) for one in inputs_of(text, output, VideoForm())]
    results = place_of(output).rstrip("/") + "/"  # those of an earlier run, where they lie below the inputs
    names = [name for name in files_below(text) if _is_media(name) and not _lies_in(results, text, name)]
    if not names:
        raise SourceError(f"input {text}: there is no image and no video")
    found = []
    for name in names:
        place = Path(name or parent_and_name(text)[1])
        is_video = place.suffix.lower() not in IMAGE_SUFFIXES
        found.append((joined(text, name) if name else text, FoundInput(None, place, is_video)))
    return found


def _lies_in(results: str, folder: str, name: str) -> bool:
    below = place_of(folder).rstrip("/") + "/"
    return results != below and bool(name) and (below + name).startswith(results)


def _is_media(name: str) -> bool:
    """Whether a file of a folder is an image or a video; one that was named, "", is taken for what it is."""
    hidden = any(part.startswith(".") for part in name.split("/"))
    return not name or (not hidden and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES + READABLE_SUFFIXES)


def _whole(path: str) -> str:
    return path if is_address(path) else str(Path(path).absolute())
