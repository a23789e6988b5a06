"""The options of a live run that is shown to others: exhibition, frame rate, remote control, styles of images."""

from dataclasses import dataclass
from pathlib import Path

from realtime.errors import OptionError

INPUT_SUFFIXES = (".mp4", ".mkv", ".mov")


@dataclass(frozen=True)
class ShowOptions:
    """What happens by itself while frames are shown.

    Attributes:
        crossfade_s: how long a switch of style takes; 0 switches at once.
        cycle: go to the next style after so many seconds; None stays.
        cycle_styles: names and blends to go through, with commas between; None is all.
        kiosk: full screen, without a cursor, and nobody stops it by its keys; after so many minutes without one it
            goes back to the start. None is an ordinary window.
        qr: draw the address of the page on the image.
        fps: frames a second to hold, by a smaller size or network; None keeps the size.
        osc: port, or HOST:PORT, to take commands of Open Sound Control at; None takes none.
        styles_dir: a folder whose images become styles, those too that appear later; None is none.
        refine: better the style of an image while it is shown; None does it where a loss network is at hand that is
            known to better much.
        refine_weights: weights of the loss network; None is the best that is installed.
        record_input: also write the source's own frames to this video, and the looks to a file beside it.
    """

    crossfade_s: float = 0.8
    cycle: float | None = None
    cycle_styles: str | None = None
    kiosk: float | None = None
    qr: bool = False
    fps: float | None = None
    osc: str | None = None
    record_input: Path | None = None
    styles_dir: Path | None = None
    refine: bool | None = None
    refine_weights: Path | None = None

    def __post_init__(self) -> None:
        _check_range("crossfade", self.crossfade_s, (0, 60), "s; 0 is off")
        _check_range("cycle", self.cycle, (0.5, 86400), "s")
        _check_range("kiosk", self.kiosk, (0.1, 1440), "minutes")
        _check_range("fps", self.fps, (1, 240), "frames a second")
        if self.cycle_styles is not None and self.cycle is None:
            raise OptionError(f"cycle-styles {self.cycle_styles}: needs --cycle SECONDS; give both")
        if self.cycle_styles is not None and not all(name.strip() for name in self.cycle_styles.split(",")):
            raise OptionError(f"cycle-styles {self.cycle_styles}: a name is missing; write them as in candy,udnie")
        path = self.record_input
        if path is not None and path.suffix.lower() not in INPUT_SUFFIXES:
            raise OptionError(f"record-input {path}: must end in {', '.join(INPUT_SUFFIXES)}")
        if self.osc is not None:
            osc_address(self.osc)
        if self.styles_dir is not None and not self.styles_dir.is_dir():
            raise OptionError(f"styles-dir {self.styles_dir}: is no folder; give one that is there")
        if self.refine_weights is not None and not self.refine_weights.is_file():
            raise OptionError(f"refine-weights {self.refine_weights}: no such file; give the weights of a loss network")
        if self.refine is False and self.refine_weights is not None:
            raise OptionError(f"refine-weights {self.refine_weights}: not with --no-refine; leave one of them out")


def osc_address(text: str) -> tuple[str, int]:
    """Reads "9000" or "0.0.0.0:9000"; without a host only this machine is listened to.

    Raises:
        OptionError: it is written differently.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise OptionError(f"osc {text!r}: write a port, 0 to 65535, or HOST:PORT, for example 9000 or 0.0.0.0:9000")
    return host.strip("[]") or "127.0.0.1", int(port)


def _check_range(name: str, value: float | None, allowed: tuple[float, float], unit: str) -> None:
    if value is not None and not allowed[0] <= value <= allowed[1]:
        raise OptionError(f"{name} {value}: must be {allowed[0]} to {allowed[1]} {unit}")
