"""Owns stylizing single images and making contact sheets of all styles."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from neural_style.contact_sheet import draw_sheet, make_cell
from realtime.engines import Engine
from realtime.flow import EngineStage
from realtime.look import Look
from realtime.media.image_file import StillImage, read_still, write_still
from realtime.options import FileOptions
from realtime.postprocess import Finisher
from realtime.stroke_size import StrokeEngine, resized_for_stylizing
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
        self._options = options
        self._stage: EngineStage[None] = EngineStage(StrokeEngine(engine, options.stroke), report=note, prepares=False)
        self._cell_stage: EngineStage[None] = EngineStage(engine, report=note, prepares=False)

    def __enter__(self) -> "ImageStylizer":
        return self

    def __exit__(self, *_: object) -> None:
        self._stage.abort()
        self._cell_stage.abort()

    def stylize(self, task: FileTask, looks: list[Look]) -> str:
        """Reads an image, and writes it in each look, or one sheet of all; returns its size, "WIDTHxHEIGHT" in px.

        Raises:
            StylizationError: it cannot be read, stylized or written.
            OSError: it cannot be written.
        """
        image = read_still(task.source, max_side_px=self._options.max_side_px)
        targets: tuple[Path | None, ...] = task.targets or (None,)
        sheets = [self._sheet(image, looks)] if self._options.sheet else None
        stylized_images = sheets or (self._stylized(image, look, self._stage) for look in looks)
        for stylized, target in zip(stylized_images, targets, strict=True):
            write_still(target, stylized, image.format_suffix if target is None else target.suffix.lower())
        height, width = image.pixels.shape[:2]
        return f"{width}x{height}"

    def _stylized(self, image: StillImage, look: Look, stage: EngineStage[None]) -> StillImage:
        stylized = stage.stylize(image.pixels[None], look.style, look.strength)[0]
        return replace(image, pixels=Finisher().finish(stylized, image.pixels, look))

    def _sheet(self, image: StillImage, looks: list[Look]) -> StillImage:
        """The image and all its stylized images, in rows; cells are small, so nothing is brought back to full size."""
        sized = replace(image, pixels=resized_for_stylizing(image.pixels, self._options.stroke), alpha=None)
        cells = [make_cell("original", image.pixels)]
        cells += [make_cell(look.style.name, self._stylized(sized, look, self._cell_stage).pixels) for look in looks]
        rows = [cells[first : first + _SHEET_COLUMNS] for first in range(0, len(cells), _SHEET_COLUMNS)]
        return StillImage(draw_sheet(rows))
