"""Owns what one worker does: it keeps an engine, and does one unit of work after the other.

Nothing here knows Ray.
"""

import socket

from neural_style.errors import StylizationError
from realtime.cluster.storage import storage_of
from realtime.cluster.unit_stylizer import UnitStylizer, look_through, may_be_lost
from realtime.cluster.units import Outcome, ScanUnit, Setup, StylizeUnit, Unit
from realtime.cluster.worker_machine import Lines, style_here, use_cores
from realtime.engines.protocol import Engine, EngineInfo
from realtime.style_catalogue import Catalogue
from realtime.videos.job import open_file_engine
from realtime.videos.video_part import UncuttableError


class Worker:
    """Does units of work; its engine is opened for the first of them."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._catalogue = Catalogue(())
        self._said = Lines()
        self._done = 0

    def host(self) -> str:
        """The name of its machine."""
        return socket.gethostname()

    def progress(self) -> int:
        """How many frames of the unit under way are done."""
        return self._done

    def unseen(self, sources: tuple[str, ...], manifest: str) -> str:
        """The first input that this machine cannot read, or a manifest that it does not see, in a line.

        Empty where it sees all. The manifest lies where results go.
        """
        for address in (*sources, manifest):
            try:
                storage_of(address).state(address)
            except StylizationError as error:
                which = str(error) if address != manifest else f"output {address}: cannot be seen"
                return f"worker on {self.host()}: {which}; give a path or an address that every machine sees"
        return ""

    def open(self, setup: Setup, rank: int) -> tuple[EngineInfo, tuple[str, ...]]:
        """Opens the engine, if it is not open.

        Args:
            setup: see there.
            rank: of this worker among those of its machine.

        Returns:
            What really runs, and lines for people: what was chosen and why.

        Raises:
            StylizationError: it cannot be had here; the message names the machine.
        """
        if self._engine is None:
            use_cores(rank, setup.cores)
            import cv2

            cv2.setNumThreads(1)
            try:
                self._catalogue = Catalogue(tuple(style_here(style, setup) for style in setup.catalogue.styles))
                self._engine = open_file_engine(self._catalogue, setup.options, setup.places[0], self._said)
            except StylizationError as error:
                raise type(error)(f"worker on {self.host()}: {error}") from error
        return self._engine.info, tuple(self._said.lines)

    def run(self, setup: Setup, rank: int, unit: Unit) -> Outcome:
        """Does a unit of work; what goes wrong with its input is told in the outcome."""
        self._done = 0
        try:
            outcome = look_through(setup, unit) if isinstance(unit, ScanUnit) else self._stylize(setup, rank, unit)
        except UncuttableError as error:
            outcome = Outcome("uncut", str(error))
        except StylizationError as error:
            device = "cpu" if self._engine is None else self._engine.info.device
            outcome = Outcome("fault" if may_be_lost(error, device) else "failed", str(error))
        except OSError as error:
            outcome = Outcome("failed", _unwritten(unit, error))
        return outcome

    def _stylize(self, setup: Setup, rank: int, unit: StylizeUnit) -> Outcome:
        try:
            self.open(setup, rank)
        except StylizationError as error:  # once it could, so its GPU or its machine is not what it was
            return Outcome("unfit", str(error))
        assert self._engine is not None
        return UnitStylizer(setup, self._catalogue, self._engine, self._count).stylize(unit)

    def _count(self, done: int) -> None:
        self._done = done


def _unwritten(unit: Unit, error: OSError) -> str:
    """Why a result cannot be written; what fails while it is written, as on a full disk, names no file."""
    where = error.filename or getattr(unit, "attempts", "")
    return f"output {where}: {error.strerror or error}; choose another place, or make room"
