"""What is drawn over a frame: figures, help and short messages."""

import cv2
import numpy as np

from realtime.controls import Controls
from realtime.engines.protocol import EngineInfo
from realtime.frame import Image
from realtime.look import Look
from realtime.stats import Stats

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TEXT_COLOUR = (255, 255, 255)
_DOT_COLOUR = (255, 40, 40)
_DARKENED = 0.3
_USED_WIDTH = 0.96


def draw_controls(pixels: Image, controls: Controls, fields: list[str], marks: list[str]) -> Image:
    """Draws what the controls say is shown: the list of styles or the help, or else fields and the last message.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        controls: the settings.
        fields: of the overlay, if it is on.
        marks: what is always shown, for example "recording".

    Returns:
        uint8 (H, W, 3) RGB, the same where there is nothing to draw.
    """
    if lines := controls.lines:
        drawn = draw_help(pixels, lines)
    else:
        fields, message = fields if controls.panel.overlay else [], controls.message
        drawn = draw_overlay(pixels, fields, message) if fields or message else pixels
    return draw_marks(drawn, marks) if marks else drawn


def draw_overlay(pixels: Image, fields: list[str], message: str = "") -> Image:
    """Draws fields on a dark strip at the bottom, as many to a line as fit, and a message above.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        fields: short texts, for example "style candy".
        message: more lines of their own, left out when empty; a long one is broken between its words.

    Returns:
        A new uint8 (H, W, 3) RGB.
    """
    scale, width_px = _text_scale(pixels), pixels.shape[1]
    lines = _wrap(_breakable(message, scale, width_px), scale, width_px, " ") + _wrap(fields, scale, width_px)
    return _draw_lines(pixels, lines, scale, at_bottom=True)


def draw_marks(pixels: Image, marks: list[str]) -> Image:
    """Draws short texts, each behind a red dot, at the top right; uint8 (H, W, 3) RGB in and out."""
    drawn, scale = pixels.copy(), _text_scale(pixels)
    line_px = _line_height_px(scale)
    for number, mark in enumerate(marks):
        top, left = number * line_px, max(0, drawn.shape[1] - _width_px(mark, scale) - 2 * line_px)
        box = np.ascontiguousarray(drawn[top : top + line_px, left:])
        if not box.size:
            break
        drawn[top : top + line_px, left:] = cv2.convertScaleAbs(box, alpha=_DARKENED)
        cv2.circle(drawn, (left + line_px * 3 // 4, top + line_px // 2), max(1, line_px // 4), _DOT_COLOUR, cv2.FILLED)
        position = left + line_px * 3 // 2, top + line_px * 3 // 4
        cv2.putText(drawn, mark, position, _FONT, scale, _TEXT_COLOUR, _thickness(scale), cv2.LINE_AA)
    return drawn


def overlay_fields(pixels: Image, look: Look, stats: Stats, info: EngineInfo) -> list[str]:
    """What the overlay says of a frame: style, rate, latency, dropped frames, engine and size."""
    live = stats.live()
    return [
        f"{look.style.name} {look.strength:.0%}",
        f"{live.fps:.1f} fps",
        f"latency {live.latency_p50_ms:.0f}/{live.latency_p95_ms:.0f} ms",
        f"dropped {live.dropped}",
        f"{info.engine} {info.device} {info.precision}",
        f"{pixels.shape[1]}x{pixels.shape[0]}",
    ]


def draw_help(pixels: Image, lines: list[str]) -> Image:
    """Draws lines on a dark strip at the top; uint8 (H, W, 3) RGB in and out."""
    scale = _text_scale(pixels)
    room = pixels.shape[0] / (len(lines) + 1)
    widest = max(_width_px(line, scale) for line in lines)
    scale *= min(1.0, room / _line_height_px(scale), pixels.shape[1] * 0.95 / widest)
    return _draw_lines(pixels, lines, scale, at_bottom=False)


def _text_scale(pixels: Image) -> float:
    """Text is a thirtieth of the image's height, but never too small to read."""
    height_px, width_px, _ = pixels.shape
    return max(0.35, float(min(height_px / 30, width_px / 40)) / 22)


def _width_px(text: str, scale: float) -> int:
    size, _ = cv2.getTextSize(text, _FONT, scale, _thickness(scale))
    return int(size[0])


def _line_height_px(scale: float) -> int:
    return max(1, round(36 * scale))


def _thickness(scale: float) -> int:
    return max(1, round(1.6 * scale))


def _breakable(message: str, scale: float, width_px: int) -> list[str]:
    """The words of a message; those wider than the image, such as paths, in parts that are not."""
    parts: list[str] = []
    for word in message.split():
        rest = word
        while rest:
            length = len(rest)
            while length > 1 and _width_px(rest[:length], scale) >= _USED_WIDTH * width_px:
                length -= 1
            parts.append(rest[:length])
            rest = rest[length:]
    return parts


def _wrap(fields: list[str], scale: float, width_px: int, between: str = "   ") -> list[str]:
    lines: list[str] = []
    for field in fields:
        joined = f"{lines[-1]}{between}{field}" if lines else field
        if lines and _width_px(joined, scale) < _USED_WIDTH * width_px:
            lines[-1] = joined
        else:
            lines.append(field)
    return lines


def _draw_lines(pixels: Image, lines: list[str], scale: float, at_bottom: bool) -> Image:
    drawn = pixels.copy()
    line_px = _line_height_px(scale)
    strip_px = min(drawn.shape[0], line_px * len(lines) + line_px // 3)
    top = drawn.shape[0] - strip_px if at_bottom else 0
    strip = drawn[top : top + strip_px]
    cv2.convertScaleAbs(strip, strip, alpha=_DARKENED)
    for number, line in enumerate(lines, start=1):
        position = (max(2, line_px // 4), top + number * line_px - line_px // 6)
        cv2.putText(drawn, line, position, _FONT, scale, _TEXT_COLOUR, _thickness(scale), cv2.LINE_AA)
    return drawn
