"""Owns stylizing single images and making contact sheets of all styles."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from neural_style.contact_sheet import draw_sheet, make_cell
from realtime.engines import Engine
from realtime.flow import EngineStage
from realtime.look import Look
from realtime.media.image_file import StillImage, keeps_alpha, read_still_or_rows, write_pillow, write_still
from realtime.media.image_rows import ImageRows
from realtime.options import FileOptions
from realtime.postprocess import Finisher
from realtime.stroke_size import StrokeEngine, resized_for_stylizing, stylized_size_wh
from realtime.upsampling import Upsampling
from realtime.videos.image_in_rows import enlarge_in_rows
from realtime.videos.network_memory import check_network_memory
from realtime.videos.outputs import FileTask

_SHEET_COLUMNS = 5


class ImageStylizer:
    """Stylizes image files, one after the other; to be used in a `with` block.

    Args:
        options: largest side, size of strokes, and whether to make contact sheets.
        engine: stays open.
        note: takes lines for people.
    """

    def __init__(self, options: FileOptions, engine: Engine, note: Callable[[str], None]) -> None:
        self._options, self._note = options, note
        self._stage: EngineStage[None] = EngineStage(StrokeEngine(engine, options.stroke), report=note, prepares=False)
        self._cell_stage: EngineStage[None] = EngineStage(engine, report=note, prepares=False)

    def __enter__(self) -> "ImageStylizer":
        return self

    def __exit__(self, *_: object) -> None:
        self._stage.abort()
        self._cell_stage.abort()

    def stylize(self, task: FileTask, looks: list[Look]) -> str:
        """Reads an image, and writes it in each look, or one sheet of all.

        Returns:
            The size of what was written, "WIDTHxHEIGHT" in px.

        Raises:
            StylizationError: it cannot be read, stylized or written.
            OSError: it cannot be written.
        """
        image = read_still_or_rows(task.source, self._options.max_side_px)
        if self._options.tile_px is None:
            name = f"image {task.source or 'standard input'}"
            check_network_memory(name, image.size_wh, self._options.stroke, looks)
        targets: tuple[Path | None, ...] = task.targets or (None,)
        if self._options.sheet:
            sheet = self._sheet(image, looks)
            self._write(targets[0], sheet, image.format_suffix)
            return _size_text(sheet.size_wh)
        if isinstance(image, ImageRows):
            self._in_rows(image, looks, targets)
        else:
            for look, target in zip(looks, targets, strict=True):
                self._write(target, self._stylized(image, look, self._stage), image.format_suffix)
        return _size_text(image.size_wh)

    def _write(self, target: Path | None, image: StillImage, format_suffix: str) -> None:
        write_still(target, image, _suffix(target, format_suffix), self._options.overwrite)

    def _in_rows(self, image: ImageRows, looks: list[Look], targets: tuple[Path | None, ...]) -> None:
        self._note(image.needs.whole_line)
        for number, (look, target) in enumerate(zip(looks, targets, strict=True), start=1):
            sized, suffix = self._sized(image).pixels, _suffix(target, image.format_suffix)
            stylized = self._cell_stage.stylize(sized[None], look.style, look.strength)[0]
            shown = look.strength if look.style.fades_by_vector else 1.0
            upsampling = Upsampling(stylized, sized, image.size_wh[::-1], shown)
            canvas = image.canvas(keeps_alpha(suffix), in_place=number == len(looks))
            write_pillow(target, enlarge_in_rows(image, upsampling, look, canvas), suffix, self._options.overwrite)

    def _sized(self, image: StillImage | ImageRows) -> StillImage:
        """An image at the size where it is stylized, opaque."""
        if isinstance(image, ImageRows):
            return StillImage(image.reduced(stylized_size_wh(image.size_wh, self._options.stroke)))
        return StillImage(resized_for_stylizing(image.pixels, self._options.stroke))

    def _stylized(self, image: StillImage, look: Look, stage: EngineStage[None]) -> StillImage:
        stylized = stage.stylize(image.pixels[None], look.style, look.strength)[0]
        return replace(image, pixels=Finisher().finish(stylized, image.pixels, look))

    def _sheet(self, image: StillImage | ImageRows, looks: list[Look]) -> StillImage:
        """The image and all its stylized images, in rows; cells are small, so nothing is brought back to full size."""
        sized = self._sized(image)
        cells = [make_cell("original", sized.pixels if isinstance(image, ImageRows) else image.pixels)]
        cells += [make_cell(look.style.name, self._stylized(sized, look, self._cell_stage).pixels) for look in looks]
        rows = [cells[first : first + _SHEET_COLUMNS] for first in range(0, len(cells), _SHEET_COLUMNS)]
        return StillImage(draw_sheet(rows))


def _size_text(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"


def _suffix(target: Path | None, format_suffix: str) -> str:
    """The kind of file that an image is written as."""
    return format_suffix if target is None else target.suffix.lower()
