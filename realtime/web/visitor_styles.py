"""Owns visitors' own styles: predicted from images that they send, known to who sent them alone, in memory only."""

import asyncio
import secrets
import time
from dataclasses import dataclass, replace

from realtime.errors import StyleError
from realtime.media.image_colours import on_white
from realtime.media.image_file import KINDS, StillImage, decode_still, encode_still
from realtime.media.image_memory import ImageLimits
from realtime.media.resize import middle_part, with_short_side
from realtime.style import Style
from realtime.style_catalogue import Catalogue, find_style
from realtime.style_prediction import is_predicted, predict_style

MAX_STYLE_BYTES = 16 * 2**20
STYLE_LIMITS = ImageLimits(pixels=16_000_000, side_px=16384, aspect=32)
MAX_STYLES = 8
"""Of one visitor; of more the oldest goes."""

MAX_OF_ADDRESS, MAX_VISITORS = 32, 256
"""Visitors with styles. Of more, who has been away longest is forgotten: a style takes some kilobytes."""

UNUSED_S = 600.0
_ENOUGH_PX = 2048
_NAME_LENGTH = 40
_THUMBNAIL_PX, _THUMBNAIL_ASPECT = 120, 4 / 3
_UNNAMED = "my_style"


class UnknownVisitorError(Exception):
    """Nobody has this handle, or no longer."""


@dataclass(eq=False)
class _Visitor:
    """Who has styles.

    Attributes:
        address: where they are, as far as limits go.
        used_s: when anything was last heard of them, by `time.monotonic`.
        styles: theirs, the oldest first.
    """

    address: str
    used_s: float
    styles: tuple[Style, ...] = ()


class VisitorStyles:
    """The styles of all visitors, each under the visitor's handle; from one event loop.

    Args:
        catalogue: the styles of everybody.

    Attributes:
        catalogue: as given.
        like: a style of the network that styles are predicted for; None where there is none.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.like = next((style for style in catalogue.styles if is_predicted(style)), None)
        self._visitors: dict[str, _Visitor] = {}
        self._dropping: asyncio.TimerHandle | None = None

    def add(self, handle: str, address: str, style: Style) -> tuple[str, str]:
        """Keeps a style; of a visitor without a handle the first.

        Returns:
            The visitor's handle, and the name of the style, which no other that the visitor can choose has.

        Raises:
            UnknownVisitorError: nobody has the handle.
        """
        own = self.of(handle)
        if not handle:
            handle = secrets.token_urlsafe(16)
            self._visitors[handle] = _Visitor(address, time.monotonic())
            self._make_room(address)
        name = _free_name(style.name, {*self.catalogue.names, *(each.name for each in own)})
        self._visitors[handle].styles = (*own, replace(style, name=name))[-MAX_STYLES:]
        return handle, name

    def of(self, handle: str) -> tuple[Style, ...]:
        """A visitor's styles, the oldest first; none of who has no handle.

        Raises:
            UnknownVisitorError: nobody has it.
        """
        if not handle:
            return ()
        self._drop_unused()
        if handle not in self._visitors:
            raise UnknownVisitorError("your own styles are not kept any more; send their images again")
        self.keep(handle)
        return self._visitors[handle].styles

    def keep(self, handle: str) -> None:
        """Says that a visitor is still there."""
        if handle in self._visitors:
            self._visitors[handle].used_s = time.monotonic()

    def find(self, text: str, handle: str) -> Style:
        """The style that a name or a blend means to a visitor.

        Raises:
            StyleError: there is none, or it cannot be used.
            UnknownVisitorError: nobody has the handle.
        """
        return find_style(text, Catalogue((*self.of(handle), *self.catalogue.styles)))

    def remove(self, handle: str, name: str) -> None:
        """Forgets one style.

        Raises:
            StyleError: the visitor has none of this name.
            UnknownVisitorError: nobody has the handle.
        """
        own = self.of(handle)
        kept = tuple(style for style in own if style.name != name)
        if len(kept) == len(own):
            raise StyleError(f"style {name[:_NAME_LENGTH]!r}: is none of yours")
        self._visitors[handle].styles = kept

    def drop(self, handle: str) -> None:
        """Forgets a visitor."""
        self._visitors.pop(handle, None)

    def for_everybody(self, shown: Style) -> Style:
        """A style that is shown, as others may have it: one that is somebody's own is seen and not given away."""
        parts = shown.parts or (shown.name,)
        if set(parts) <= set(self.catalogue.names):
            return shown
        return next((style for style in self.catalogue.styles if style.name in parts), self.catalogue.styles[0])

    def _make_room(self, address: str) -> None:
        """The newest visitor stays; of others who were not heard of for longest goes, where there are too many."""
        by_age = sorted(self._visitors, key=lambda handle: self._visitors[handle].used_s)
        of_address = [handle for handle in by_age if self._visitors[handle].address == address]
        if len(of_address) > MAX_OF_ADDRESS:
            self.drop(of_address[0])
        elif len(by_age) > MAX_VISITORS:
            self.drop(by_age[0])
        if self._dropping is None:
            self._drop_now_and_then()

    def _drop_unused(self) -> None:
        now_s = time.monotonic()
        for handle, visitor in list(self._visitors.items()):
            if now_s - visitor.used_s > UNUSED_S:
                self.drop(handle)

    def _drop_now_and_then(self) -> None:
        self._drop_unused()
        loop = asyncio.get_running_loop()
        self._dropping = loop.call_later(UNUSED_S / 2, self._drop_now_and_then) if self._visitors else None


def read_style(content: bytes, name: str, like: Style) -> tuple[Style, bytes]:
    """Predicts the style of an image; a transparent one is seen as on white paper.

    Args:
        content: of its file.
        name: what the visitor calls it, such as the name of its file; brought into a form that can be part of a blend.
        like: a style of the network.

    Returns:
        The style, and a small JPEG of the image.

    Raises:
        SourceError: it is damaged, too large, or of a kind that is not taken.
        StyleError: it cannot be predicted.
    """
    still = decode_still(content, "style image", STYLE_LIMITS, KINDS).shrunk(_ENOUGH_PX)
    pixels = still.pixels if still.alpha is None else on_white(still.pixels, still.alpha)
    small = with_short_side(middle_part(pixels, _THUMBNAIL_ASPECT), _THUMBNAIL_PX)
    return predict_style(pixels, _plain_name(name), like), encode_still(StillImage(small), ".jpg", quality=85)


def _plain_name(text: str) -> str:
    """Letters, digits, "_" and "-" of a name: nothing that means something in a blend, a list or a path."""
    words = "".join(character if character.isalnum() or character == "-" else " " for character in text).split()
    return "_".join(words)[:_NAME_LENGTH] or _UNNAMED


def _free_name(wanted: str, taken: set[str]) -> str:
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
