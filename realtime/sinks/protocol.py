"""What every sink promises."""

from dataclasses import dataclass
from typing import Protocol

from realtime.controls import Command
from realtime.frame import Frame, Image
from realtime.look import Look


@dataclass(frozen=True)
class StylizedFrame:
    """A frame and what became of it.

    Attributes:
        frame: what went into the engine.
        pixels: uint8 (H, W, 3) RGB, the stylized image.
        shown: the same with overlay and help, for displays.
        look: what it was made with, where that is known.
    """

    frame: Frame
    pixels: Image
    shown: Image
    look: Look | None = None


class Sink(Protocol):
    """Takes frames, in order, from one thread."""

    def write(self, stylized: StylizedFrame) -> None:
        """Takes one frame.

        Raises:
            SinkError: it cannot be taken.
        """

    def close(self) -> str:
        """Ends well; returns a line for people ("wrote out.mp4 ..."), or "" when there is nothing to say.

        Raises:
            SinkError: the output could not be completed.
        """

    def abandon(self) -> str:
        """Ends after an error, leaving nothing under the asked name; returns a line like `close`."""
        return self.close()


class Display(Sink, Protocol):
    """A sink with a person in front of it."""

    def commands(self) -> list[Command]:
        """What the person asked for since the last call; keeps the display alive, so call it often."""

    def toggle_full_screen(self) -> None:
        """Fills the screen, or goes back."""
